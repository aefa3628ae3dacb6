# Streamer: every task, each one command. `make help` lists them.
# The first Python on PATH that serves: 3.11 or 3.12. Another one: make PYTHON=/a/path/to/python3.12
SERVES := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))
PYTHON ?= $(shell for python in python3 python3.12 python3.11; do \
	$$python -c '$(SERVES)' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
UV := $(VENV)/uv/bin/uv
ARGS ?=
PIP_AUDIT := 2.9.0

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format lint types floors unit integration fuzz sbom audit clean

help: ## list the tasks
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.ready ## make .venv with everything in it (plain Python with pip, no root)

demo: setup ## real Kafka, real Redis, the trained checkpoint, 300 notes: make demo ARGS="--report out.json"
	@$(BIN)/streamer demo $(ARGS)

test: setup check integration ## what CI runs: everything

check: setup lint types floors unit ## format, lint, types, floors and unit tests

format: setup ## write the code the way it is kept
	$(BIN)/ruff format streamer models monitoring tests
	$(BIN)/ruff check --fix streamer models monitoring tests

lint: setup
	$(BIN)/ruff format --check streamer models monitoring tests
	$(BIN)/ruff check streamer models monitoring tests

types: setup
	$(BIN)/mypy streamer models monitoring tests

floors: setup ## imports go only downward
	$(BIN)/lint-imports

unit: setup ## tests that need no server
	OMP_NUM_THREADS=1 $(BIN)/pytest tests --ignore tests/integration -n 2 --dist loadfile

ALERTS := tests/integration/test_alerts.py

integration: setup ## tests on the real servers
	$(BIN)/pytest tests/integration --ignore $(ALERTS) -n 2 --dist loadfile

alerts: setup ## every alert in the fault it is for, minutes of an idle machine (with Prometheus: apt-get install prometheus)
	$(BIN)/pytest -s $(ALERTS)

# Another time for all targets together: make fuzz MINUTES=1. Only some of them: make fuzz ARGS="decode wire"
MINUTES ?= 10
SECONDS ?= $(shell expr $(MINUTES) \* 60)

fuzz: setup ## ten minutes of inputs that nobody thought of (Linux on x86-64): make fuzz MINUTES=60
	@$(UV) sync --quiet --frozen --all-extras --group dev --group fuzz --inexact
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz.run --seconds $(SECONDS) $(ARGS)

sbom: setup ## build/sbom.json: every locked dependency, as CycloneDX 1.5
	@mkdir -p build
	@$(UV) export --quiet --frozen --no-dev --all-extras --format cyclonedx1.5 --output-file build/sbom.json
	@echo "build/sbom.json names $$($(BIN)/python -c 'import json; print(len(json.load(open("build/sbom.json"))["components"]))') components"

# Known advisories that do not concern us are named here, each with its reason in docs/security.md.
AUDIT_IGNORED :=

audit: setup ## locked dependencies against the advisories of osv.dev (needs the network)
	@mkdir -p build
	@$(UV) export --quiet --frozen --no-dev --all-extras --no-emit-project --output-file build/requirements.txt
	@$(UV) tool run --quiet pip-audit==$(PIP_AUDIT) --requirement build/requirements.txt --disable-pip --require-hashes \
		--vulnerability-service osv --progress-spinner off $(addprefix --ignore-vuln ,$(AUDIT_IGNORED))

clean: ## remove what `make setup` made
	rm -rf $(VENV)

# uv lives beside the environment, in a folder of its own, so that `uv sync` cannot remove itself.
$(UV):
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(SERVES)' || \
		{ echo "Streamer needs Python 3.11 or 3.12; name one: make $(MAKECMDGOALS) PYTHON=/a/path/to/python3.12"; exit 2; }
	@$(PYTHON) -m venv $(VENV)/uv 2>/dev/null || \
		{ rm -rf $(VENV)/uv; $(PYTHON) -m pip install --quiet --target $(VENV)/uv/lib uv; \
		  mkdir -p $(VENV)/uv/bin && ln -s ../lib/bin/uv $(VENV)/uv/bin/uv; }
	@test -x $(UV) || $(VENV)/uv/bin/pip install --quiet uv

$(VENV)/.ready: pyproject.toml uv.lock $(UV)
	@echo "Setting up .venv (torch brings its GPU libraries: several GB, once)"
	@test -x $(BIN)/python || $(UV) venv --quiet --allow-existing --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV)
	@$(UV) sync --frozen --all-extras --group dev
	@touch $@
