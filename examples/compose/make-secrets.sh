#!/bin/sh
# Makes the passwords of this example, once; `.env` is what compose reads.
set -eu
cd "$(dirname "$0")"
test ! -e .env || { echo ".env is there already"; exit 0; }
token=$(openssl rand -hex 16)
umask 077
cat > .env <<END
CLICKHOUSE_PASSWORD=$(openssl rand -hex 16)
GRAFANA_PASSWORD=$(openssl rand -hex 16)
SHADOW_DASHBOARD_TOKEN=$token
END
# Prometheus reads the token from a file, as a user of its own.
umask 022
printf %s "$token" > dashboard-token
echo "made .env and dashboard-token"
