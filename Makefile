# Everything a newcomer needs: `make demo` runs the product, `make test` proves it. Both set themselves up first.
IS_3_11 := import sys; sys.exit(sys.version_info[:2] != (3, 11))
PYTHON ?= $(firstword $(shell for python in python3.11 python3; do \
	"$$python" -c '$(IS_3_11)' 2>/dev/null && echo "$$python"; done))
BIN := .venv/bin
READY := .venv/ready
ARGS ?=

# uv brings its own certificates; the machine's own are what pip and the browser trust. An earlier setting stands.
export UV_SYSTEM_CERTS ?= true

.PHONY: help setup demo test lint serve bench soak lock
.DEFAULT_GOAL := help

help: ## show what there is to run
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## install everything, hash-checked, into .venv (again only when a lock changed)

# Without uv's speed, but through any index that pip alone knows of, pip does the same work from the same lock.
$(READY): pyproject.toml requirements-dev.txt requirements-uv.txt
	@"$(PYTHON)" -c '$(IS_3_11)' 2>/dev/null || { echo "Ripen needs Python 3.11. Name one: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(BIN)/python -c '$(IS_3_11)' 2>/dev/null || "$(PYTHON)" -m venv --clear .venv
	@echo "Setting up .venv from the locks: half a minute the first time"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements-dev.txt || { \
		echo "uv could not install; pip tries the same lock (slower)" >&2; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt; }
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## run a sample business from nothing; its mails, database and report lie in demo/
	$(BIN)/ripen demo --home demo $(ARGS)

test: setup ## run the whole suite; one part of it: make test ARGS=tests/db
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadgroup $(ARGS)

lint: setup ## check style, types and which room may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

serve: setup ## start Prefect, its deployments, a worker and the web door on this machine
	$(BIN)/python -m cli.serve_all $(ARGS)

bench: setup ## measure every part against its floor; in two minutes: make bench SIZE=small
	$(BIN)/python -m bench $(if $(SIZE),--size $(SIZE)) $(ARGS)

soak: setup ## run the property tests twenty times longer, and the proofs by browser, validator and spam filter
	$(BIN)/python -m tests.soak.tools
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadgroup \
		-m "soak or hypothesis" --hypothesis-profile=soak --timeout=7200 $(ARGS)

lock: setup ## write the locks anew from pyproject.toml; newer versions: make lock ARGS=--upgrade
	@for lock in "requirements.txt pyproject.toml" "requirements-dev.txt pyproject.toml --group dev -c requirements.txt" \
		"requirements-uv.txt --group setup"; do \
		set -- $$lock && file=$$1 && shift && \
		UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet "$$@" --universal --python-version 3.11 \
			--generate-hashes --no-emit-index-url --no-annotate --output-file "$$file" $(ARGS) || exit 1; \
	done
