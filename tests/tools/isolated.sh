#!/usr/bin/env bash
# Runs a command with a home and a temporary folder of its own, and in its own network and process namespaces where the
# machine allows it: nothing reaches the outside, two runs never meet on a port, and every child dies with the run.
set -euo pipefail
scratch=$(mktemp -d "${TMPDIR:-/tmp}/riserbo-test.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
chmod 0711 "$scratch" # PostgreSQL, run as nobody, passes through
mkdir "$scratch/home" "$scratch/tmp"
chmod 1777 "$scratch/tmp"
export HOME=$scratch/home TMPDIR=$scratch/tmp
unset XDG_CONFIG_HOME XDG_CACHE_HOME XDG_DATA_HOME XDG_RUNTIME_DIR http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy

namespaces=(--net --pid --fork --kill-child)
[ "$(id -u)" = 0 ] || namespaces=(--user --map-current-user --keep-caps "${namespaces[@]}")
for mount in --mount-proc ""; do
  if unshare "${namespaces[@]}" ${mount:+"$mount"} true 2>/dev/null; then
    # a mount is private only with a mount namespace, which --mount-proc brings
    [ -z "$mount" ] || export RISERBO_SMALL_DISK=$scratch/small-disk
    unshare "${namespaces[@]}" ${mount:+"$mount"} .venv/bin/python tests/tools/loopback.py "$@"
    exit
  fi
done
echo 'No namespaces on this machine: the tests run without them.' >&2
"$@"
