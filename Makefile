.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready
SOURCE ?=

.PHONY: help setup report lab test soak lint bench lock clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make the virtual environment from the lock file (every other target does this first)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "learnlab needs Python 3.11 or newer; name one with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

report: $(STAMP) ## reports of the simulated fleet; of your own file or folder with SOURCE=path
	@$(BIN)/learnlab report $(if $(SOURCE),--source "$(SOURCE)",--db sample)

lab: $(STAMP) ## JupyterLab on the notebooks, with the current store open
	@$(BIN)/learnlab lab

clean: ## remove what was built or measured; stores in .learnlab and reports stay
	rm -rf .venv dist build bench .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage*
