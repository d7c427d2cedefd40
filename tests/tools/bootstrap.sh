#!/usr/bin/env bash
# Makes .venv with the pinned, hashed uv in it, by pip alone. Works where Debian has split ensurepip off, and without root.
set -euo pipefail
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV
export PIP_CACHE_DIR="${PIP_CACHE_DIR:-$PWD/.cache/pip}" UV_CACHE_DIR="${UV_CACHE_DIR:-$PWD/.cache/uv-cache}"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
lock=tests/tools/requirements-uv.lock
[ -e "$lock" ] || { echo "$lock is missing: take it from the repository; 'make lock' makes it where uv is installed." >&2; exit 1; }

# A shim on the PATH may exist and fail: ask each candidate. One that can make an environment by itself comes first.
find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3 python3.11 python3.12 python3.13 python3.14 /usr/bin/python3; do
    if "$candidate" -c "import sys, venv$1; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; then
      "$candidate" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  return 1
}

# one that runs, of this place, only gets the pinned uv
[ "$(cat .venv/.at 2>/dev/null)" = "$PWD" ] && .venv/bin/python -c '' 2>/dev/null || rm -rf .venv
mkdir -p .cache
echo 'Setting up .venv: the first time takes a minute or so.' >&2
if python=$(find_python ', ensurepip'); then
  .venv/bin/python -c "import pip" 2>/dev/null || "$python" -m venv .venv
  .venv/bin/python -m pip install --quiet --require-hashes --requirement "$lock"
elif python=$(find_python ''); then
  command -v apt-get >/dev/null || { echo 'This Python cannot make environments: install its ensurepip module.' >&2; exit 1; }
  tests/tools/unpack.sh .cache/pip-wheel python3-pip-whl >.cache/pip-wheel.log 2>&1 || { cat .cache/pip-wheel.log >&2; exit 1; }
  wheel=$(echo .cache/pip-wheel/root/usr/share/python-wheels/pip-*.whl)
  PYTHONPATH=$wheel "$python" -m pip install --quiet --require-hashes --target .cache/uv --upgrade --requirement "$lock"
  [ -d .venv ] || .cache/uv/bin/uv venv --quiet --no-config --python "$python" .venv
  cp .cache/uv/bin/uv .venv/bin/uv
else
  echo 'Riserbo needs Python 3.11 or newer. Install it, or name it: make PYTHON=/path/to/python3 …' >&2
  exit 1
fi
pwd >.venv/.at
