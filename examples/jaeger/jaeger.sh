#!/usr/bin/env bash
# jaeger.sh   Runs a Jaeger on this machine that forgets everything at its end, until Ctrl-C.
# For those who have no Docker. It needs Go for the first time: see build-jaeger.sh.
set -euo pipefail
cd "$(dirname "$0")"

program=$(./build-jaeger.sh)
echo "Jaeger takes spans at 127.0.0.1:4317 and answers at http://127.0.0.1:16686; Ctrl-C ends it"
exec "$program" --config jaeger.yaml
