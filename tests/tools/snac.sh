#!/usr/bin/env bash
# The social server snac2 for the tests: the machine's own, or else Debian's package unpacked into .cache, installed nowhere.
# Where neither can be had the tests that need it name themselves as not run; with CI set that is a failure.
set -euo pipefail
mkdir -p .cache
stamp=.cache/.snac
if [ -n "${SNAC:-}" ] || command -v snac >/dev/null; then
  touch "$stamp"
  exit 0
fi
if command -v apt-get >/dev/null; then
  echo 'Unpacking snac2 into .cache (a few MB, once).' >&2
  if tests/tools/unpack.sh --also backports .cache/snac snac2 >.cache/snac.log 2>&1; then
    touch "$stamp"
    exit 0
  fi
  tail -n 5 .cache/snac.log >&2
fi
echo 'The tests with real social servers need snac2: install it (Debian: snac2, from trixie or bookworm-backports), or set SNAC=/path/to/snac.' >&2
[ -z "${CI:-}" ] || exit 1
echo 'Without it they are named as not run.' >&2
