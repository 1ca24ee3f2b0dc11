# `make` lists the targets. Every target first runs scripts/set-up, which does nothing on a machine that has it all.

CARGO_HOME ?= $(HOME)/.cargo
export PATH := $(CARGO_HOME)/bin:$(PATH)

# Where cargo puts what it builds, and what it builds for tests.
built := $(or $(CARGO_TARGET_DIR),target)/release
tested := $(or $(CARGO_TARGET_DIR),target)/debug

# For example: make demo DEMO_ARGS="--seed 7 --exit"
DEMO_ARGS ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: set-up-test help set-up build service demo demo-cluster cluster faults-cluster faults bench bench-cluster bench-peers crash mutants corpus fuzz pictures test fmt fmt-check lint deny doc check clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

set-up: ## install what is missing to build: system packages, the pinned Rust
	@scripts/set-up

# Two builds, not one: cargo merges the features of what it builds together, and nothing
# that only the load tests switch on may reach the service.
build: service ## release binaries: anshin (the service), anshin-load (the outside world)
	cargo build --release --locked --package load-tests

service: set-up ## the service's release binary alone
	cargo build --release --locked --package server

demo: build ## play a day against a stand-in for LINE, check the end state, stay up
	$(built)/anshin-load demo $(DEMO_ARGS)

# Kafka and Cassandra are started for the command and stopped after it, unless ANSHIN_TEST_KAFKA and
# ANSHIN_TEST_CQL name some that are there.
demo-cluster: build set-up-test ## the same day on a real Kafka and Cassandra, two processes of each role, killed in turn
	scripts/servers/with -- sh -c 'exec $(built)/anshin-load demo --kafka $$ANSHIN_TEST_KAFKA --cql $$ANSHIN_TEST_CQL --kill $(DEMO_ARGS)'

cluster: build set-up-test ## a real Kafka and Cassandra, two processes of each role, a stand-in for LINE: stays up
	scripts/servers/with -- sh -c 'exec $(built)/anshin-load cluster --kafka $$ANSHIN_TEST_KAFKA --cql $$ANSHIN_TEST_CQL'

# --examples, beside the few lines of one: cargo then builds dependencies with the features that tests give them, once
# for both. The same for what `doc` checks and `lint` has checked.
debug := cargo build --locked --workspace --examples

# For example: make faults FAULT_ARGS="--only W6 --trials 3" or make faults-cluster FAULT_ARGS="--only N1 --trials 20"
FAULT_ARGS ?=

faults: set-up ## break what one process must bear, as often as is promised: hours; a table of broken promises
	$(debug) --bin anshin --bin anshin-load
	$(breakable)
	$(tested)/anshin-load faults --embedded --full $(FAULT_ARGS)

faults-cluster: build set-up-test ## break what a cluster must bear, as often as is promised: very many hours; a table of broken promises
	$(built)/anshin-load faults --full $(FAULT_ARGS)

# For example: make bench-cluster BENCH="ingest --rounds 20"
BENCH ?= cluster --out benches/CLUSTER.md

# --benches: with the features that `cargo bench` gives, so that nothing is built twice.
bench: service ## measure in data directories on this machine, beside the least that could do the same: 20 min
	cargo bench --locked --package benches
	cargo build --release --locked --package benches --bins --benches
	$(built)/anshin-bench embedded --out benches/RESULTS.md

bench-cluster: service set-up-test ## measure on a real Kafka and Cassandra, beside the least that could do the same: 20 min
	cargo build --release --locked --package benches
	scripts/servers/with --jmx -- $(built)/anshin-bench $(BENCH)

# For example: make bench-peers PEERS="--rounds 3"
PEERS ?= --out benches/PEERS.md

bench-peers: service ## measure webhooks beside what others would write, in Go and Node, on a real Kafka: 10 min
	@scripts/set-up peers
	benches/peers/build
	cargo build --release --locked --package benches
	scripts/servers/with --kafka -- $(built)/anshin-bench peers $(PEERS)

# What the crash harness kills: the service with kill points and mutants in it. Never in release, and never what
# `cargo build` makes by itself.
breakable := $(debug) --bin anshin-breakable --features server/failpoints,server/mutants

# For example: make crash KILLS=1000 or make crash CRASH_ARGS="--only K12 --seed 7"
KILLS ?= 200
CRASH_ARGS ?=

crash: set-up ## kill the service at its kill points and at random moments; a table of broken promises
	$(debug) --bin anshin --bin anshin-load
	$(breakable)
	$(tested)/anshin-load crash --kills $(KILLS) $(CRASH_ARGS)

mutants: set-up ## break each promise on purpose, and look whether that is noticed
	$(debug) --bin anshin --bin anshin-load
	$(breakable)
	$(tested)/anshin-load mutants

corpus: build ## keep a little of what this version writes in load-tests/corpus, for later ones to read
	$(built)/anshin-load corpus

# For example: make fuzz FUZZ_ARGS="--only csv --seconds 600 --seed 7"
FUZZ_ARGS ?= --seconds 60

fuzz: set-up ## change real inputs at random, 60 s for each reader of what others wrote; a broken promise fails
	$(debug) --bin anshin-fuzz
	$(tested)/anshin-fuzz $(FUZZ_ARGS)

pictures: set-up-test ## pictures of every page for a person to look at, into venues/tests/pictures
	$(debug) --bin anshin
	rm -rf venues/tests/pictures
	scripts/test-pages $(tested)/anshin --pictures venues/tests/pictures

set-up-test:
	@scripts/set-up test

test: set-up-test ## every test, on the embedded backends and on a real Kafka and Cassandra; every fault once, kills
	scripts/test-set-up
	scripts/test-compose
	scripts/servers/with -- cargo test --workspace --locked
	scripts/test-chart $(tested)/anshin
	scripts/test-sdks $(tested)/anshin-load
	scripts/test-pages $(tested)/anshin
	scripts/test-flyers $(tested)/examples/flyers
	$(breakable)
	$(tested)/anshin-load crash
	$(tested)/anshin-load mutants
	$(tested)/anshin-load faults --embedded
	$(tested)/anshin-load faults

fmt: set-up ## format the code
	cargo fmt --all

fmt-check: set-up ## is the code formatted?
	cargo fmt --all --check

lint: set-up ## clippy; a warning fails
	cargo clippy --workspace --all-targets --locked -- --deny warnings

deny: set-up ## licences, sources, banned and vulnerable dependencies (deny.toml)
	scripts/deny

doc: set-up ## the crates' documentation into target/doc; a warning fails
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --lib --bins --examples --no-deps --document-private-items --locked

check: test fmt-check lint deny doc ## all that CI runs

clean: ## remove what was built
	cargo clean
