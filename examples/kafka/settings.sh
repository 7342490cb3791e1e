# The same for the app, the workers and the other commands: `. ./settings.sh`
export SHADOW_QUEUE=kafka://127.0.0.1:9092/loans
export SHADOW_TARGETS=challenger=http://127.0.0.1:8001
export SHADOW_ROUTES='POST /decide'
export SHADOW_COMPARE=label
# A worker that is killed is missed after 6 seconds instead of 45.
export SHADOW_KAFKA_SESSION_TIMEOUT_MS=6000
