# Everything here works from a clean clone: it needs Python 3.10 to 3.13 and make, and installs only into this folder.

PYTHON ?= python3
PORT ?= 3000
HOST ?= 127.0.0.1
# Set to a number to repeat a test run with the hash seed that it printed.
PYTHONHASHSEED ?= $(shell od -An -N2 -tu2 /dev/urandom | tr -d ' ')

GIGABYTES ?= 10

HOME_FOLDER := $(CURDIR)/.dagster-home
QUIET_IN_PROCESS := {"execution":{"config":{"in_process":{}}},"loggers":{"console":{"config":{"log_level":"WARNING"}}}}
HIGH := .venv/bin
LOW := .venv-low/bin
PYTEST := python -m pytest -n 2 --dist worksteal
SUITE := -m "not ui and not soak"

# Without byte code every process that Dagster starts takes twice as long.
unexport PYTHONDONTWRITEBYTECODE
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Settings of a virtual environment that happens to be active must not leak into ours.
unexport VIRTUAL_ENV PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help demo serve test test-fast test-ui test-soak test-crash bench bench-memory lint clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/demo.stamp ## run the sample flows, then show them in the Dagster UI (PORT=3000)
	@mkdir -p $(HOME_FOLDER)
	@cp definitions/home/dagster.yaml $(HOME_FOLDER)/dagster.yaml
	@echo "Running the sample flows in one process ..."
	@PYTHONWARNINGS=ignore DAGSTER_HOME=$(HOME_FOLDER) $(HIGH)/dagster asset materialize --select '*' -m definitions.definitions \
		--config-json '$(QUIET_IN_PROCESS)' || echo "Some nodes failed: the UI shows which, and why."
	@$(MAKE) --no-print-directory serve

serve: .venv/demo.stamp ## show the sample flows in the Dagster UI, without running them first
	@mkdir -p $(HOME_FOLDER)
	@cp definitions/home/dagster.yaml $(HOME_FOLDER)/dagster.yaml
	@echo
	@echo "  Dagster UI: http://$(HOST):$(PORT)/asset-groups   (stop with Ctrl-C)"
	@echo
	@PYTHONWARNINGS=ignore DAGSTER_HOME=$(HOME_FOLDER) PATH="$(CURDIR)/$(HIGH):$$PATH" \
		$(HIGH)/dagster dev -w workspace.yaml -h $(HOST) -p $(PORT) --log-level warning

test: lint .venv-low/test.stamp ## lint, type check, and the suite on the highest and the lowest Polars
	@$(MAKE) --no-print-directory pytest-on BIN=$(HIGH) ARGS='$(ARGS)' PYTHONHASHSEED=$(PYTHONHASHSEED)
	@$(MAKE) --no-print-directory pytest-on BIN=$(LOW) SUITE='-m "not ui and not soak and not slow"' ARGS='$(ARGS)' PYTHONHASHSEED=$(PYTHONHASHSEED)

.PHONY: pytest-on
pytest-on:
	@$(BIN)/python -c "import polars, sys; print('Polars', polars.__version__, 'on Python', sys.version.split()[0], end='')"
	@echo ", PYTHONHASHSEED=$(PYTHONHASHSEED)"
	PYTHONHASHSEED=$(PYTHONHASHSEED) $(BIN)/$(PYTEST) $(SUITE) $(ARGS)

test-fast: .venv/test.stamp ## the suite without its slow tests, on the highest Polars only
	@$(MAKE) --no-print-directory pytest-on BIN=$(HIGH) SUITE='-m "not ui and not soak and not slow and not server"' ARGS='$(ARGS)'

test-ui: .venv/ui.stamp ## drive the real UI in headless Chromium; skipped where there is no Chromium
	$(HIGH)/python -m pytest -m ui -p no:xdist tests/ui $(ARGS)

test-soak: .venv/test.stamp ## run the sample flows many times, under every executor
	$(HIGH)/python -m pytest -m soak -p no:xdist $(ARGS)

test-crash: .venv/test.stamp .venv-low/test.stamp ## kill 300 writers and runs, fail 1,000 times at a late row; look at what is left
	$(HIGH)/python -m tests.reliability.crashes $(ARGS)
	$(HIGH)/python -m tests.reliability.failing_nodes
	$(LOW)/python -m tests.reliability.failing_nodes

bench: .venv/bench.stamp ## measure loading, overhead and running flows; writes benchmarks/README.md
	$(HIGH)/python benchmarks/load_flows.py $(ARGS)
	$(HIGH)/python benchmarks/run_flows.py $(ARGS)
	$(HIGH)/python benchmarks/store.py $(filter --quick,$(ARGS))

bench-memory: .venv/bench.stamp ## measure the memory of a flow over 10 GB (GIGABYTES=10)
	$(HIGH)/python benchmarks/memory.py --gigabytes $(GIGABYTES)

lint: .venv/test.stamp ## ruff and mypy
	$(HIGH)/ruff check .
	$(HIGH)/ruff format --check .
	$(HIGH)/mypy

clean: ## remove the environments, the Dagster home, caches and what the flows wrote
	rm -rf .venv .venv-low .dagster-home .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find flows/out -type f ! -name .gitkeep -delete

.venv/bin/python .venv-low/bin/python:
	@$(PYTHON) -c "import sys; v = sys.version_info[:2]; \
		sys.exit(0 if (3, 10) <= v < (3, 14) else 'Python 3.10 to 3.13 is needed, this is ' + sys.version.split()[0])"
	$(PYTHON) -m venv $(@D:/bin=)

# $(1): the folder of the environment, $(2): the extras, $(3): more requirements.
define install
$(1)/bin/python -m pip install -qq --editable '.[$(2)]' $(3)
$(1)/bin/python -m compileall -q flowfile_dagster definitions
@touch $@
endef

.venv/demo.stamp: pyproject.toml | .venv/bin/python
	@echo "Installing into .venv ..."
	$(call install,.venv,all)

.venv/test.stamp: pyproject.toml | .venv/bin/python
	$(call install,.venv,test)

.venv/bench.stamp: pyproject.toml | .venv/bin/python
	$(call install,.venv,test$(COMMA)bench)

.venv/ui.stamp: pyproject.toml | .venv/bin/python
	$(call install,.venv,test$(COMMA)ui)

.venv-low/test.stamp: pyproject.toml | .venv-low/bin/python
	$(call install,.venv-low,test,'polars==1.39.3')

COMMA := ,
