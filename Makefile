# `make` lists the targets. Every target first runs scripts/set-up, which does nothing on a machine that has it all.

CARGO_HOME ?= $(HOME)/.cargo
export PATH := $(CARGO_HOME)/bin:$(PATH)

# Where cargo puts what it builds.
built := $(or $(CARGO_TARGET_DIR),target)/release

# For example: make demo DEMO_ARGS="--seed 7 --exit"
DEMO_ARGS ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help set-up build demo test fmt fmt-check lint deny doc check clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

set-up: ## install what is missing to build: system packages, the pinned Rust
	@scripts/set-up

# Two builds, not one: cargo merges the features of what it builds together, and nothing
# that only the load tests switch on may reach the service.
build: set-up ## release binaries: anshin (the service), anshin-load (the outside world)
	cargo build --release --locked --package server
	cargo build --release --locked --package load-tests

demo: build ## play a day against a stand-in for LINE, check the end state, stay up
	$(built)/anshin-load demo $(DEMO_ARGS)

test: set-up ## every test
	scripts/test-set-up
	cargo test --workspace --locked

fmt: set-up ## format the code
	cargo fmt --all

fmt-check: set-up ## is the code formatted?
	cargo fmt --all --check

lint: set-up ## clippy; a warning fails
	cargo clippy --workspace --all-targets --locked -- --deny warnings

deny: set-up ## licences, sources, banned and vulnerable dependencies (deny.toml)
	scripts/deny

doc: set-up ## the crates' documentation into target/doc; a warning fails
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --document-private-items --locked

check: test fmt-check lint deny doc ## all that CI runs

clean: ## remove what was built
	cargo clean
