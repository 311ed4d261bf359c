# Two commands: `make demo` shows the whole migration on a lab, `make test` proves it. Both set up what they need.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test test-unit test-lab lint types toolchain benchmark pins clean

help:
	@echo 'make demo       carry a small Stein cloud over to Caracal, on two real clouds on this machine (KEEP=1 leaves them up)'
	@echo 'make test       all tests, linting and typing'
	@echo 'make test-unit  the fast loop: tests that need no cloud and no engine'
	@echo 'make benchmark  ratios: preview by fleet size, calls by fleet size, status against the openstack command'
	@echo 'make pins       raise the exact versions in requirements*.txt'
	@echo 'make clean      remove the virtual environment; the cache stays in ~/.cache/visa-migration'

.venv/installed: requirements.txt requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "visa-migration needs Python 3.11 or newer; found " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv .venv || { echo "this Python cannot make virtual environments; on Debian: apt-get install python3-venv"; exit 1; }
	@echo 'python environment: installing into .venv'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

toolchain: .venv/installed
	$(BIN)/python -m toolchain ensure

demo: .venv/installed
	$(BIN)/python -m scripts.demo

test: lint types test-unit test-lab

lint: .venv/installed
	$(BIN)/ruff format --check
	$(BIN)/ruff check

types: .venv/installed
	$(BIN)/mypy

test-unit: .venv/installed
	$(BIN)/pytest -q tests/unit tests/http

# Each file has a lab of its own and mostly waits, so two run side by side.
test-lab: .venv/installed
	$(BIN)/pytest -n 2 --dist loadfile tests/toolchain tests/lab tests/kolla tests/ceph tests/visa

benchmark: .venv/installed
	$(BIN)/python -m benchmarks

pins: .venv/installed
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --upgrade --strip-extras --no-header --no-annotate --no-emit-index-url --no-emit-find-links --output-file requirements.txt pyproject.toml
	$(BIN)/pip-compile --quiet --upgrade --strip-extras --no-header --no-annotate --no-emit-index-url --no-emit-find-links --extra dev --constraint requirements.txt --output-file requirements-dev.txt pyproject.toml

clean:
	rm -rf .venv build *.egg-info
