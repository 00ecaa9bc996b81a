# Two commands do everything on a fresh Debian or Ubuntu, as root: `make demo` and `make test`.

PYTHON := .venv/bin/python
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(PYTHON) -m pytest
CHECKED := $(foreach d,netkit plugins tests bench tools,$(if $(wildcard $(d)/*.py $(d)/*/*.py),$(d)))

.PHONY: help setup clients demo test lint types compiled bench clean
.DEFAULT_GOAL := help

help:
	@echo 'make demo    give a real process a network, and show it'
	@echo 'make test    lint, types, all tests, with containerd and podman from the distribution (NETKIT_STRICT=1: a skip is a failure)'
	@echo 'make bench   measure netkit beside others, with public tools'
	@echo 'make clean   remove what the others made here'

setup:
	@tools/setup

clients: setup
	@tools/setup clients

demo: setup
	@$(PYTHON) tools/demo.py

lint: setup
	.venv/bin/ruff check
	.venv/bin/ruff format --check

types: setup
	.venv/bin/mypy $(CHECKED)

# Once, what each worker, and each process that a test starts, would otherwise compile for itself.
compiled: setup
	@$(PYTHON) -m compileall -q $(CHECKED)
	@$(PYTEST) --collect-only -q >/dev/null || echo 'compiled: what is amiss, the tests tell'

test: clients
	@$(MAKE) --no-print-directory -j2 lint types compiled
	$(PYTEST) -n auto --dist worksteal

bench: setup
	$(PYTHON) -m bench

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
