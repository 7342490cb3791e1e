#!/usr/bin/env bash
# broker.sh [PORT [CONTROLLER_PORT]]   One broker of Kafka on this machine, until Ctrl-C.
# broker.sh --fetch                    Only fetches what it needs.
# For those who have neither a broker nor Docker. It needs Java 11 or later, and Maven for the first time. What it keeps is
# in the folder broker-data beside it; delete that folder to begin anew.
set -euo pipefail
cd "$(dirname "$0")"

jars=$(./fetch-jars.sh kafka-3.9.1 org.apache.kafka:kafka_2.13:3.9.1 org.slf4j:slf4j-simple:1.7.36)
[ "${1:-}" != --fetch ] || exit 0
command -v java >/dev/null || { echo "this needs Java: install the package default-jre-headless" >&2; exit 1; }

port=${1:-9092}
controller=${2:-9093}
data=$PWD/broker-data
mkdir -p "$data"
cat >"$data/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
log.dirs=$data/logs
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
PROPERTIES

kafka=(java -Xmx512m -XX:+UseSerialGC -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$jars/*")
"${kafka[@]}" kafka.tools.StorageTool format --ignore-formatted \
  --cluster-id c2hhZG93LW13LWV4YW1wbG --config "$data/server.properties" >"$data/format.log"
echo "Kafka at 127.0.0.1:$port; Ctrl-C ends it"
exec "${kafka[@]}" kafka.Kafka "$data/server.properties"
