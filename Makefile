# The targets that people type; `make help` lists them.
PYTHON ?= python3
JOBS ?= 2
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
READY := .venv/.ready
# uv where it is installed, else pip. TORCH=cpu (or cu126 ...) takes that build of torch from PyTorch's
# own index; without it one gets the index's default, which on Linux is CUDA's, of 6 GB.
ifneq ($(shell command -v uv 2>/dev/null),)
VENV := uv venv --quiet --allow-existing --seed --python $(PYTHON) .venv
INSTALL := uv pip install --quiet --python $(BIN)/python $(TORCH:%=--torch-backend %)
else
VENV := $(PYTHON) -m venv .venv
INSTALL := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check \
  $(TORCH:%=--extra-index-url https://download.pytorch.org/whl/%)
endif
# Students' lessons are these without the solutions; a test holds them together.
# experiment.ipynb is run by the tests of sweeps, with papermill and small values.
NOTEBOOKS := notebooks/solutions notebooks/00_start.ipynb notebooks/lab.ipynb notebooks/quiz.ipynb

# Rooms that `make coverage` asks about; the lessons' tests are those of what lessons measure.
CORE := experiment instruments losses data nets methods training measure records grids pipeline
PYTEST := OMP_NUM_THREADS=1 DELOG_NB_PRESET=quick PLOTLY_RENDERER=plotly_mimetype $(BIN)/python -m pytest \
  -n $(JOBS) --dist loadscope --durations=25

# Compiled modules are kept, whatever the shell says: without them each process compiles torch anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup lab test test-long coverage compare lessons smoke dist site slides site-serve browser-test bench

help:  ## list the targets
	@grep -E '^[a-z-]+: .*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 16

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(None if (3, 10) <= sys.version_info < (3, 15) else \
	  "Python 3.10 to 3.14 is needed, this is " + sys.version.split()[0] + ": name another one with make PYTHON=...")'
	$(VENV)
	$(INSTALL) -c constraints.txt -e '.[test]'
	@touch $(READY)

setup: $(READY)  ## set up everything in .venv, with TORCH=cpu the smaller torch

# JupyterLab refuses root, which is who one is in a container; it listens on this machine alone.
# By exec, a signal that ends make ends it as well.
lab: $(READY)  ## open the lessons in JupyterLab, or print the address where no browser is
	cd notebooks && exec ../$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) 00_start.ipynb

test: $(READY)  ## check style and types, run tests and lessons, without what is long
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST) -m "not long" --doctest-modules --nbval-lax --nbval-current-env delog_nb tests $(NOTEBOOKS)

test-long: $(READY)  ## run the tests that are long: kills, every method and net, browsers, the wheel
	$(PYTEST) -m long tests

coverage: $(READY)  ## count the core's lines that the tests run
	$(PYTEST) -m "not long" --cov --cov-report=term:skip-covered \
	  $(wildcard $(CORE:%=tests/%)) tests/cli tests/lessons

compare: $(READY)  ## train one network four ways on the digits, with three seeds
	$(BIN)/delog-nb compare --dataset digits --nets convnet --methods bp,early-exit,al,delog-scl \
	  --seeds 3 --preset lesson --out runs/compare

lessons: $(READY)  ## run the lessons at normal size and store their outputs
	$(BIN)/delog-nb lessons notebooks

smoke: $(READY)  ## train two small networks, to see whether a system can
	$(BIN)/delog-nb train --preset quick --method bp --out runs/smoke
	$(BIN)/delog-nb train --preset quick --method delog-scl --out runs/smoke

dist: $(READY)  ## make the wheel and the source archive, in dist
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*

site: $(READY)  ## build the course as pages without a kernel, in build/site
	PYTHONPATH=site:. $(BIN)/python -m delog_site

slides: $(READY)  ## make slides of the solved lessons, in build/slides
	$(BIN)/jupyter nbconvert --to slides --output-dir build/slides --SlidesExporter.reveal_width=1280 \
	  --SlidesExporter.reveal_scroll=True $(wildcard notebooks/solutions/*.ipynb)

site-serve: $(READY)  ## show build/site at http://127.0.0.1:8000; PORT=... takes another port
	@test -d build/site || $(MAKE) site
	exec $(BIN)/python -m http.server $(or $(PORT),8000) --bind 127.0.0.1 --directory build/site

bench: $(READY)  ## time everything beside its peers, 15 minutes at most
	$(INSTALL) -c constraints.txt -e '.[bench]'
	$(BIN)/python -m benchmarks

browser-test: $(READY)  ## run the tests that need chromium
	$(PYTEST) -m browser tests
