# Two commands on a machine with only Python 3.11 and make:
#   make serve    a running Lapilli
#   make test     every test, on a real nats-server and a real PostgreSQL

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

# Flags for the command behind a target: make serve ARGS="--port 9000", make test ARGS="-k quota -x"
ARGS ?=

VENV := .venv
BIN  := $(VENV)/bin
PY   := $(BIN)/python
PIP  := $(PY) -m pip --disable-pip-version-check --no-input

# Tests share the processors; make test JOBS=0 runs them in one process (for a debugger).
JOBS ?= logical

# Python code that exists (a checkout may lack a folder)
CODE := $(wildcard domain adapters projections services tests benchmarks)

# Stamps say what the environment holds. They age when pyproject.toml or constraints.txt change.
RUN  := $(VENV)/.installed-run
FULL := $(VENV)/.installed-all

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: serve
serve: $(RUN) ## Run Lapilli here: API, processes, nats-server, all in one (ARGS="--port 9000")
	@exec $(BIN)/lapilli serve $(ARGS)

.PHONY: test
test: $(FULL) ## Run every test (ARGS="-k quota -x", JOBS=0 for one process)
	@exec $(PY) -m pytest -n $(JOBS) --dist worksteal $(ARGS)

SEEDS ?= 1000

.PHONY: simulate
simulate: $(FULL) ## Play histories in which everything goes wrong (SEEDS=1000, ARGS="--report")
	@exec $(PY) -m tests.simulation --seeds $(SEEDS) $(ARGS)

SECONDS ?= 120
SEED ?=

.PHONY: chaos
chaos: $(FULL) ## Kill, stop and cut off real processes under load (SECONDS=120, SEED=7, ARGS="--report")
	@exec $(PY) -m tests.chaos --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: check check-format check-lint check-types check-layers
check: check-format check-lint check-types check-layers ## Check format, lint, types and layers (-k: all, whatever fails)
check-format: $(FULL)
	$(BIN)/ruff format --check .
check-lint: $(FULL)
	$(BIN)/ruff check .
check-types: $(FULL)
	$(BIN)/mypy $(CODE)
check-layers: $(FULL)
	$(BIN)/lint-imports --no-logo

.PHONY: format
format: $(FULL) ## Format the code and apply the safe fixes
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

.PHONY: bench
bench: $(FULL) ## Measure every number that the README quotes (ARGS="--help")
	@exec $(PY) -m benchmarks $(ARGS)

.PHONY: docs
docs: $(RUN) ## Write the generated pages of docs/ anew
	@exec $(BIN)/lapilli docs --write

.PHONY: venv
venv: $(FULL) ## Set up .venv with everything: running, tests and checks

# Glance's own dependencies contradict ours, so it has an environment of its own, outside.
GLANCE := $(HOME)/.cache/lapilli/glance

.PHONY: glance
glance: $(GLANCE)/.installed ## Install a Glance for the tests of its adapter (they skip without it)
$(GLANCE)/.installed: tests/adapters/image_service/glance-constraints.txt | $(PY)
	$(PY) -m venv --clear $(GLANCE)
	$(GLANCE)/bin/python -m pip --disable-pip-version-check --no-input install --quiet -c $< glance gunicorn
	@touch $@

.PHONY: constraints
constraints: $(PY) ## Pin everything anew, at the newest versions that pyproject.toml allows
	rm -rf build/pins
	$(PY) -m venv build/pins
	build/pins/bin/python -m pip --disable-pip-version-check install -q --upgrade setuptools
	build/pins/bin/python -m pip --disable-pip-version-check install -q --no-build-isolation -e '.[dev]'
	{ echo '# Every package, exactly. Written by `make constraints`; do not edit.'; \
	  build/pins/bin/python -m pip freeze --all --exclude-editable \
	    --exclude pip --exclude wheel --exclude lapilli \
	    | grep -E '^[A-Za-z0-9._-]+==[^ ]+$$' | LC_ALL=C sort -f -t= -k1,1; } > build/pins/constraints.txt
	mv build/pins/constraints.txt constraints.txt
	rm -rf build/pins

.PHONY: clean
clean: ## Remove the environment, caches and build leftovers (data stays)
	rm -rf $(VENV) build dist *.egg-info \
	  .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis .schemathesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---------------------------------------------------------------------------

define FIND_PYTHON
for python in $${PYTHON:-} python3.11 python3; do \
  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
    echo "$$python"; exit 0; \
  fi; \
done
endef

# pip is the last thing that venv installs, so a half-made environment is made again.
$(PY):
	@python=$$($(FIND_PYTHON)); \
	if [ -z "$$python" ]; then \
	  echo 'Lapilli needs Python 3.11 or newer, as python3.11 or python3 (or: make PYTHON=/path/to/python ...).' >&2; \
	  exit 1; \
	fi; \
	echo "Making $(VENV) with $$python"; \
	if ! "$$python" -m venv --clear $(VENV); then \
	  rm -rf $(VENV); \
	  echo "$$python could not make a virtual environment; on Debian and Ubuntu, install python3-venv." >&2; \
	  exit 1; \
	fi

# setuptools first and no isolation: the pinned one builds us, and nothing is fetched unpinned.
define INSTALL
@echo 'Installing $(1) into $(VENV)'
@$(PIP) install --quiet -c constraints.txt setuptools
@$(PIP) install --quiet --no-build-isolation -c constraints.txt -e '$(1)'
endef

$(RUN): pyproject.toml constraints.txt | $(PY)
	$(call INSTALL,.)
	@touch $@

$(FULL): pyproject.toml constraints.txt | $(PY)
	$(call INSTALL,.[dev])
	@touch $(RUN) $@
