# The way in: `make site` and `make test` do all that is needed, the environment and the host's packages included.
# YES=1 installs without asking; REQUIRE=all makes a recipe skipped for want of a package an error; KEEP_GOING=1 has `make site` and
# `make pdf` build the site although recipes fail, with the failures shown on its pages (it is not to be published); KVMDOCS_* are settings.

# Seen from another folder (`make -f`) the project is where this file lies; asking first for a file of the project
# lets that folder's name hold spaces when make runs inside it.
ROOT := $(if $(wildcard kvmdocs/core/errors.py),$(CURDIR),$(abspath $(dir $(lastword $(MAKEFILE_LIST)))))
BIN := $(ROOT)/.venv/bin

PYTHON ?= python3
UV ?= $(or $(wildcard $(BIN)/uv),uv)
CONFIG ?= mkdocs.yml
KEEPS_GOING = $(if $(filter 1 y Y yes true,$(KEEP_GOING)),--keep-going)
# Processes that run tests side by side; 0 for none but the one.
WORKERS ?= 3

# Another Python's settings must not reach the environment's. With the last one each of the hundreds of processes that tests start would
# compile the engine's modules anew.
unexport PYTHONHOME PYTHONPATH PYTHONDONTWRITEBYTECODE
export YES REQUIRE

.PHONY: help site pdf test unit lint serve zensical properdocs lock clean environment
.NOTPARALLEL:
.DEFAULT_GOAL := help

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' '$(ROOT)/Makefile'

site: environment ## run the recipes on this host and build site/en and site/zh
	@cd '$(ROOT)' && '$(BIN)/kvmdocs' build --install $(KEEPS_GOING)

pdf: environment ## the same, and each language as one PDF: site/en/handbook.pdf, site/zh/handbook.pdf (needs Chromium)
	@cd '$(ROOT)' && '$(BIN)/kvmdocs' build --install --pdf $(KEEPS_GOING)

test: environment ## lint, then run every test, recipe and guide
	@cd '$(ROOT)' && '$(BIN)/kvmdocs' doctor --install
	@$(MAKE) --no-print-directory -f '$(ROOT)/Makefile' lint
	@cd '$(ROOT)' && '$(BIN)/python' -m pytest -n '$(WORKERS)' --dist loadfile

unit: environment ## run the tests that start no process: what a programmer runs all day
	@cd '$(ROOT)' && '$(BIN)/python' -m pytest -q -n 2 --dist loadfile -m 'not process' tests

lint: environment ## check style, types, the order of imports and the structure of the project
	@cd '$(ROOT)' && '$(BIN)/ruff' check
	@cd '$(ROOT)' && '$(BIN)/ruff' format --check
	@cd '$(ROOT)' && '$(BIN)/mypy'
	@cd '$(ROOT)' && '$(BIN)/lint-imports'
	@cd '$(ROOT)' && '$(BIN)/python' -m pytest -q -n 0 -p no:cacheprovider tests/test_structure.py

serve: environment ## show the guides while they are written (CONFIG=mkdocs.zh.yml for Chinese)
	@cd '$(ROOT)' && '$(BIN)/mkdocs' serve -f '$(CONFIG)'

zensical properdocs: environment
	@cd '$(ROOT)' && '$(BIN)/python' scripts/generators.py $@

zensical: ## build the guides, recorded, with Zensical, which may follow MkDocs
properdocs: ## build the guides, recorded, with ProperDocs, which may follow MkDocs

lock: ## resolve pyproject.toml and requirements.in into requirements.txt
	@command -v '$(UV)' >/dev/null || { echo 'make lock needs uv: `make environment` brings it' >&2; exit 3; }
	@cd '$(ROOT)' && '$(UV)' pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' $(LOCK_ARGS) \
	  --output-file requirements.txt pyproject.toml requirements.in

clean: ## remove the site, the environment and caches; the store stays
	@cd '$(ROOT)' && rm -rf site site-* .kvmdocs-* .venv .venv-* .venv.lock .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find '$(ROOT)' -name __pycache__ -type d -prune -exec rm -rf {} +

environment: ## make .venv from requirements.txt
	@command -v '$(PYTHON)' >/dev/null || { echo '$(PYTHON) is not there: install Python 3.11 or newer' >&2; exit 3; }
	@'$(PYTHON)' '$(ROOT)/scripts/bootstrap.py'
