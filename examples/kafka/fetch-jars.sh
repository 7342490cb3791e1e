#!/usr/bin/env bash
# fetch-jars.sh NAME GROUP:ARTIFACT:VERSION…
# Has Maven fetch artifacts with what they need at run time into a folder of that name in the user's cache, unless it is
# there, and prints the folder. It stands in the example, so that a copy of the example's folder is enough to run it; the
# project's own tests fetch their brokers with it too.
set -euo pipefail

cache="${XDG_CACHE_HOME:-$HOME/.cache}/shadow_mw"
folder="$cache/$1"
shift
mkdir -p "$cache"

if [ ! -d "$folder" ]; then
  command -v mvn >/dev/null || { echo "this needs Maven: install the package maven" >&2; exit 1; }
  work=$(mktemp -d "$cache/.installing.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  {
    echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    echo '<groupId>shadow_mw</groupId><artifactId>brokers</artifactId><version>1</version><packaging>pom</packaging>'
    echo '<dependencies>'
    for artifact in "$@"; do
      IFS=: read -r group name version <<<"$artifact"
      echo "<dependency><groupId>$group</groupId><artifactId>$name</artifactId><version>$version</version></dependency>"
    done
    echo '</dependencies></project>'
  } >"$work/pom.xml"
  # A registry that is slow for a moment is asked again; nothing is half installed in between.
  for attempt in 1 2 3; do
    if mvn --quiet --batch-mode --file "$work/pom.xml" dependency:copy-dependencies \
      -DincludeScope=runtime -DoutputDirectory="$work/jars" >"$work/log" 2>&1; then
      [ -d "$folder" ] || mv "$work/jars" "$folder"
      break
    fi
    echo "attempt $attempt at ${folder##*/} failed:" >&2
    grep -v '^$' "$work/log" | head -5 >&2 || true
  done
fi

test -d "$folder"
echo "$folder"
