# The verbs of Tradewright. Every verb prepares the environment first, so a fresh clone needs
# Python 3.11 or newer, make and a C compiler, and nothing else.

# Python's own sources of surprise: another active environment, a foreign module path.
unexport VIRTUAL_ENV CONDA_PREFIX PYTHONHOME PYTHONPATH UV_PYTHON
export UV_PROJECT_ENVIRONMENT := $(CURDIR)/.venv
export UV_PYTHON_DOWNLOADS := never
# Certificates of a company proxy live in the system's store.
export UV_SYSTEM_CERTS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

BIN := .venv/bin
NEW_ENOUGH := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
UV := uv>=0.13.8,<0.14

# Tests of a file stay together, since they share what they start.
SIDE_BY_SIDE := -n auto --maxprocesses 4 --dist loadfile

# make run DATA=folder ARGS=--json
DATA ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup run test check fmt lint types ci-local install-hooks bench docs

help:  ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.stamp  ## create .venv with everything that uv.lock names

run: .venv/.stamp  ## the first trading day, offline; DATA=folder for your own bars, ARGS=... for options
	@$(BIN)/tradewright demo $(if $(DATA),--data "$(DATA)") $(ARGS)

test: .venv/.stamp  ## every test but the performance ones; ARGS=... for pytest
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) --ignore=tests/performance $(ARGS)

check: .venv/.stamp  ## lint, format, types, contracts, architecture, documents, weaknesses
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) tests/architecture tests/docs
	$(BIN)/python -m tests.security.check

fmt: .venv/.stamp  ## format the code and mend what lint can mend
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

lint: .venv/.stamp  ## lint and import contracts
	$(BIN)/ruff check
	$(BIN)/lint-imports

types: .venv/.stamp  ## strict type check of src and tests
	$(BIN)/mypy

ci-local: check  ## what CI runs: check, and every test that it has not run yet
	$(MAKE) test ARGS="--ignore=tests/architecture --ignore=tests/docs --durations=25"

install-hooks: .venv/.stamp  ## run lint, format, types and contracts at every commit
	$(BIN)/pre-commit install

bench: .venv/.stamp  ## measure speed and print it
	$(BIN)/python -m tests.performance.research_bench $(ARGS)
	$(BIN)/python -m tests.performance.exchange_bench
	$(BIN)/python -m tests.performance.frame_bench
	$(BIN)/python -m tests.performance.record_bench

docs: .venv/.stamp  ## write the reference pages from the code
	$(BIN)/python -m tests.docs.generate

.venv/.stamp: pyproject.toml uv.lock
	@if ! $(BIN)/python -c '$(NEW_ENOUGH)' 2>/dev/null; then \
	    for python in python3.11 python3.12 python3.13 python3; do \
	        if $$python -c '$(NEW_ENOUGH)' 2>/dev/null; then found=$$python; break; fi; \
	    done; \
	    if [ -z "$$found" ]; then \
	        echo 'No Python >= 3.11 with venv found: install python3.11 and python3.11-venv.' >&2; \
	        exit 1; \
	    fi; \
	    $$found -m venv --clear .venv; \
	fi
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade
	@$(BIN)/python -m pip install --quiet '$(UV)'
	$(BIN)/uv sync --frozen --all-extras
	@touch $@
