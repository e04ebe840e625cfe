PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TSC := tests/page/browser/node_modules/.bin/tsc
# Keep compiled modules, since the tests start hundreds of interpreters.
unexport PYTHONDONTWRITEBYTECODE
PYTEST := $(BIN)/python -m pytest -n auto --durations=10
# Without --use-pep517, the pip of Debian 12 prints a warning about packages that come without a wheel.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 --require-hashes

.PHONY: run test slow tools lint format bench guard attack cluster cluster-faults requirements clean help

run: $(VENV)/run.stamp  ## Start the chat on port 8080 (PORT=9090 make run uses another)
	@exec $(BIN)/python -m app

test: $(VENV)/dev.stamp  ## Run the fast tests (ARGS="-x -k name" selects some by name and stops at the first failure)
	@$(PYTEST) $(ARGS)

slow: tools  ## Run the slow tests (PART=faults runs one part; tests/parts.py lists them)
	@$(PYTEST) --dist loadfile --slow="$(or $(PART),all)" $(ARGS)

tools: $(VENV)/dev.stamp  ## Install the programs that the tests use, from Debian (as root) and npm
	@$(BIN)/python -m tests.parts $(PART)

lint: $(VENV)/dev.stamp  ## Check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@if [ -x $(TSC) ]; then $(TSC) -p tests/page/browser && $(TSC) -p tests/page/browser/worker.tsconfig.json; else \
		echo "lint: $(TSC) is missing, so the types of app/page/static are not checked. Install it: make tools" >&2; \
		[ -z "$$CI" ]; fi

format: $(VENV)/dev.stamp  ## Format the code
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

bench: $(VENV)/dev.stamp  ## Measure startup, the store, fan-out next to other chat servers, the page and the client
	@$(BIN)/python -m benchmarks.startup
	@$(BIN)/python -m benchmarks.store
	@$(BIN)/python -m benchmarks.collector
	@$(BIN)/python -m benchmarks.fanout $(ARGS)
	@$(BIN)/python -m benchmarks.page
	@$(BIN)/python -m benchmarks.terminal

guard: $(VENV)/dev.stamp  ## Compare speed and size with an older build (ARGS="--rows start rss": only some rows)
	@$(BIN)/python -m benchmarks.guard $(ARGS)

attack: $(VENV)/dev.stamp  ## Attack a server, beside a bystander (ARGS="--only pings": only some attacks)
	@$(BIN)/python -m benchmarks.attacks $(ARGS)

cluster: $(VENV)/dev.stamp  ## Try out two nodes on three NATS servers, on port 8080 (PORT=9090 make cluster uses another)
	@exec $(BIN)/python -m tests.nats.cluster

cluster-faults: $(VENV)/dev.stamp  ## Disturb clusters while clients move between the nodes, as root (ARGS="--only disk-full --times 1")
	@$(BIN)/python -m tests.cluster $(ARGS)

requirements: $(VENV)/dev.stamp  ## Pin the latest versions of the dependencies in pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--upgrade --extra nats --output-file requirements.txt pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--upgrade --extra dev --constraint requirements.txt --output-file requirements-dev.txt pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--upgrade --constraint requirements.txt --output-file tests/servers/requirements.txt tests/servers/requirements.in

clean:  ## Remove everything that the other targets created
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis tests/programs/node_modules tests/page/browser/node_modules

help:  ## List the targets
	@sed -n 's/^\([a-z-]*\):.*  ## /\1: /p' $(MAKEFILE_LIST)

$(VENV)/python.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "natter: $(PYTHON) is `$(PYTHON) -V 2>&1`: expected Python 3.11 or later (make PYTHON=python3.12 …)" >&2; exit 1; }
	@echo "Installing Natter's packages in $(VENV); this may take a minute"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/run.stamp: requirements.txt $(VENV)/python.stamp
	@$(PIP) -r requirements.txt
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt $(VENV)/run.stamp
	@$(PIP) -r requirements-dev.txt
	@touch $@
