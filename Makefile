# citysoc: everything a newcomer, an engineer or CI calls. `make` alone lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --require-hashes --only-binary :all:
DEMO_ARGS ?=
JOBS ?= 3

.PHONY: help demo test check bench bench-anomaly proof soak faults lock clean

help: ## list what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

demo: $(VENV)/runtime ## start a city of three organisations under attack, in the browser
	@exec $(BIN)/citysoc up --demo $(DEMO_ARGS)

test: $(VENV)/dev ## every test, in parallel; installs what it needs
	@deploy/local/packages.sh
	@$(BIN)/python -m deploy.local fetch >/dev/null
	CITYSOC_REQUIRE_SERVERS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

check: $(VENV)/dev ## format, lint, types, imports, rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/citysoc rules check rules/library
	$(BIN)/citysoc rules test rules/library
	$(BIN)/sigma check -i -c rules/validation.yml -P '*[!.]?????.yml' rules/library

bench: $(VENV)/dev ## measure speed; BENCHMARKS.md says what and how
	$(BIN)/python -m tests.bench.engine
	$(BIN)/python -m tests.bench.rsigma
	$(BIN)/python -m tests.bench.scale
	$(BIN)/python -m tests.bench.pipe

bench-anomaly: $(VENV)/dev ## measure the anomaly model on real labelled data beside plain detectors
	$(BIN)/python -m tests.bench.anomaly
	$(BIN)/python -m tests.bench.anomaly_verdicts
	$(BIN)/python -m tests.bench.anomaly_speed

proof: $(VENV)/dev ## real logs through the real doors, killed at work, on one file and on real servers: nothing lost or doubled
	@deploy/local/packages.sh
	$(BIN)/citysoc proof --report reports/embedded.json
	$(BIN)/citysoc proof --stack local --report reports/local-1.json
	$(BIN)/citysoc proof --stack local --workers 3 --report reports/local-3.json
	$(BIN)/citysoc proof --compare reports/embedded.json --compare reports/local-1.json --compare reports/local-3.json

soak: $(VENV)/dev ## minutes at a steady rate on both stacks while stages are killed; memory stays bounded
	@deploy/local/packages.sh
	$(BIN)/python -m tests.bench.soak
	$(BIN)/python -m tests.bench.soak 180 local

faults: proof ## the long form of what is attacked in `make test`
	HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest -n $(JOBS) tests/property/test_engine_agrees_with_oracle.py tests/property/test_every_modifier_agrees_with_oracle.py tests/property/test_events_made_for_rules.py tests/property/test_lines_agree_with_events.py tests/property/test_conditions_agree_with_oracle.py tests/property/test_any_document_is_read_or_refused.py
	CITYSOC_LONG=1 CITYSOC_REQUIRE_SERVERS=1 $(BIN)/python -m pytest tests/property/test_seeded_faults.py tests/integration/test_search_finds_what_the_engine_finds.py tests/integration/test_change_of_rules_under_kills.py

lock: $(VENV)/dev ## write requirements*.txt anew from pyproject.toml
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --group build -o requirements-build.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header -c requirements.txt --group dev -o requirements-dev.txt

clean: ## remove what make made, but no data
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@if [ -z "$(PYTHON)" ]; then echo 'citysoc needs Python 3.11 or newer; none was found. Install one, or name it: make PYTHON=/path/to/python3' >&2; exit 2; fi
	@echo "making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/runtime: requirements.txt requirements-build.txt pyproject.toml | $(VENV)/bin/python
	@echo 'installing citysoc and what it needs into $(VENV)'
	@$(PIP) -r requirements.txt -r requirements-build.txt
	@$(BIN)/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --no-index --editable .
	@touch $@

$(VENV)/dev: requirements-dev.txt $(VENV)/runtime
	@echo 'installing the tools for tests and checks'
	@$(PIP) -r requirements-dev.txt
	@touch $@
