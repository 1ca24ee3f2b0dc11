#!/usr/bin/env bash
# Starts one Cassandra node and prints "ready pid=N" once it serves CQL. It goes on running in the background: whoever
# starts it stops it. Started again with the same RUN, it goes on with the same data.
#
#   LIB                directory with the jars
#   RUN                working directory: data/, commitlog/, server.log, pid
#   ADDRESS            a loopback address; 127.0.0.1
#   PORT STORAGE_PORT  for clients and for other nodes; 29042 and 27000
#   HEAP               1g
#   COMMITLOG_SYNC     when a write is acknowledged: batch, group (synced to disk), periodic (the default: with the
#                      kernel) or lossy (still in the heap: to show that a durability test can fail)
#   AUTH               1: clients log in; the first user is cassandra, password cassandra
#   TLS_KEYSTORE TLS_PASSWORD   a PKCS #12 file and its password: clients must use TLS
#   TLS_TRUSTSTORE     a PKCS #12 file with the same password: clients must also show a certificate it vouches for
#   BROADCAST_RPC      address that drivers are told to connect to, for a proxy in front; ADDRESS. The proxy listens on
#                      PORT there: Cassandra names no other port. A driver talks to its contact node at the address it
#                      was given, so for one node any proxy will do
#   JMX_PORT           for nodetool.sh; none
#   SEEDS INITIAL_TOKEN RING_DELAY_MS DIRECT   for clusters, see start-cluster3.sh
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

: "${LIB:?is the directory with the jars}" "${RUN:?is the working directory}"
ADDRESS=${ADDRESS:-127.0.0.1} PORT=${PORT:-29042} STORAGE_PORT=${STORAGE_PORT:-27000}
SEEDS=${SEEDS:-$ADDRESS:$STORAGE_PORT} INITIAL_TOKEN=${INITIAL_TOKEN:--9223372036854775808}
HEAP=${HEAP:-1g} RING_DELAY_MS=${RING_DELAY_MS:-0} BROADCAST_RPC=${BROADCAST_RPC:-$ADDRESS} AUTH=${AUTH:-0}
java=$("$here/../find-java")

# shellcheck disable=SC2034 # yaml() reads it by name
case ${COMMITLOG_SYNC:-periodic} in
    batch) COMMITLOG='commitlog_sync: batch' ;;
    group) COMMITLOG=$'commitlog_sync: group\ncommitlog_sync_group_window: 5ms' ;;
    periodic) COMMITLOG=$'commitlog_sync: periodic\ncommitlog_sync_period: 10000ms' ;;
    lossy) COMMITLOG=$'commitlog_sync: periodic\ncommitlog_sync_period: 10000ms\ncommitlog_compression:\n  - class_name: LZ4Compressor' ;;
    *)
        echo "start-cassandra: COMMITLOG_SYNC is '$COMMITLOG_SYNC': write batch, group, periodic or lossy" >&2
        exit 64
        ;;
esac

auth_yaml() {
    cat <<'YAML'

authenticator: PasswordAuthenticator
authorizer: CassandraAuthorizer
role_manager: CassandraRoleManager
credentials_validity: 0ms                 # a changed password counts at once
YAML
}

tls_yaml() {
    cat <<YAML

client_encryption_options:
  enabled: true
  optional: false
  store_type: PKCS12
  keystore: '$TLS_KEYSTORE'
  keystore_password: '${TLS_PASSWORD:?is the password of the PKCS #12 files}'
YAML
    if [ -n "${TLS_TRUSTSTORE:-}" ]; then
        cat <<YAML
  require_client_auth: true
  truststore: '$TLS_TRUSTSTORE'
  truststore_password: '$TLS_PASSWORD'
YAML
    fi
}

yaml() {
    local text name
    text=$(<"$here/cassandra.yaml")
    for name in COMMITLOG ADDRESS BROADCAST_RPC PORT STORAGE_PORT SEEDS INITIAL_TOKEN RUN; do
        text=${text//"@$name@"/"${!name}"}
    done
    printf '%s\n' "$text"
    [ "$AUTH" = 0 ] || auth_yaml
    [ -z "${TLS_KEYSTORE:-}" ] || tls_yaml
}

mkdir -p "$RUN"/{data,commitlog,hints,saved_caches,cdc_raw,logs,tmp}
RUN=$(cd "$RUN" && pwd)
yaml >"$RUN/cassandra.yaml"
jamm=("$LIB"/jamm-*.jar)
jmx=()
[ -z "${JMX_PORT:-}" ] || jmx=(-Dcassandra.jmx.local.port="$JMX_PORT" -Djava.rmi.server.hostname=127.0.0.1)

: >"$RUN/server.log"
"$java" -Xms"$HEAP" -Xmx"$HEAP" -XX:MaxDirectMemorySize="${DIRECT:-256m}" @"$here/jvm17.options" \
    -javaagent:"${jamm[0]}" "${jmx[@]}" \
    -XX:ErrorFile="$RUN/logs/hs_err_%p.log" -XX:HeapDumpPath="$RUN/heapdump" \
    -Djava.io.tmpdir="$RUN/tmp" -Djna.tmpdir="$RUN/tmp" \
    -Dcassandra.config="file://$RUN/cassandra.yaml" \
    -Dcassandra-rackdc.properties="file://$here/cassandra-rackdc.properties" \
    -Dlogback.configurationFile="$here/logback.xml" \
    -Dcassandra.logdir="$RUN/logs" -Dcassandra.storagedir="$RUN" -Dcassandra-foreground=yes \
    -Dcassandra.ring_delay_ms="$RING_DELAY_MS" -Dcassandra.skip_wait_for_gossip_to_settle=0 \
    -Dcassandra.superuser_setup_delay_ms=0 -Dcassandra.auth_bcrypt_gensalt_log2_rounds=4 \
    -Dcassandra.initial_token="$INITIAL_TOKEN" \
    -cp "$LIB/*" org.apache.cassandra.service.CassandraDaemon >>"$RUN/server.log" 2>&1 </dev/null &
pid=$!
echo "$pid" >"$RUN/pid"

# The first user appears a moment after a new node serves. In a cluster only one node makes it, and says so.
serves() {
    grep -q 'Startup complete' "$RUN/server.log" || return 1
    if [ "$AUTH" = 0 ] || [ "$SEEDS" != "$ADDRESS:$STORAGE_PORT" ] || [ -e "$RUN/has-user" ]; then return; fi
    grep -q 'Created default superuser' "$RUN/server.log" && touch "$RUN/has-user"
}

for _ in {1..1800}; do
    if serves; then
        echo "ready pid=$pid"
        exit
    fi
    if ! kill -0 "$pid" 2>/dev/null; then
        echo "start-cassandra: Cassandra ended, see $RUN/server.log" >&2
        exit 1
    fi
    sleep 0.1
done
kill -9 "$pid"
echo "start-cassandra: Cassandra did not serve within 180 s, see $RUN/server.log" >&2
exit 1
