#!/usr/bin/env bash
# Starts three Cassandra nodes side by side, on 127.0.0.1, 127.0.0.2 and 127.0.0.3, all with the same ports.
# RUN/n1, RUN/n2 and RUN/n3 are their working directories. BROADCAST_RPC may hold three addresses between spaces. The
# rest is start-cassandra.sh's. Where one does not start, those that did go on running: their pids are in RUN/n*/pid.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

base=${RUN:?is the working directory}
export STORAGE_PORT=${STORAGE_PORT:-27000} HEAP=${HEAP:-512m} DIRECT=${DIRECT:-128m}
export RING_DELAY_MS=${RING_DELAY_MS:-2000} AUTH=${AUTH:-0}
export SEEDS="127.0.0.1:$STORAGE_PORT,127.0.0.2:$STORAGE_PORT,127.0.0.3:$STORAGE_PORT"
read -ra broadcast <<<"${BROADCAST_RPC:-127.0.0.1 127.0.0.2 127.0.0.3}"
tokens=(-9223372036854775808 -3074457345618258603 3074457345618258602)

starting=()
for i in 0 1 2; do
    RUN=$base/n$((i + 1)) ADDRESS=127.0.0.$((i + 1)) INITIAL_TOKEN=${tokens[i]} \
        BROADCAST_RPC=${broadcast[i]:?is missing: BROADCAST_RPC needs three addresses} "$here/start-cassandra.sh" &
    starting+=($!)
done
failed=0
for start in "${starting[@]}"; do wait "$start" || failed=1; done
exit "$failed"
