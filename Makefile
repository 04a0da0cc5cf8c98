# make assess REF=registry.example/team/app:1   judge an image; without REF, a real example made here
# make test | lint | bench | fuzz | install | clean
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
TESTS ?=
FUZZ_TIME ?= 3600

.PHONY: assess install development tools test lint format bench fuzz clean help
.DEFAULT_GOAL := help

help:
	@sed -n '1,2s/^# //p' Makefile

install: $(VENV)/.runtime
development: $(VENV)/.development

$(VENV)/bin/python:
	@scripts/make-environment "$(PYTHON)" "$(VENV)"

$(VENV)/.runtime: requirements/runtime.txt requirements/build.txt pyproject.toml | $(VENV)/bin/python
	@scripts/install-python "$(VENV)" requirements/build.txt requirements/runtime.txt
	@touch $@

$(VENV)/.development: requirements/development.txt $(VENV)/.runtime
	@scripts/install-python "$(VENV)" requirements/build.txt requirements/development.txt
	@touch $@

ifdef REF
assess: install
	@$(BIN)/affineur assess "$(REF)" $(ARGS)
else
assess: install
	@scripts/install-tools example
	@$(BIN)/python scripts/assess-example $(ARGS)
endif

tools: development
	@scripts/install-tools test $(VENV)

test: development tools
	$(BIN)/python -m pytest -n auto --dist loadfile $(TESTS)

lint: development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: development
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# FUZZ_TIME is in seconds, for all targets together; ARGS names some: make fuzz FUZZ_TIME=3600 ARGS="tar manifest"
fuzz: development
	$(BIN)/python tests/fuzz/running.py --seconds $(FUZZ_TIME) $(ARGS)

bench: development
	@scripts/install-tools bench
	$(BIN)/python benchmarks/run.py $(ARGS)

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
