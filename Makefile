# Needs only Python >= 3.11 and make; `make` shows what there is.
.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin
STAMP := .venv/installed

# Without bytecode every start compiles all imports again.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPATH := emitter
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
export UV_LINK_MODE := copy
export UV_SYSTEM_CERTS := 1

.PHONY: help
help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "Settings of run, by environment or behind it (make run ONCE=1): ONCE STATE_DIR API_PORT BROKER_PORT"
	@echo "  IDLE_SECONDS DATABASE_URL REDIS_URL ADMIN_API_KEY TRIGGERS_DIR; of the first call:"
	@echo "  PYTHON; of test: ARGS (make test ARGS='-k fold')"

.PHONY: run
run: $(STAMP) ## Start everything, replay the trace, print the bills, stay until Ctrl-C (ONCE=1: exit then)
	@exec $(BIN)/python -m runtime

.PHONY: test
test: $(STAMP) ## Run every test, two files at a time
	@exec $(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

.PHONY: conformance
conformance: $(STAMP) ## Ask a Broker the 40 numbered behaviours (CONFORMANCE_BROKER_URL: another than the embedded)
	@exec $(BIN)/python -m pytest tests/conformance $(ARGS)

.PHONY: chaos
chaos: $(STAMP) ## Kill everything 220 times while 200,000 records flow, and compare with the truth (ARGS='--help')
	@exec $(BIN)/python -m tests.chaos $(ARGS)

.PHONY: soak
soak: $(STAMP) ## 32 minutes without traffic, then the e2e and chaos tests 20 times with both cores busy
	@exec $(BIN)/python -m tests.soak $(ARGS)

.PHONY: simulate
simulate: $(STAMP) ## Rate 1,000,000 random records through the system and by other means, and compare
	@exec $(BIN)/python -m tests.simulation $(ARGS)

.PHONY: bench
bench: $(STAMP) ## Measure speed against floors of the same run, sums checked (ARGS='full --write' ARGS='--help')
	@exec $(BIN)/python -m benchmarks $(ARGS)

.PHONY: lint
lint: $(STAMP) ## Check format, style, types and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

.PHONY: lock
lock: $(STAMP) ## Resolve the dependencies anew and write requirements/ (uv.lock names registries: not committed)
	$(BIN)/uv lock
	$(BIN)/uv export --quiet --frozen --no-emit-project --no-default-groups -o requirements/functions.txt
	$(BIN)/uv export --quiet --frozen --no-emit-project --group dev -o requirements/dev.txt
	echo uv | $(BIN)/uv pip compile --quiet --generate-hashes --no-header --no-annotate -o requirements/uv.txt -

$(STAMP): requirements/dev.txt requirements/uv.txt requirements/install.sh
	@sh requirements/install.sh .venv
	@touch $@
