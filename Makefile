.DEFAULT_GOAL := help
.PHONY: help setup demo test gate acceptance faults fuzz peers docs lint types contracts bench clean

UV_VERSION := >=0.9,<1
VENV := .venv
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
BIN := $(VENV)/bin

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.uv/bin/uv:
	@python3 -m venv .uv && .uv/bin/pip install --quiet 'uv$(UV_VERSION)'

$(VENV)/.synced: pyproject.toml uv.lock | $(filter .uv/bin/uv,$(UV))
	@$(UV) sync --quiet --locked --compile-bytecode
	@touch $@

setup: $(VENV)/.synced ## Make .venv with quilate in it
	@$(BIN)/python -m compileall -q src

demo: setup ## Run the main job: reject, fix, approve, undecided, verify
	@$(BIN)/quilate demo

# The tests of process isolation go without the tracer: it would write its data in what they kill. Those on Spark go
# alone: its virtual machine takes both cores.
test: setup ## Run the tests and hold branch coverage to its gate
	@$(BIN)/pytest -n 2 tests/kit/process
	@$(BIN)/pytest tests/scripts/spark
	@$(BIN)/pytest -n 2 --cov --cov-report=term:skip-covered --ignore=tests/kit/process --ignore=tests/scripts/spark

gate: setup ## Quilate judges itself
	@$(BIN)/quilate run

acceptance: setup ## Judge well-known packages from PyPI (needs the network)
	@$(BIN)/python scripts/acceptance.py

faults: setup ## 10,000 checks under 200 kills: nothing lost, nothing twice
	@$(BIN)/python -m tests.faults.campaign --runs 2500 --kills 200

fuzz: setup ## Every operation of the API under hostile requests, once per role
	@$(BIN)/python scripts/fuzz_api.py

peers: setup ## Fetch what tests hold ours against: MLflow, published webhooks of GitHub (needs the network)
	@test -x .peers/mlflow/bin/mlflow || \
	  { $(UV) venv --quiet .peers/mlflow && $(UV) pip install --quiet --python .peers/mlflow/bin/python 'mlflow>=3,<4'; }
	@test -f .peers/webhooks-examples/package/package.json || ! command -v npm >/dev/null || \
	  { mkdir -p .peers/webhooks-examples && cd .peers/webhooks-examples && \
	    npm pack --silent @octokit/webhooks-examples@7.6.1 >/dev/null && tar xzf octokit-webhooks-examples-*.tgz; }

docs: setup ## Write the pages that come from the code
	@$(BIN)/python scripts/generate_docs.py

lint: setup ## ruff: rules and format
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: setup ## mypy --strict
	@$(BIN)/mypy

contracts: setup ## Import contracts
	@$(BIN)/lint-imports

bench: setup ## Print every benchmark's JSON line
	@for file in benchmarks/bench_*.py; do $(BIN)/python $$file || exit 1; done

clean: ## Remove what the targets made
	@rm -rf $(VENV) .uv .mypy_cache .ruff_cache .pytest_cache
