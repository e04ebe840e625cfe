PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TSC := tests/page/browser/node_modules/.bin/tsc
# What is compiled is kept: the tests start hundreds of interpreters.
unexport PYTHONDONTWRITEBYTECODE
PYTEST := $(BIN)/python -m pytest -n auto --durations=10
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

.PHONY: run test slow tools lint format bench guard requirements clean help

run: $(VENV)/run.stamp  ## Start the chat on port 8080 (PORT=9090 make run: on another)
	@exec $(BIN)/python -m app

test: $(VENV)/dev.stamp  ## Run the tests (make test ARGS="-x -k name": only those, to the first failure)
	@$(PYTEST) $(ARGS)

slow: tools  ## Run the tests that take other programs or long (make slow PART=faults: only that part; see tests/parts.py)
	@$(PYTEST) --dist loadfile --slow="$(or $(PART),all)" $(ARGS)

tools: $(VENV)/dev.stamp  ## Install the programs that tests need: from Debian as root, and from npm
	@$(BIN)/python -m tests.parts $(PART)

lint: $(VENV)/dev.stamp  ## Check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@if [ -x $(TSC) ]; then $(TSC) -p tests/page/browser && $(TSC) -p tests/page/browser/worker.tsconfig.json; else \
		echo "lint: types of app/page/static are not checked: expected $(TSC), which (cd tests/page/browser && npm ci) installs" >&2; \
		[ -z "$$CI" ]; fi

format: $(VENV)/dev.stamp  ## Put the code into its form
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

bench: $(VENV)/dev.stamp  ## Measure start-up beside a bare Starlette, the store, fan-out beside other chats, the page, the client
	@$(BIN)/python -m benchmarks.startup
	@$(BIN)/python -m benchmarks.store
	@$(BIN)/python -m benchmarks.collector
	@$(BIN)/python -m benchmarks.fanout $(ARGS)
	@$(BIN)/python -m benchmarks.page
	@$(BIN)/python -m benchmarks.terminal

guard: $(VENV)/dev.stamp  ## Compare speed and size with an older build (ARGS="--rows start rss": only some rows)
	@$(BIN)/python -m benchmarks.guard $(ARGS)

requirements: $(VENV)/dev.stamp  ## Pin the dependencies of pyproject.toml anew
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--upgrade --output-file requirements.txt pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--upgrade --extra dev --constraint requirements.txt --output-file requirements-dev.txt pyproject.toml

clean:  ## Remove what the other targets made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis tests/programs/node_modules tests/page/browser/node_modules

help:  ## List what make can do
	@sed -n 's/^\([a-z]*\):.*  ## /\1: /p' $(MAKEFILE_LIST)

$(VENV)/python.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "natter: $(PYTHON) is `$(PYTHON) -V 2>&1`: expected Python 3.11 or later (make PYTHON=python3.12 …)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/run.stamp: requirements.txt $(VENV)/python.stamp
	@$(PIP) -r requirements.txt
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt $(VENV)/run.stamp
	@$(PIP) -r requirements-dev.txt
	@touch $@
