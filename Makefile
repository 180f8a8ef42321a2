# Each target sets up what it needs. A laptop runs what CI runs: see .ci/run.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Python compiles what it imports; compiling all of torch, Ray and scipy takes half of the time of pip.
# Containers often forbid it to keep what it compiled: each new process would then need twice its time.
PIP_OPTIONS := --quiet --disable-pip-version-check --no-compile
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test slow bench rail lint site screenshots release-check format clean
.DEFAULT_GOAL := help

help:                     ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1 \t/' | expand -t 20

demo: $(VENV)/.runtime    ## Search, train and combine networks on small simulated surveys (some minutes)
	$(BIN)/rookery demo demo

test: $(VENV)/.dev lint   ## Static checks and all quick tests (about 3 minutes)
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadgroup

# Ray's waits ignore the signal that a test took too long: only the end of the process ends them.
slow: $(VENV)/.dev        ## The slow tests: killed drivers, worker groups, clusters, the wheel, a small demo
	$(BIN)/python -m pytest -m slow -n 2 --dist loadgroup --timeout 900 --timeout-method thread --durations 10

bench: $(VENV)/.runtime  ## How fast networks train here, on one core (some minutes)
	$(BIN)/rookery bench --device cpu --rounds 3

rail: .venv-rail/.made    ## The stages of RAIL, run by RAIL beside its own estimators
	.venv-rail/bin/python -m pytest tests/integration/test_rail.py --timeout 600

lint: $(VENV)/.dev        ## Layout guard, ruff, mypy, import contracts
	$(BIN)/python -P tests/layout_guard.py
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

site: $(VENV)/.dev        ## The documentation as a site that works offline, in docs/_build/html
	$(BIN)/python -m sphinx -b html -q -W --keep-going docs docs/_build/html

screenshots: $(VENV)/.dev  ## The dashboard's pictures in docs/figures, taken anew of the demo's studies (some minutes)
	$(BIN)/rookery demo demo
	$(BIN)/python docs/screenshots.py demo docs/figures

release-check: $(VENV)/.dev  ## Wheel and sdist in dist/, checked, and the wheel tried in an empty environment
	rm -rf dist && $(BIN)/python -m build --outdir dist . && $(BIN)/python -m twine check --strict dist/*
	$(PYTHON) -m venv --clear .venv-release
	.venv-release/bin/pip install $(PIP_OPTIONS) -c constraints.txt "$$(ls dist/*.whl)[search,dashboard,simulate]"
	cd .venv-release && bin/rookery --help >/dev/null && bin/rookery families && rm -rf demo && bin/rookery demo demo
	.venv-release/bin/pip install $(PIP_OPTIONS) pip-audit
	-.venv-release/bin/pip-audit --desc off -r constraints.txt --disable-pip --no-deps  # where the network lets it ask
	rm -rf .venv-release

format: $(VENV)/.dev      ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:                    ## Remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("Rookery needs Python 3.11 or newer, but $(PYTHON) is %d.%d; set PYTHON=" % v[:2])'
	@echo "Making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing Rookery with the versions of constraints.txt (a few minutes at the first time)"
	@$(BIN)/python -m pip install $(PIP_OPTIONS) -c constraints.txt -e '.[search,dashboard,simulate]'
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	@echo "Installing the developers' tools"
	@$(BIN)/python -m pip install $(PIP_OPTIONS) -c constraints.txt -e '.[dev]'
	@touch $@

# RAIL's own packages beside those of $(VENV), which it sees: neither changes the other's.
.venv-rail/.made: $(VENV)/.dev
	@echo "Installing RAIL in .venv-rail"
	@$(BIN)/python -m venv --clear .venv-rail
	@echo "import site; site.addsitedir('$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')')" \
		> "$$(.venv-rail/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/rookery.pth"
	@.venv-rail/bin/python -m pip install $(PIP_OPTIONS) -c constraints.txt pz-rail-base pz-rail-sklearn
	@touch $@
