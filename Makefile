# Two commands matter: `make run` (the whole system on this machine) and `make test` (every test).

# How much sample data `make run` loads: S in seconds, M (2 million activities) in minutes, L (a million commitments) in
# well under an hour, on some 25 GB of disk. Fresh data each time, unless KEEP=1.
SIZE ?= S
KEEP ?=
# The cargo profile of `make run`: optimised, but linked faster than what is shipped.
PROFILE ?= quick
# The message that `make send` sends: as a new event on rows that are there, or as it stands with AS_IS=1.
FILE ?= events/messages/capital-call.json
AS_IS ?=

# How many cases of each kind `make fuzz` tries: two or three minutes of them.
FUZZ_CASES ?= 50000
# How many random histories `make soak` plays.
HISTORIES ?= 10000

TARGET := $(or $(CARGO_TARGET_DIR),target)
CHECKS := target/checks/bin
BINARIES = $(TARGET)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
# nextest when it is installed: it runs the tests of all crates side by side.
TESTS := $(shell cargo nextest --version >/dev/null 2>&1 && echo cargo nextest run || echo cargo test)

# Said before anything is built.
ifeq ($(filter $(SIZE),S M L),)
$(error SIZE is $(SIZE), but has to be S, M or L)
endif

# What `make package` builds, all unless given, and for which processor: x86_64 or arm64.
FUNCTIONS ?=
ARCH ?= x86_64
# The stack that `make deploy` deploys, and the template's parameters: "JwtIssuer=https://… JwtAudience=…".
STACK ?= lp-reporting
PARAMETERS ?=

.PHONY: run stop send ops test contract-fuzz fuzz soak faults bench bench-report package test-package deploy lint audit setup setup-checks

run: setup
	cargo build --workspace --bins --profile $(PROFILE)
	$(BINARIES)/local run --size $(SIZE) $(if $(KEEP),--keep)

stop:
	@test -x $(BINARIES)/local || { echo "No stack was built, so none runs."; exit 1; }
	$(BINARIES)/local stop

send:
	@test -x $(BINARIES)/local || { echo "No stack was built yet: make run"; exit 1; }
	$(BINARIES)/local send $(if $(AS_IS),--as-is) $(FILE)

# The operator's command, docs/operations.md, into cargo's folder of programs.
ops:
	cargo install --path ops --locked

# Everything is built at once, with one set of features, and the tests run what was built.
test: setup
	cargo build --workspace --all-targets
	$(TARGET)/debug/local services -- $(TESTS) --workspace
	@echo "All tests passed."

# Cases made of docs/openapi.yaml, right and wrong ones, against a stack of their own.
contract-fuzz: setup setup-checks
	cargo build --workspace --all-targets
	$(TARGET)/debug/local run --size S --quiet --dir $(TARGET)/contract-fuzz -- \
		timeout 120 $(CHECKS)/schemathesis --config-file tests/contract/schemathesis.toml run docs/openapi.yaml

# Untrusted input made up by the ten thousand; how many of each is printed.
fuzz: export PROPTEST_CASES := $(FUZZ_CASES)
fuzz:
	cargo test --workspace --test fuzz -- --nocapture

# Long runs of what `make test` does for seconds: random histories, recorders beside readers, a minute of overload. An hour on two
# cores, with progress; the functions' own lines are left out.
soak: export HISTORIES := $(HISTORIES)
soak: setup
	cargo build --workspace --bins --profile $(PROFILE)
	cargo build --workspace --all-targets
	bash -o pipefail -c "CONCURRENCY_MESSAGES=2000 OVERLOAD_SECONDS=60 BIN_DIR=$(abspath $(BINARIES)) $(TARGET)/debug/local services -- \
		cargo test --workspace --no-fail-fast --test concurrency --test overload --test histories -- --nocapture | grep --line-buffered -v '^{'"

# What `make test` asserts of each fault, in figures: how long until answers were right again and everything was acknowledged.
faults: setup
	cargo build --workspace --all-targets
	bash -o pipefail -c "$(TARGET)/debug/local services -- \
		cargo test --workspace --test faults_functions --test faults_servers -- --nocapture | grep --line-buffered -v '^{'"

# What is shipped, measured: the release profile, linked as a whole, which takes some minutes to build.
bench: setup
	cargo build --workspace --bins --release
	$(TARGET)/release/bench run --size $(SIZE) $(if $(KEEP),--keep)

# The latest figures of each size into docs/performance.md and docs/cost.md.
bench-report:
	$(TARGET)/release/bench report

# As Lambda takes them: target/lambda/<arch>/<function>/bootstrap.zip.
package:
	ARCH=$(ARCH) infra/package.sh $(FUNCTIONS)

# One function out of its package, served by the local stack.
test-package: setup
	ARCH=$$(uname -m | sed s/aarch64/arm64/) infra/package.sh summary
	cargo build --workspace --all-targets
	$(TARGET)/debug/local services -- cargo test --workspace --test package -- --ignored

deploy:
	STACK='$(STACK)' ARCH=$(ARCH) PARAMETERS='$(PARAMETERS)' infra/deploy.sh

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

# Licences, sources and bans of every dependency, and that each is used. The list of known vulnerabilities is fetched, and
# where it can't be had that is said.
audit: setup-checks
	$(CHECKS)/cargo-deny check --hide-inclusion-graph licenses bans sources
	$(CHECKS)/cargo-shear
	@if $(CHECKS)/cargo-deny fetch db >/dev/null 2>&1; then $(CHECKS)/cargo-deny check --disable-fetch advisories; \
	else echo "Advisories were NOT checked: the list of known vulnerabilities cannot be had from here."; fi

setup:
	@local/setup.sh

setup-checks:
	@local/setup.sh checks
