#!/usr/bin/env bash
# The model checker Spin for docs/formal: the machine's own, or else Debian's package unpacked into .cache, installed nowhere.
# Where neither can be had the tests that need it name themselves as not run; with CI set that is a failure.
set -euo pipefail
mkdir -p .cache
stamp=.cache/.spin
if [ -n "${SPIN:-}" ] || command -v spin >/dev/null; then
  touch "$stamp"
  exit 0
fi
if command -v apt-get >/dev/null; then
  echo 'Unpacking spin into .cache (1 MB, once).' >&2
  if tests/tools/unpack.sh .cache/spin spin >.cache/spin.log 2>&1; then
    touch "$stamp"
    exit 0
  fi
  tail -n 5 .cache/spin.log >&2
fi
echo 'The tests of the formal model need spin: install it (Debian: spin), or set SPIN=/path/to/spin.' >&2
[ -z "${CI:-}" ] || exit 1
echo 'Without it they are named as not run.' >&2
