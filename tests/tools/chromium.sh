#!/usr/bin/env bash
# A Chromium for the tests: the machine's own, or else Debian's packages unpacked into .cache, installed nowhere.
set -euo pipefail
mkdir -p .cache
[ -z "${CHROMIUM:-}" ] || exit 0
for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null; then exit 0; fi
done
command -v apt-get >/dev/null || { echo 'The tests need Chromium: install it, or set CHROMIUM=/path/to/it.' >&2; exit 1; }
echo 'Unpacking Chromium into .cache (about 200 MB, once).' >&2
tests/tools/unpack.sh .cache/chromium chromium fonts-dejavu-core >.cache/chromium.log 2>&1 || { cat .cache/chromium.log >&2; exit 1; }
