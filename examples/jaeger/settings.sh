# The same for every terminal: `. ./settings.sh`
export SHADOW_TARGETS=challenger=http://127.0.0.1:8001
export SHADOW_ROUTES='POST /decide'
export SHADOW_COMPARE=label
export OTEL_SERVICE_NAME=loans
export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317
# Jaeger takes no metrics.
export OTEL_METRICS_EXPORTER=none
# One host for the spans of the app and of its mirror process, which Jaeger would else suspect of two clocks.
export OTEL_RESOURCE_ATTRIBUTES=host.name=$(hostname),ip=$(hostname)
