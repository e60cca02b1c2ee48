# Everything runs in .venv, made here with the first Python >= 3.11 found; nothing is installed elsewhere.

SHELL := /bin/sh
PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest
TESTS := $(PYTHON) -m ansible_collections.mutual.tls.tests
JOBS ?= 2
CANDIDATES := python3 python3.13 python3.12 python3.11

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

.DEFAULT_GOAL := help
.PHONY: help demo test lint unit integration matrix ansible-matrix mutations fleet sanity bench clean .venv

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile

demo: .venv ## Provision three hosts on this machine and call an mTLS API as each of them
	@$(PYTHON) inventories/demo/demo.py

test: lint unit integration ## Everything that a change must pass

lint: .venv/.development ## ruff, mypy, yamllint, ansible-lint, changelog fragments
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTHON) -m yamllint --strict .
	$(PYTHON) -m ansiblelint --offline
	$(PYTHON) -m antsibull_changelog lint

unit: .venv/.development ## Unit tests
	$(PYTEST) -q -n auto --dist worksteal tests/unit

integration: .venv/.development ## Tests against real consumers: Java, openssl, curl, Node, nginx, HAProxy
	$(PYTEST) -q -n auto --dist worksteal -o verbosity_subtests=0 tests/integration

matrix: .venv/.development ## Host code under every supported version of cryptography
	$(TESTS).matrix -j $(JOBS)

ansible-matrix: .venv/.development ## Tests marked "compat" under other releases of ansible-core
	$(TESTS).ansible_matrix -j $(JOBS)

mutations: .venv/.development ## Break each invariant on purpose; its tests must notice
	$(TESTS).mutations.run -j $(JOBS) $(MUTATIONS)

fleet: .venv/.development ## The collection on SSH hosts with Debian 11, 12 and 13, as root
	$(TESTS).fleet roots
	$(PYTEST) -q -n $(JOBS) --dist worksteal -o verbosity_subtests=0 tests/fleet

sanity: .venv/.development ## ansible-test sanity on the built collection
	$(TESTS).sanity.run

bench: .venv ## Measure beside what people use today, as root, for hours: docs/performance.md
	$(TESTS).bench $(BENCH)

clean: ## Remove what the targets above have made
	rm -rf .venv .cache .ansible .pytest_cache .mypy_cache .ruff_cache .hypothesis build
	rm -rf inventories/demo/hosts inventories/demo/mtls inventories/demo/run

.venv: .venv/.runtime

# Only when there is no working interpreter in it: --clear also empties an environment whose Python is gone.
.venv/bin/python:
	@found=; lacking=; \
	for candidate in $(CANDIDATES); do \
	  $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  if $$candidate -c 'import ensurepip, venv' 2>/dev/null; then found=$$candidate; break; fi; \
	  lacking=$${lacking:-$$candidate}; \
	done; \
	if [ -n "$$found" ]; then echo "Making .venv with $$($$found --version)"; exec $$found -m venv --clear .venv; fi; \
	if [ -n "$$lacking" ]; then \
	  echo "$$lacking has no 'ensurepip', so it cannot make an environment." >&2; \
	  echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; \
	else \
	  echo "Python 3.11 or newer is needed; none of these is one: $(CANDIDATES)." >&2; \
	  echo "Install it with your distribution's package manager, then run make again." >&2; \
	fi; exit 1

.venv/.runtime: requirements.txt | .venv/bin/python
	@echo "Installing requirements.txt into .venv"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/.development: requirements-dev.txt requirements-unit.txt .venv/.runtime | .venv/bin/python
	@echo "Installing requirements-dev.txt into .venv"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
