# A new user types `make demo` and `make test`; `make check` and `make acceptance` are for those who change the code.
PYTHON ?= python3
VENV ?= .venv
TASK ?= classify
NUMPY1_VENV ?= .venv-numpy1
JOBS ?= 2
BIN := $(VENV)/bin
BUNDLE_PYTHONS ?= 3.10 3.11 3.12 3.13
BUNDLE_MACHINE ?= aarch64
MINUTES ?= 60
SEED ?= 20261124
PIP := -m pip install --quiet --disable-pip-version-check

.PHONY: help demo test check format acceptance test-numpy1 test-arm64 test-picamera2 test-tensorrt test-systemd campaign soak bench bundle clean

help:  ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.installed  ## install, then read signs off a rendered film (TASK=classify, detect or segment)
	$(BIN)/mnv2-edge demo --task $(TASK)

test: $(VENV)/.installed-test  ## install with what tests need, then run the test suite (JOBS at a time)
	$(BIN)/python -m pytest -n $(JOBS)

check: $(VENV)/.installed-dev  ## lint, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev  ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What neither computes with arrays nor draws is the same on any numpy: it is tested once, by `make test`.
NO_NUMPY := tests/deploy tests/package tests/service tests/systemd tests/tools tests/edge/config tests/edge/doctor \
  tests/edge/host tests/edge/service tests/edge/setup tests/edge/sinks tests/engines/catalogue tests/engines/cuda \
  tests/edge/cli/test_models.py tests/edge/cli/test_run_mqtt.py tests/edge/inference/test_engines_killed.py \
  tests/edge/pipeline/test_board_limits.py tests/edge/pipeline/test_rate_limit.py tests/edge/pipeline/test_throttle.py \
  tests/walks/test_failures.py

test-numpy1: $(NUMPY1_VENV)/.installed-test  ## what computes, on numpy 1 and OpenCV 4, as apt's picamera2 needs them
	$(NUMPY1_VENV)/bin/python -m pytest -n $(JOBS) $(NO_NUMPY:%=--ignore=%)

test-arm64: $(VENV)/.installed-test  ## the package on arm64, emulated (Debian's packages, no root)
	$(BIN)/python -m pytest -m roots tests/aarch64

test-picamera2: $(VENV)/.installed-test  ## picamera2 on libcamera's virtual cameras (Debian's packages; as root)
	$(BIN)/python -m pytest -m roots tests/virtual_camera

test-tensorrt: $(VENV)/.installed-tensorrt  ## NVIDIA's real parts that need no GPU: plans built by TensorRT for RTX, names of CUDA packages (x86-64)
	$(BIN)/python -m pytest -m tensorrt

test-systemd: $(VENV)/.installed-test  ## the service on a booted Debian 12 and 13 (Debian's packages; as root; minutes)
	MNV2_EDGE_SYSTEMS="bookworm trixie" $(BIN)/python -m pytest -m acceptance tests/service

acceptance: $(VENV)/.installed-test  ## the slow proofs (minutes)
	$(BIN)/python -m pytest -m acceptance

campaign: $(VENV)/.installed-test  ## attack all of it for an hour, and write docs/reliability.md (MINUTES, SEED; MINUTES=5 for a taste)
	PYTHONPATH=tests $(BIN)/python -m campaign --minutes $(MINUTES) --seed $(SEED) --write

soak: $(VENV)/.installed-test  ## watch four cameras for an hour: what grows? (MINUTES)
	PYTHONPATH=tests $(BIN)/python -m campaign --minutes $(MINUTES) --seed $(SEED) --only soak

bench: $(VENV)/.installed-test  ## measure what docs/performance.md says; wants a quiet machine
	$(BIN)/python benchmarks/preprocess.py
	$(BIN)/python benchmarks/frame_path.py
	$(BIN)/python benchmarks/latency.py
	$(BIN)/python benchmarks/decode.py
	$(BIN)/python benchmarks/build_engine.py

bundle: $(VENV)/.installed-test  ## one archive to install from without a network, in dist/ (BUNDLE_MACHINE, BUNDLE_PYTHONS)
	$(BIN)/python tools/make_bundle.py dist --machine $(BUNDLE_MACHINE) $(addprefix --python ,$(BUNDLE_PYTHONS))

clean:  ## remove the virtual environments and caches
	rm -rf $(VENV) $(NUMPY1_VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .grimp_cache .campaign

$(VENV)/bin/python:
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "make: $(PYTHON) cannot make a virtual environment: sudo apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "make: $(PYTHON) is older than 3.10: name a newer one, make PYTHON=python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python $(PIP) --editable .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python $(PIP) --editable '.[test]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python $(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.installed-test $(VENV)/.installed

$(VENV)/.installed-tensorrt: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python $(PIP) --editable '.[test,tensorrt-test]'
	@touch $@ $(VENV)/.installed-test $(VENV)/.installed

$(NUMPY1_VENV)/.installed-test: pyproject.toml deploy/constraints-numpy1.txt
	$(PYTHON) -m venv $(NUMPY1_VENV)
	$(NUMPY1_VENV)/bin/python $(PIP) --constraint deploy/constraints-numpy1.txt --editable '.[test]'
	@touch $@
