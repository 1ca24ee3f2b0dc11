#!/usr/bin/env bash
# Starts one Kafka node on 127.0.0.1 and prints "ready pid=N" once it serves. It goes on running in the background:
# whoever starts it stops it. Started again with the same RUN, it goes on with the same data.
#
#   LIB                   directory with the jars
#   RUN                   working directory: data/, server.log, pid
#   PORT CONTROLLER_PORT  for clients and for the KRaft controller; 29092 and 29093
#   HEAP                  512m
#   ADVERTISED            host:port that clients are told to connect to, for a proxy in front; 127.0.0.1:PORT
#   SECURITY              of the clients' listener: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL; PLAINTEXT
#   TLS_KEYSTORE TLS_TRUSTSTORE TLS_PASSWORD   PKCS #12 files and their common password, for SSL and SASL_SSL
#   CLIENT_AUTH           required: clients must show a certificate that the trust store vouches for; none
#   USERS                 name:password,... for SASL; each may use PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512. Passwords
#                         for SCRAM are set when the data is created, and stay
#   EXTRA_PROPERTIES      lines to add to the broker's properties
#   NODE_ID VOTERS RF MIN_ISR CLUSTER_ID   for clusters, see start-cluster3.sh
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

: "${LIB:?is the directory with the jars}" "${RUN:?is the working directory}"
NODE_ID=${NODE_ID:-1} PORT=${PORT:-29092} CONTROLLER_PORT=${CONTROLLER_PORT:-29093}
VOTERS=${VOTERS:-$NODE_ID@127.0.0.1:$CONTROLLER_PORT}
RF=${RF:-1} MIN_ISR=${MIN_ISR:-1} HEAP=${HEAP:-512m} CLUSTER_ID=${CLUSTER_ID:-MkU3OEVBNTcwNTJENDM2Qk}
ADVERTISED=${ADVERTISED:-127.0.0.1:$PORT} SECURITY=${SECURITY:-PLAINTEXT} CLIENT_AUTH=${CLIENT_AUTH:-none}
java=$("$here/../find-java")

bad() {
    echo "start-kafka: $*" >&2
    exit 64
}

users=()
case $SECURITY in
    PLAINTEXT | SSL) ;;
    SASL_PLAINTEXT | SASL_SSL)
        IFS=, read -ra users <<<"${USERS:?name:password,... are who may log in}"
        for user in "${users[@]}"; do
            [[ $user =~ ^[A-Za-z0-9._-]+:[^][\",=:\\]+$ ]] || bad "USERS has '${user%%:*}' with a name or password that Kafka's configuration can't hold: write name:password, without quotes, commas, brackets, '=' or backslashes"
        done
        ;;
    *) bad "SECURITY is '$SECURITY': write PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL" ;;
esac

tls_properties() {
    cat <<PROPERTIES
listener.name.client.ssl.keystore.type=PKCS12
listener.name.client.ssl.keystore.location=${TLS_KEYSTORE:?is the PKCS #12 file with certificate and key}
listener.name.client.ssl.keystore.password=${TLS_PASSWORD:?is the password of the PKCS #12 files}
listener.name.client.ssl.client.auth=$CLIENT_AUTH
PROPERTIES
    if [ "$CLIENT_AUTH" != none ]; then
        cat <<PROPERTIES
listener.name.client.ssl.truststore.type=PKCS12
listener.name.client.ssl.truststore.location=${TLS_TRUSTSTORE:?is the PKCS #12 file with whom to trust}
listener.name.client.ssl.truststore.password=$TLS_PASSWORD
PROPERTIES
    fi
}

sasl_properties() {
    local scram=org.apache.kafka.common.security.scram.ScramLoginModule
    local plain=org.apache.kafka.common.security.plain.PlainLoginModule
    echo "listener.name.client.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"
    echo "listener.name.client.scram-sha-256.sasl.jaas.config=$scram required;"
    echo "listener.name.client.scram-sha-512.sasl.jaas.config=$scram required;"
    printf 'listener.name.client.plain.sasl.jaas.config=%s required' "$plain"
    for user in "${users[@]}"; do printf ' user_%s="%s"' "${user%%:*}" "${user#*:}"; done
    echo ";"
}

properties() {
    local text name
    text=$(<"$here/kafka.properties")
    for name in NODE_ID VOTERS PORT CONTROLLER_PORT ADVERTISED SECURITY RF MIN_ISR; do
        text=${text//"@$name@"/"${!name}"}
    done
    printf '%s\n' "${text//"@DATA_DIR@"/"$RUN/data"}"
    case $SECURITY in *SSL) tls_properties ;; esac
    case $SECURITY in SASL_*) sasl_properties ;; esac
    printf '%s\n' "${EXTRA_PROPERTIES:-}"
}

format() {
    local user mechanism scram=()
    for user in "${users[@]}"; do
        for mechanism in SCRAM-SHA-256 SCRAM-SHA-512; do
            scram+=(--add-scram "$mechanism=[name=${user%%:*},password=${user#*:}]")
        done
    done
    "$java" -Xmx128m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData \
        -Dlog4j2.configurationFile="$here/log4j2.properties" -cp "$LIB/*" \
        kafka.tools.StorageTool format -t "$CLUSTER_ID" -c "$RUN/kafka.properties" "${scram[@]}"
}

mkdir -p "$RUN"
RUN=$(cd "$RUN" && pwd)
properties >"$RUN/kafka.properties"
: >"$RUN/server.log"
if [ ! -f "$RUN/data/meta.properties" ] && ! format >>"$RUN/server.log" 2>&1; then
    echo "start-kafka: the data directory could not be made, see $RUN/server.log" >&2
    exit 1
fi

"$java" -Xms"$HEAP" -Xmx"$HEAP" -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:+ExitOnOutOfMemoryError -XX:-UsePerfData \
    -Djava.awt.headless=true -Djava.net.preferIPv4Stack=true -Dlog4j2.configurationFile="$here/log4j2.properties" \
    -cp "$LIB/*" kafka.Kafka "$RUN/kafka.properties" >>"$RUN/server.log" 2>&1 </dev/null &
pid=$!
echo "$pid" >"$RUN/pid"

for _ in {1..900}; do
    if grep -q 'Kafka Server started' "$RUN/server.log"; then
        echo "ready pid=$pid"
        exit
    fi
    if ! kill -0 "$pid" 2>/dev/null; then
        echo "start-kafka: Kafka ended, see $RUN/server.log" >&2
        exit 1
    fi
    sleep 0.1
done
kill -9 "$pid"
echo "start-kafka: Kafka did not serve within 90 s, see $RUN/server.log" >&2
exit 1
