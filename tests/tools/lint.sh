#!/usr/bin/env bash
# Every check that reads the code without running it; all of them run, and one that fails fails the whole.
set -uo pipefail
python=.venv/bin/python
failed=()
check() {
  local name=$1
  shift
  echo "== $name"
  "$@" || failed+=("$name")
}
check 'ruff check' "$python" -m ruff check
check 'ruff format' "$python" -m ruff format --check
check 'mypy' "$python" -m mypy
check 'import contracts' .venv/bin/lint-imports --cache-dir .cache/import_linter
check 'locks' "$python" tests/tools/locks.py check
check 'dependencies declared and used' "$python" -m deptry app security migrations
check 'licences' "$python" tests/tools/licences.py
if [ ${#failed[@]} -gt 0 ]; then
  printf 'Failed: %s\n' "${failed[@]}" >&2
  exit 1
fi
