#!/usr/bin/env bash
# Starts three Kafka nodes, each broker and controller, side by side: min.insync.replicas is 2.
# RUN/n1, RUN/n2 and RUN/n3 are their working directories; PORT, PORT+10 and PORT+20 their ports for clients, and
# CONTROLLER_PORT (PORT+1) likewise. ADVERTISED may hold three addresses between spaces. The rest is start-kafka.sh's.
# Where one does not start, those that did go on running: their pids are in RUN/n*/pid.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

base=${RUN:?is the working directory} port=${PORT:-29092}
controller=${CONTROLLER_PORT:-$((port + 1))}
read -ra advertised <<<"${ADVERTISED:-127.0.0.1:$port 127.0.0.1:$((port + 10)) 127.0.0.1:$((port + 20))}"
export RF=3 MIN_ISR=2 HEAP=${HEAP:-384m}
export VOTERS="1@127.0.0.1:$controller,2@127.0.0.1:$((controller + 10)),3@127.0.0.1:$((controller + 20))"

starting=()
for i in 0 1 2; do
    RUN=$base/n$((i + 1)) NODE_ID=$((i + 1)) PORT=$((port + 10 * i)) CONTROLLER_PORT=$((controller + 10 * i)) \
        ADVERTISED=${advertised[i]:?is missing: ADVERTISED needs three addresses} "$here/start-kafka.sh" &
    starting+=($!)
done
failed=0
for start in "${starting[@]}"; do wait "$start" || failed=1; done
exit "$failed"
