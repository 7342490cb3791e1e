#!/usr/bin/env bash
# build-jaeger.sh   Builds Jaeger 2.13.0 with Go into the user's cache, unless it is there, and prints the program's path.
# For those who have no Docker. It needs Go 1.24.6 or later and takes some minutes the first time. What is built has all of
# Jaeger but its pages, which are no part of the Go module: search by the API, as look.py does.
set -euo pipefail

cache="${XDG_CACHE_HOME:-$HOME/.cache}/shadow_mw"
program="$cache/jaeger-2.13.0/jaeger"
mkdir -p "$cache"

if [ ! -x "$program" ]; then
  go=$(command -v go || echo /usr/local/go/bin/go)
  command -v "$go" >/dev/null || { echo "this needs Go 1.24.6 or later: see https://go.dev/dl" >&2; exit 1; }
  work=$(mktemp -d "$cache/.installing.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  # The module of the release 2.13.0, whose version counts on from Jaeger 1. A copy of it is built, and not the module by
  # its name, so that Go takes the versions that the release was made with as they are, and fetches nothing to choose.
  module=github.com/jaegertracing/jaeger@v1.76.0
  {
    "$go" mod download "$module"
    cp -r "$("$go" env GOMODCACHE)/$module" "$work/source"
    chmod -R u+w "$work/source"
    "$go" build -C "$work/source" -p 2 -trimpath -ldflags='-s -w' -o "$work/built/jaeger" ./cmd/jaeger
  } >&2
  [ -x "$program" ] || mv "$work/built" "$(dirname "$program")"
fi

echo "$program"
