# Two commands from nothing: `make demo` and `make test`. They need Python 3.11+, make and git, and write into this folder only.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.SILENT:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

PYTHON_HERE := .venv/bin/python
# one that is missing is reported by the scripts, which say how to renew it
LOCKS := $(wildcard requirements.lock tests/tools/requirements-*.lock)

# paths inside .venv are absolute: a moved or copied tree builds its own
$(shell [ ! -e .venv ] || [ "$$(cat .venv/.at 2>/dev/null)" = "$$PWD" ] || rm -rf .venv)

.PHONY: demo test soak bench lint cover pictures lock clean

demo: .venv/.runtime
	exec $(PYTHON_HERE) -m app.cli demo $(ARGS)

test: .venv/.test .cache/.browser .cache/compiler .cache/.snac .cache/.spin tests/tools/node_modules/.ready
	exec tests/tools/isolated.sh $(PYTHON_HERE) -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadscope $(ARGS)

# the suites of faults at full length (an hour and more); figures in .cache/soak, also when a test failed
soak: .venv/.test .cache/compiler
	status=0; RISERBO_SOAK=1 tests/tools/isolated.sh $(PYTHON_HERE) -m pytest -o faulthandler_timeout=0 --durations=0 \
	  $(wildcard tests/crashes tests/powercut tests/faults tests/hostile tests/machine) tests/attacks/test_enumeration_times.py \
	  tests/attacks/test_many_strangers.py $(ARGS) || status=$$?; \
	$(PYTHON_HERE) -m tests.support.soak; exit $$status

lint: .venv/.test
	exec tests/tools/lint.sh

# every figure of docs/bench.md, a dozen minutes on a machine that does nothing else; ARGS as for `riserbo bench`
bench: .venv/.test
	exec tests/tools/isolated.sh $(PYTHON_HERE) tests/tools/bench.py $(ARGS)

# every line and branch of security/, by its own tests
cover: .venv/.test
	tests/tools/isolated.sh $(PYTHON_HERE) -m coverage run -m pytest --quiet tests/security
	$(PYTHON_HERE) -m coverage report

# the screenshots of README and docs, from the running demo; look at each one before committing it
pictures: .venv/.test .cache/.browser
	exec $(PYTHON_HERE) -m tests.tools.pictures

# new versions: change pyproject.toml, then this
lock: .venv/.uv
	$(PYTHON_HERE) tests/tools/locks.py renew

clean:
	rm -rf .venv .cache tests/tools/node_modules .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.uv: tests/tools/bootstrap.sh $(wildcard tests/tools/requirements-uv.lock)
	tests/tools/bootstrap.sh
	touch $@

.venv/.runtime: .venv/.uv pyproject.toml $(LOCKS)
	if [ -e .venv/.test ]; then $(MAKE) .venv/.test; else $(PYTHON_HERE) tests/tools/install.py requirements.lock; fi
	touch $@

.venv/.test: .venv/.uv pyproject.toml $(LOCKS)
	$(PYTHON_HERE) tests/tools/install.py tests/tools/requirements-test.lock
	touch $@ .venv/.runtime

.cache/.browser: tests/tools/chromium.sh tests/tools/unpack.sh
	tests/tools/chromium.sh
	touch $@

# the script sets the stamp itself: where snac2 cannot be had, the next run tries again
.cache/.snac: tests/tools/snac.sh tests/tools/unpack.sh
	tests/tools/snac.sh

# as for snac2
.cache/.spin: tests/tools/spin.sh tests/tools/unpack.sh
	tests/tools/spin.sh

# real identity providers for the tests; no package's own scripts run
tests/tools/node_modules/.ready: tests/tools/package-lock.json | .venv/.test
	npm_config_cache=$$PWD/.cache/npm PATH=$$PWD/.venv/bin:$$PATH npm ci --prefix tests/tools --ignore-scripts --no-audit --no-fund --no-update-notifier >.cache/npm.log 2>&1 \
	  || { tail -n 5 .cache/npm.log >&2; echo 'The packages of tests/tools/package-lock.json could not be had from the npm registry.' >&2; exit 1; }
	touch $@

# a C compiler: the machine's, or one that the set-up brings
.cache/compiler: tests/tools/compiler.py tests/tools/requirements-compiler.lock | .venv/.test
	$(PYTHON_HERE) tests/tools/compiler.py
