# Every target makes what it needs; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup demo unit test check cov bench docs format wheel clean

help:  ## list these targets
	@awk -F ':.*##' '/^[a-z]+:.*##/ {printf "make %-8s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## make the environment .venv from the locked requirements
	scripts/setup

demo: setup  ## see it: a model is logged, built, deployed, called three ways, and compared
	scripts/demo

unit: setup  ## the quick tests: in processes side by side, without clients' environments
	scripts/unit

test: setup  ## the whole test suite, with the official clients
	scripts/test

check: setup  ## format, lint, types, import contracts and the whole test suite
	scripts/check

cov: setup  ## the quick tests with the lines and branches they reach: a summary, and build/coverage
	scripts/unit --cov --cov-report=term:skip-covered --cov-report=html

bench: setup  ## measure, beside baselines of the same run; BENCH="sql http" names parts
	scripts/bench $(BENCH)

docs: setup  ## the documentation as a site in build/site, without the network
	.venv/bin/mkdocs build --strict --quiet

wheel: setup  ## the package as a wheel and a source archive in dist
	.venv/bin/uv build --quiet --no-build-isolation --python .venv/bin/python

format: setup  ## lay the code out
	.venv/bin/ruff check --fix src tests examples benchmarks scripts
	.venv/bin/ruff format src tests examples benchmarks scripts

clean:  ## remove what the targets have made
	rm -rf .venv .envs build dist results .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
