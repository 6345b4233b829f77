# `make run` shows Sluice at work; `make test` runs every test. Both install what is missing first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: run test chaos lint types imports check clean differential fuzz benchmark

run: $(VENV)/.run
	@$(BIN)/sluice quickstart $(ARGS)

test: $(VENV)/.test
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

# The long form of tests/chaos: CHAOS_SEED repeats a storm's draws, CHAOS_OPERATIONS sets its size.
chaos: $(VENV)/.test
	@$(BIN)/python -m tests.chaos $(ARGS)

lint: $(VENV)/.test
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.test
	@$(BIN)/mypy

imports: $(VENV)/.test
	@$(BIN)/lint-imports

check: lint types imports test

# What takes long, and is not part of `make test`.
differential: $(VENV)/.test
	@SLUICE_DIFFERENTIAL=100000 $(BIN)/python -m pytest -n 2 tests/pdp/test_differential.py $(ARGS)

fuzz: $(VENV)/.test
	@$(BIN)/python -m tests.support.xacml_fuzz --minutes 10 $(ARGS)

benchmark: $(VENV)/.test
	@$(BIN)/python tests/benchmarks/pdp.py
	@$(BIN)/python tests/benchmarks/delivery.py
	@$(BIN)/python tests/benchmarks/console.py

clean:
	rm -rf $(VENV) var build dist

$(VENV)/bin/python:
	@echo "making $(VENV) with $(PYTHON) (once, about half a minute)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml | $(VENV)/bin/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[ndg,quickstart]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.run
