# Gonets needs Python 3.11 or newer and make. Each target makes the virtual environment that it needs, in .venv.

PYTHON ?= python3
# Three processes for two cores: a third of the time is spent waiting for what the tests wait for. In the order of their
# names, the files that take longest come first: those of tests/acceptance and tests/browser.
PYTEST_ARGS ?= -n 3 --dist loadfile --no-loadscope-reorder
CHAOS_ARGS ?=

BIN := .venv/bin
READY_TO_RUN := .venv/ready-to-run
READY_TO_TEST := .venv/ready-to-test
READY_TO_BENCHMARK := .venv/ready-to-benchmark

.PHONY: help run check unit test test-long clients tests chaos chaos-selfcheck benchmark screenshots lint audit licences format clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

run: $(READY_TO_RUN) ## run the whole service here: database, gateway, API, workers (WORKERS=3, API_PORT=8001, …)
	@exec $(BIN)/python -m sandbox

# What needs no running keeps one core busy for half a minute: the tests have the other meanwhile.
test: $(READY_TO_TEST) ## run every check: lint, types, import rules, tests
	@$(MAKE) --no-print-directory --jobs=2 lint tests
	@$(BIN)/python -m tests.tools

check: $(READY_TO_TEST) ## run what takes a minute: lint, types, import rules, the unit tests
	@$(MAKE) --no-print-directory --jobs=2 lint unit

unit: $(READY_TO_TEST)
	@$(BIN)/python -m pytest -q $(PYTEST_ARGS) tests/unit

test-long: $(READY_TO_TEST) ## run the variations of tests that make test leaves out
	@$(BIN)/python -m pytest $(PYTEST_ARGS) -m long

tests: $(READY_TO_TEST)
	@echo "Tests"
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

chaos: $(READY_TO_TEST) ## kill, freeze and cut everything, then check both ledgers (SEED=…, SECONDS=600, WORKERS=4, RATE=0)
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) --seconds $(or $(SECONDS),600) --workers $(or $(WORKERS),4) \
	    $(if $(RATE),--rate $(RATE)) $(CHAOS_ARGS)

clients: $(READY_TO_TEST) .venv-clients/ready ## generate two clients from the OpenAPI document and make every call with them (needs Java)
	@$(BIN)/python -m pytest -q -m generated tests/generated

chaos-selfcheck: $(READY_TO_TEST) ## check the chaos tests themselves: more short runs, and every mutant of the worker, which they must catch
	@$(BIN)/python -m pytest $(PYTEST_ARGS) -m "chaos or not chaos" tests/acceptance/test_chaos.py tests/acceptance/test_chaos_mutants.py

benchmark: $(READY_TO_BENCHMARK) ## measure what the README says (all of it, or NAME=dispatch; ARGS='--messages 5000')
	@$(BIN)/python -m benchmarks$(if $(NAME),.$(NAME)) $(ARGS)

benchmark-%: $(READY_TO_BENCHMARK)
	@$(BIN)/python -m benchmarks.$* $(ARGS)

screenshots: $(READY_TO_TEST) ## take pictures of the console at work, into docs/img
	@$(BIN)/python -m tests.browser.screenshots

lint: $(READY_TO_TEST) ## run the checks that need no running
	@echo "Style"
	@$(BIN)/python -m ruff check --quiet .
	@$(BIN)/python -m ruff format --quiet --check . || { echo "Not formatted: run make format."; exit 1; }
	@echo "Types"
	@$(BIN)/python -m mypy
	@echo "Import rules"
	@$(BIN)/lint-imports

audit: $(READY_TO_TEST) .venv-audit/bin/pip-audit ## compare what is installed with the known vulnerabilities (needs the network)
	@$(BIN)/python -m pip freeze --disable-pip-version-check --exclude-editable > .venv-audit/installed.txt
	@.venv-audit/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off -r .venv-audit/installed.txt \
	    2> .venv-audit/said; status=$$?; grep -v '^ ' .venv-audit/said | tail -n 1; \
	if grep -q 'could not be audited\|^Traceback' .venv-audit/said; then \
	    echo "Not audited: the list of known vulnerabilities can't be reached from here, or lacks what is named above."; \
	fi; exit $$status

licences: $(READY_TO_TEST) ## write the licences of what is installed into docs/dependencies.md
	@$(BIN)/python -m tests.dependencies

format: $(READY_TO_TEST) ## format the code
	@$(BIN)/python -m ruff check --quiet --fix-only .
	@$(BIN)/python -m ruff format .

clean: ## remove the virtual environment and the caches (the data stays in .data)
	@rm -rf .venv .venv-audit .venv-clients .venv-peers .venv-peers-node build ./*.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .schemathesis
	@find . -path ./.git -prune -o -path ./.data -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

define make_virtual_environment
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
    echo "Gonets needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo missing):" \
        "name another one, for example: make $(or $(MAKECMDGOALS),run) PYTHON=python3.12"; exit 1; }; \
$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
    echo "This Python has no venv module; on Debian and Ubuntu: apt install python3-venv"; exit 1; }; \
$(PYTHON) -m venv --clear .venv
endef

# A virtual environment that was cut short has no pip, and is made again.
define install
@$(BIN)/python -m pip --version >/dev/null 2>&1 || { $(make_virtual_environment); }
@echo "Installing $(1) into .venv; this happens once and takes a minute or so."
@$(BIN)/python -m pip --quiet --disable-pip-version-check install --editable '.[$(2)]' || { \
    echo "The packages could not be installed; pip says why above."; exit 1; }
endef

comma := ,
run_extras := api$(comma)worker$(comma)sandbox

$(BIN)/python:
	@$(make_virtual_environment)

$(READY_TO_RUN): setup.cfg pyproject.toml $(BIN)/python
	$(call install,what Gonets runs with,$(run_extras))
	@touch $@

$(READY_TO_TEST): setup.cfg pyproject.toml $(BIN)/python
	$(call install,what Gonets is tested with,$(run_extras)$(comma)test)
	@touch $(READY_TO_RUN) $@

$(READY_TO_BENCHMARK): setup.cfg pyproject.toml $(BIN)/python
	$(call install,what Gonets is measured with,$(run_extras)$(comma)benchmark)
	@touch $(READY_TO_RUN) $@

.venv-audit/bin/pip-audit:
	@$(PYTHON) -m venv --clear .venv-audit
	@.venv-audit/bin/python -m pip --quiet --disable-pip-version-check install pip-audit || { \
	    echo "pip-audit could not be installed; pip says why above."; exit 1; }

# The generators, and what the clients that they make import.
.venv-clients/ready: Makefile
	@echo "Installing the generators of clients into .venv-clients; this happens once and takes a minute or so."
	@$(PYTHON) -m venv --clear .venv-clients
	@.venv-clients/bin/python -m pip --quiet --disable-pip-version-check install 'openapi-python-client>=0.29,<0.30' \
	    'openapi-generator-cli>=7.26,<8' pydantic python-dateutil typing-extensions urllib3 || { \
	    echo "The generators could not be installed; pip says why above."; exit 1; }
	@touch $@
