# Every task of the project. `make help` lists them.
# The first of these that runs and is new enough: a version manager's shim may exist and refuse.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
EXAMPLES ?= 20000
SEED ?= $(shell date +%s)
MATRIX ?= examples/data/debian12_depends.mtx.gz

.PHONY: help demo test lint typecheck bench fuzz clean
.DEFAULT_GOAL := help

help: ## list the tasks
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "sparsec needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(PIP) -e '.[plot]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	$(PIP) -e '.[test]'
	@touch $@

$(VENV)/.lint: pyproject.toml | $(BIN)/python
	$(PIP) -e '.[lint]'
	@touch $@

demo: $(VENV)/.demo ## compile four kernels, run them on a real matrix beside SciPy (MATRIX=file.mtx for another)
	$(BIN)/python examples/demo.py "$(MATRIX)"

test: $(VENV)/.test ## install what the tests need and run them
	$(BIN)/python -m pytest -q -n 2

fuzz: $(VENV)/.test ## long random testing: EXAMPLES=20000 programs, SEED=12345 to repeat a run
	SPARSEC_FUZZ_EXAMPLES=$(EXAMPLES) SPARSEC_FUZZ_SEED=$(SEED) $(BIN)/python -m pytest -q -n 2 --dist worksteal -m fuzz

lint: $(VENV)/.lint ## ruff
	$(BIN)/ruff check .

typecheck: $(VENV)/.lint ## mypy, strict, on the tree that ships
	rm -rf build
	$(PIP) --no-deps --target build/typecheck .
	cd build/typecheck && ../../$(BIN)/mypy --config-file ../../pyproject.toml -p sparsec

bench: $(VENV)/.test ## benchmarks side by side with the peers; writes benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks

clean: ## remove what make made
	rm -rf $(VENV) build *.egg-info
