.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready
TEST_HOME := $(CURDIR)/build/test-home
PYTEST := $(BIN)/python -m pytest --quiet
PAGES := tests/browser tests/notebooks
SPREAD := --numprocesses auto --dist loadscope --no-loadscope-reorder
SOURCE ?=
# Every target starts many processes: compiled modules are kept, whatever the environment says.
export PYTHONDONTWRITEBYTECODE =
TORCH := torch==2.13.0

.PHONY: help setup report lab lint test pages soak bench router-table browser lock clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make the virtual environment from the lock file (every other target does this first)

$(STAMP): requirements.lock pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "learnlab needs Python 3.11 or newer; name one with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

report: $(STAMP) ## reports of the simulated fleet; of your own file or folder with SOURCE=path
	@$(BIN)/learnlab report $(if $(SOURCE),--source "$(SOURCE)",--db sample)

lab: $(STAMP) ## JupyterLab on the notebooks, with the current store open
	@$(BIN)/learnlab lab

lint: $(STAMP) ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

test: browser ## lint, unit tests, notebooks and real data, side by side (also what CI runs)
	@$(MAKE) --no-print-directory --jobs 2 --output-sync lint pages
	@LEARNLAB_HOME=$(TEST_HOME) $(PYTEST) $(SPREAD) -p no:nbval -m "not alone" \
		$(addprefix --ignore ,$(PAGES)) tests learnlab --cov --cov-fail-under 95
	@$(PYTEST) -p no:nbval -m alone $$(grep --recursive --files-with-matches --include "*.py" mark.alone tests)

pages: $(STAMP)
	@rm -rf $(TEST_HOME)
	@LEARNLAB_HOME=$(TEST_HOME) $(BIN)/learnlab simulate
	@LEARNLAB_HOME=$(TEST_HOME) $(PYTEST) $(SPREAD) -p learnlab.reports --nbval-lax $(PAGES) notebooks

soak: $(STAMP) ## the crash and process tests at full counts: 100 kills, ten processes for five minutes
	@LEARNLAB_SOAK=1 $(PYTEST) -m soak tests --capture no

bench: $(STAMP) ## how fast, each figure beside a peer or a limit of the same run
	@$(BIN)/python tests/bench

router-table: $(STAMP) ## docs/router-table.md: how routers do on real outcomes, beside simple baselines
	@$(BIN)/python tests/router_table $(SECTIONS)

browser: $(STAMP) ## find a Chromium for the browser tests, or install one
	@$(BIN)/python tests/browser/chromium.py

lock: ## resolve the dependencies anew into requirements.lock (needs uv)
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-header --no-emit-index-url --no-emit-find-links --no-emit-package torch --upgrade \
		--output-file requirements.lock

clean: ## remove what was built or measured; stores in .learnlab and reports stay
	rm -rf .venv dist build bench .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage*
