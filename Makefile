# Gonets needs Python 3.11 or newer and make. Each target makes the virtual environment that it needs, in .venv.

PYTHON ?= python3
# Three processes for two cores: a third of the time is spent waiting for what the tests wait for. In the order of their
# names, the files that take longest come first: those of tests/acceptance and tests/browser.
PYTEST_ARGS ?= -n 3 --dist loadfile --no-loadscope-reorder
CHAOS_ARGS ?=

BIN := .venv/bin

# Each test that starts a process would compile the code again.
unexport PYTHONDONTWRITEBYTECODE
READY_TO_RUN := .venv/ready-to-run
READY_TO_TEST := .venv/ready-to-test
READY_FOR_GATEWAYS := .venv/ready-for-gateways

.PHONY: help run check unit test test-long clients tests coverage chaos chaos-selfcheck benchmark screenshots lint audit licences lock
.PHONY: schema format clean gateways
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

run: $(READY_TO_RUN) ## run the whole service here: database, gateway, API, workers (WORKERS=3, API_PORT=8001, GATEWAYS=demo, …)
	@exec $(BIN)/python -m sandbox

# The static checks keep one core busy for half a minute; the tests use the other one.
test: $(READY_TO_TEST) ## run the standard checks: lint, types, import rules, tests (slower ones: test-long, chaos-selfcheck, clients, gateways)
	@$(MAKE) --no-print-directory --jobs=2 lint tests
	@$(BIN)/python -m tests.required_tools

check: $(READY_TO_TEST) ## run the quick checks: lint, types, import rules, unit tests (a minute)
	@$(MAKE) --no-print-directory --jobs=2 lint unit

unit: $(READY_TO_TEST)
	@$(BIN)/python -m pytest -q $(PYTEST_ARGS) tests/unit

test-long: $(READY_TO_TEST) ## run the slow variations of tests that make test skips
	@$(BIN)/python -m pytest $(PYTEST_ARGS) -m long

tests: $(READY_TO_TEST)
	@echo "Tests"
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

coverage: $(READY_TO_TEST) ## tell which lines the unit and integration tests run, here and in htmlcov/ (TESTS=tests/unit)
	@rm -f .coverage .coverage.*
	@$(BIN)/python -m coverage run -m pytest -q $(PYTEST_ARGS) $(or $(TESTS),tests/unit tests/integration)
	@$(BIN)/python -m coverage combine --quiet
	@$(BIN)/python -m coverage html --quiet
	@$(BIN)/python -m coverage report

chaos: $(READY_TO_TEST) ## kill, freeze and cut everything, then check both ledgers (SEED=…, SECONDS=600, WORKERS=4, RATE=0)
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) --seconds $(or $(SECONDS),600) --workers $(or $(WORKERS),4) \
	    $(if $(RATE),--rate $(RATE)) $(CHAOS_ARGS)

clients: $(READY_TO_TEST) .venv-clients/ready ## generate two clients from the OpenAPI document and test every call with them (needs Java)
	@$(BIN)/python -m pytest -q -m generated tests/generated

gateways: $(READY_FOR_GATEWAYS) .venv-gateways/ready ## send through a real Kannel and Jasmin, and compare our requests with those of providers' clients
	@$(BIN)/python -m pytest -q -m "gateways or not gateways" tests/unit/gateways tests/integration/gateways tests/gateways \
	    tests/integration/sandbox/test_sdks.py
	@$(BIN)/python -m tests.required_tools

chaos-selfcheck: $(READY_TO_TEST) ## check the chaos tests themselves: more short runs, and every mutant of the worker, which they must catch
	@$(BIN)/python -m pytest $(PYTEST_ARGS) -m "chaos or not chaos" tests/acceptance/test_chaos.py tests/acceptance/test_chaos_mutants.py

benchmark: $(READY_TO_TEST) ## measure what docs/performance.md says (all of it, or NAME=dispatch; ARGS='--messages 5000')
	@$(BIN)/python -m benchmarks $(NAME) $(ARGS)

screenshots: $(READY_TO_TEST) ## take screenshots of the console, into docs/img
	@$(BIN)/python -m tests.browser.screenshots

lint: $(READY_TO_TEST) ## run the static checks: style, types, import rules
	@echo "Style"
	@$(BIN)/python -m ruff check --quiet .
	@$(BIN)/python -m ruff format --quiet --check . || { echo "Not formatted: run make format."; exit 1; }
	@echo "Types"
	@$(BIN)/python -m mypy
	@echo "Import rules"
	@$(BIN)/lint-imports

audit: $(READY_TO_TEST) .venv-audit/bin/pip-audit ## check the installed packages for known vulnerabilities (needs the network)
	@$(BIN)/python -m pip freeze --disable-pip-version-check --exclude-editable > .venv-audit/installed.txt
	@.venv-audit/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off -r .venv-audit/installed.txt \
	    2> .venv-audit/said; status=$$?; grep -v '^ ' .venv-audit/said | tail -n 1; \
	if grep -q 'could not be audited\|^Traceback' .venv-audit/said; then \
	    echo "Not audited: the list of known vulnerabilities can't be reached from here, or lacks what is named above."; \
	fi; exit $$status

licences: $(READY_TO_TEST) ## write the licences of the installed packages into docs/dependencies.md
	@$(BIN)/python -m tests.dependencies

lock: .venv-lock/bin/uv ## write requirements/ from setup.cfg, keeping what still fits (ARGS=--upgrade: the newest)
	@cat requirements/*.txt > .venv-lock/all.txt
	@$(compile) --all-extras $(ARGS) --output-file .venv-lock/all.txt
	@for extra in $(extras); do \
	    $(compile) --extra $$extra --constraint .venv-lock/all.txt --output-file requirements/$$extra.txt || exit 1; \
	done

schema: $(READY_TO_TEST) ## write migrations/schema.sql from what the migrations make
	@$(BIN)/python -m tests.schema_dump

format: $(READY_TO_TEST) ## format the code
	@$(BIN)/python -m ruff check --quiet --fix-only .
	@$(BIN)/python -m ruff format .

clean: ## remove the virtual environment and the caches (the data stays in .data)
	@rm -rf .venv .venv-audit .venv-clients .venv-gateways .venv-lock .venv-peers-node .venv-peers-go build htmlcov .coverage .coverage.* ./*.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .schemathesis
	@find . -path ./.git -prune -o -path ./.data -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

define make_virtual_environment
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
    echo "Gonets needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo missing):" \
        "name another one, for example: make $(or $(MAKECMDGOALS),run) PYTHON=python3.12"; exit 1; }; \
$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
    echo "This Python has no venv module; on Debian and Ubuntu: apt install python3-venv"; exit 1; }; \
$(PYTHON) -m venv --clear .venv
endef

# A virtual environment whose creation was interrupted has no pip, and is created again.
define install
@$(BIN)/python -m pip --version >/dev/null 2>&1 || { $(make_virtual_environment); }
@echo "Installing $(1) into .venv; this happens once and takes a minute or so."
@$(BIN)/python -m pip --quiet --disable-pip-version-check install --require-hashes $(2:%=-r %) || { \
    echo "The packages could not be installed; pip says why above."; exit 1; }
endef

extras := api worker sandbox test gateways
locks_to_run := $(patsubst %,requirements/%.txt,api worker sandbox)
locks_to_test := $(locks_to_run) requirements/test.txt

$(BIN)/python:
	@$(make_virtual_environment)

$(READY_TO_RUN): $(locks_to_run) $(BIN)/python
	$(call install,what Gonets runs with,$(locks_to_run))
	@touch $@

$(READY_TO_TEST): $(locks_to_test) $(BIN)/python
	$(call install,what Gonets is tested with,$(locks_to_test))
	@touch $(READY_TO_RUN) $@

$(READY_FOR_GATEWAYS): requirements/gateways.txt $(READY_TO_TEST)
	$(call install,the clients of providers,requirements/gateways.txt)
	@touch $@

.venv-audit/bin/pip-audit:
	@$(PYTHON) -m venv --clear .venv-audit
	@.venv-audit/bin/python -m pip --quiet --disable-pip-version-check install pip-audit || { \
	    echo "pip-audit could not be installed; pip says why above."; exit 1; }

# One resolution for all extras, and a file for each: what two of them need has the same version and hashes in both, so
# pip takes any of them together. No index and no path comes into the files.
compile = .venv-lock/bin/uv --quiet --no-progress pip compile setup.cfg --universal --python-version 3.11 \
    --generate-hashes --no-annotate --no-emit-index-url --custom-compile-command 'make lock'

.venv-lock/bin/uv:
	@$(PYTHON) -m venv --clear .venv-lock
	@.venv-lock/bin/python -m pip --quiet --disable-pip-version-check install 'uv>=0.13,<0.14' || { \
	    echo "uv could not be installed; pip says why above."; exit 1; }

# The generators, and what the clients that they make import.
.venv-clients/ready: Makefile
	@echo "Installing the generators of clients into .venv-clients; this happens once and takes a minute or so."
	@$(PYTHON) -m venv --clear .venv-clients
	@.venv-clients/bin/python -m pip --quiet --disable-pip-version-check install 'openapi-python-client>=0.29,<0.30' \
	    'openapi-generator-cli>=7.26,<8' pydantic python-dateutil typing-extensions urllib3 || { \
	    echo "The generators could not be installed; pip says why above."; exit 1; }
	@touch $@

# Jasmin, and clients of providers: some of what they depend on would replace what Gonets depends on (phonenumbers).
.venv-gateways/ready: Makefile
	@echo "Installing Jasmin and clients of providers into .venv-gateways; this happens once and takes a minute or so."
	@$(PYTHON) -m venv --clear .venv-gateways
	@.venv-gateways/bin/python -m pip --quiet --disable-pip-version-check install jasmin==0.11.0 \
	    'smsaero-api>=3.2,<4' 'smsru-api>=1.4,<2' 'android-sms-gateway[requests]>=4.3,<5' 'smsc==0.1.1' || { \
	    echo "They could not be installed; pip says why above."; exit 1; }
	@touch $@
