# What everyone runs. `make help` lists it.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --warn-undefined-variables --no-builtin-rules
# images of Python set it: each of the many programs of the tests would compile all its modules anew
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help

PYTHON ?= python3
CI ?=
VENV := .venv
BIN := $(VENV)/bin
MEMBERS := $(sort $(wildcard libs/*/ services/*/))
# uv lays everything out; where the machine has none, one is put into .tools
UV := $(or $(shell command -v uv),.tools/bin/uv)
ARGS ?=
PORT ?= 8080
KUBECONFIG ?=
# what needs neither root nor programs beside Python and make
ROOTLESS := not browser and not cluster and not registry
# another's cluster cannot do what only a node on this machine can
ON_CLUSTER := cluster$(if $(KUBECONFIG), and not own_node)

##@ Everyday
.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(VENV)/.ready ## Make .venv with the `kea` command in it

.tools/bin/uv:
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'

$(VENV)/.ready: requirements.lock pyproject.toml $(wildcard libs/*/pyproject.toml services/*/pyproject.toml) $(filter .tools/%,$(UV))
	$(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV)
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(addprefix -e ,$(MEMBERS))
	touch $@

.PHONY: demo
demo: setup ## Start KEA on port 8080, push and deploy two models, predict, print their docs' addresses
	CI='$(CI)' tools/demo.sh $(BIN) $(PORT)

.PHONY: clean
clean: ## Remove what was made here
	rm -rf $(VENV) .tools build .pytest_cache .ruff_cache .hypothesis .import_linter_cache

##@ Checks
.PHONY: fmt
fmt: setup ## Format Python and protos
	$(BIN)/ruff check --quiet --fix-only .
	$(BIN)/ruff format --quiet .
	$(BIN)/buf format -w protos

.PHONY: lint
lint: setup ## Lint Python, protos, layers, spelling and module sizes
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/python tools/generate.py --check
	$(BIN)/python tools/describe.py --check
	$(BIN)/python tools/crds.py --check
	$(BIN)/buf lint
	$(BIN)/buf format -d --exit-code protos
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell protos libs services tests tools docs examples README.md CHANGELOG.md
	$(BIN)/python tools/check_module_sizes.py

.PHONY: types
types: setup ## Check types, strictly
	$(BIN)/basedpyright --level error

.PHONY: test-unit
test-unit: setup ## Test libraries and services, each alone, on SQLite and PostgreSQL
	$(BIN)/pytest -q -m "$(ROOTLESS)" libs services $(ARGS)

.PHONY: test-integration
test-integration: setup ## Test what spans services
	$(BIN)/pytest -q -m "$(ROOTLESS)" tests/contract tests/integration $(ARGS)

.PHONY: test-e2e
test-e2e: setup ## Test the whole platform through its gateway
	$(BIN)/pytest -q -m "$(ROOTLESS)" tests/e2e $(ARGS)

.PHONY: test
test: lint types ## Everything that needs no root: lint, types, all tests but those of the tiers below
	$(BIN)/pytest -q -m "$(ROOTLESS)" $(ARGS)

.PHONY: test-browser
test-browser: setup ## Open every page in a headless Chromium (needs Debian's `chromium`)
	$(BIN)/pytest -q -m browser $(ARGS)

.PHONY: test-registry
test-registry: setup ## Test image pushes and pulls against a real registry (needs Debian's `docker-registry`)
	$(BIN)/pytest -q -m registry $(ARGS)

.PHONY: verify
verify: test test-browser test-registry test-cluster ## Everything CI runs, in CI's order

.PHONY: bench
bench: setup ## Measure CPU time per request (needs Debian's `wrk` and `nghttp2-client`)
	$(BIN)/python tests/bench/bench.py $(ARGS)

.PHONY: bench-envoy
bench-envoy: setup ## Count what each part of the gateway costs in Envoy (needs Debian's `valgrind` and `nghttp2-client`)
	$(BIN)/python tests/bench/bench_envoy.py $(ARGS)

.PHONY: bench-policy
bench-policy: setup ## Measure what a change of the policy costs the router, with 10,000 endpoints
	$(BIN)/python tests/bench/bench_policy.py $(ARGS)

##@ Cluster
.PHONY: cluster-up
cluster-up: ## Start a real Kubernetes node on this machine (Linux, root, apt; minutes, the first time)
	$(PYTHON) tests/cluster/cluster.py up

.PHONY: cluster-down
cluster-down: ## Stop it, and remove all that it made
	$(PYTHON) tests/cluster/cluster.py down

.PHONY: test-cluster
test-cluster: setup ## Test on the Kubernetes that KUBECONFIG names, or else on a node of our own
	$(PYTHON) tests/cluster/cluster.py run $(BIN)/pytest -q -m "$(ON_CLUSTER)" $(ARGS)

.PHONY: bench-cluster
bench-cluster: setup ## Measure what 1,000 deployments cost on simulated nodes beside ours
	$(PYTHON) tests/cluster/cluster.py run $(BIN)/python tests/bench/bench_cluster.py $(ARGS)

.PHONY: bench-image
bench-image: setup ## Measure how long a model's image takes, with the registry of our node
	$(PYTHON) tests/cluster/cluster.py run $(BIN)/python tests/bench/bench_image.py $(ARGS)

##@ Made files
.PHONY: generate proto
generate proto: setup ## Make the stubs and the descriptors from the protos
	$(BIN)/python tools/generate.py
	$(BIN)/python tools/describe.py
	$(BIN)/python tools/crds.py

.PHONY: wasm check-wasm
wasm: setup ## Compile what runs inside of Envoy (lays out a large compiler, for this run only)
	$(BIN)/python tools/wasm.py

check-wasm: setup ## Compile it again, and fail where the committed module differs
	$(BIN)/python tools/wasm.py --check

.PHONY: lock
lock: ## Resolve all dependencies anew into requirements.lock
	$(UV) lock --quiet --upgrade
	$(UV) export --quiet --all-packages --all-groups --no-emit-workspace --format requirements.txt --no-header -o requirements.lock

##@ Kubernetes
REGISTRY ?=
BASE ?=
PLAIN_HTTP ?=
CREDENTIALS ?=
IMAGES := build/images.yaml

.PHONY: images
images: setup ## Build and push all images: REGISTRY=host:port [BASE=image] [PLAIN_HTTP=1] [CREDENTIALS=config.json]
	@$(if $(REGISTRY),,echo 'REGISTRY must be set: HOST:PORT of a registry that the cluster pulls from' >&2; exit 2)
	$(BIN)/python tools/images --registry '$(REGISTRY)' --values $(IMAGES) $(if $(BASE),--base '$(BASE)') \
	  $(if $(PLAIN_HTTP),--plain-http) $(if $(CREDENTIALS),--credentials '$(CREDENTIALS)') $(ARGS)

.PHONY: cluster-install
cluster-install: ## Install or upgrade KEA, to try it, in the cluster of KUBECONFIG: REGISTRY=host:port
	@$(if $(REGISTRY),,echo 'REGISTRY must be set, as for `make images`' >&2; exit 2)
	deploy/cluster-install.sh '$(REGISTRY)' $(IMAGES) $(ARGS)
