# The verbs of this project. Each is a script that can be run as it is.
.PHONY: help setup test interop fuzz demo bench soak generate picture clean-root clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

setup: ## Make the checkout ready to run
	./scripts/setup

test: ## Lint, types, contracts, generated files and all tests
	./scripts/test

interop: ## Tests against foreign collectors (root)
	./scripts/interop

fuzz: ## A minute of fuzzing of what strangers may send
	./scripts/fuzz

demo: ## Export this machine's interface counters for half a minute and watch
	./scripts/demo

bench: setup ## Measure against the references
	./scripts/bench

soak: setup ## The long run of crashes
	./scripts/soak --crash 200

generate: setup ## Write what is derived from the YANG modules
	.venv/bin/python tools/generate_model.py
	.venv/bin/python tools/generate_docs.py
	.venv/bin/python tools/generate_manual.py

picture: setup ## Make the picture of the README anew
	./scripts/picture

clean-root: ## Prove that a fresh clone works in a fresh Debian 12 (root)
	./scripts/clean-root

clean: ## Remove what setup and the tools made
	rm -rf .venv build dist .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
