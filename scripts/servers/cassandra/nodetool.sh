#!/usr/bin/env bash
# nodetool for a node that start-cassandra.sh started with JMX_PORT: LIB=... JMX_PORT=... nodetool.sh status
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

java=$("$here/../find-java")
exec "$java" -Xmx128m -XX:TieredStopAtLevel=1 @"$here/jvm17.options" -Dlogback.configurationFile="$here/logback.xml" \
    -Dcassandra.storagedir="${RUN:-${TMPDIR:-/tmp}}" -cp "${LIB:?is the directory with the jars}/*" \
    org.apache.cassandra.tools.NodeTool -h 127.0.0.1 -p "${JMX_PORT:?is what the node was started with}" "$@"
