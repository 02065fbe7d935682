# Every target makes what it needs; see README.md.
.PHONY: setup demo test check bench format clean

setup:
	scripts/setup

demo: setup
	scripts/demo

test: setup
	scripts/test

check: setup
	scripts/check

bench: setup
	scripts/bench $(BENCH)

format: setup
	.venv/bin/ruff check --fix src tests examples benchmarks
	.venv/bin/ruff format src tests examples benchmarks

clean:
	rm -rf .venv .envs results .mypy_cache .ruff_cache .pytest_cache .hypothesis
