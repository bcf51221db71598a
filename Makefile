# Targets with a double hash are listed by `make help`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
# Version control data is passed in: Go's own stamping fails in a checkout that
# belongs to another user, as in many containers.
GOBUILD := CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags "-X plimsoll/internal/build.version=$(VERSION)"
GOTOOL := go tool -modfile=internal/tools/go.mod
PACKAGES ?= ./...
# Packages whose code shares memory between goroutines.
CONCURRENT := ./internal/... ./worker/... ./activities/... ./workflows/... ./authz/... ./api/... ./persistence/... ./engine/image/... ./ui/... ./cmd/...
DATA ?= data
# What the demo analyses; empty means the image it builds itself.
IMAGE ?=
DEMO ?= $(IMAGE)
FUZZTIME ?= 30s
# Directory of layer archives for benchmarks and the comparison; empty means samples made on the spot.
LAYERS ?=
# Directory of feed data for the comparison of findings.
FEEDS ?=
# Further flags of the benchmark and of the comparisons.
BENCH ?=
ACCURACY ?=

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install PostgreSQL's programs and build the Temporal server, unless present
	@.ci/setup

.PHONY: build
build: binaries ## Build bin/plimsoll and bin/plimsollctl, and provide what standalone needs
	@.ci/setup --lenient

.PHONY: binaries
binaries: ## Build bin/plimsoll and bin/plimsollctl only
	@mkdir -p bin
	$(GOBUILD) -o bin/ ./cmd/plimsoll ./cmd/plimsollctl

.PHONY: demo
demo: setup binaries ## Start everything, analyse an image, print the verdict, run until Ctrl-C (IMAGE=...)
	@mkdir -p .cache/bin && go build -buildvcs=false -o .cache/bin/plimsoll-demo ./internal/demo
	@.cache/bin/plimsoll-demo $(DEMO)

.PHONY: standalone
standalone: build ## Run everything on this machine, data in ./data (DATA=...)
	@bin/plimsoll standalone --data-dir $(DATA)

.PHONY: run
run: standalone ## Same as standalone

.PHONY: test
test: setup ## Run all tests (PACKAGES=./engine/...)
	go test -timeout 20m $(PACKAGES)

.PHONY: race
race: setup ## Run the tests of concurrent packages with the race detector (needs a C compiler)
	CGO_ENABLED=1 go test -race -timeout 30m $(CONCURRENT)

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (30s, or a count such as 2000x)
	@grep -rl --include='*_test.go' '^func Fuzz' engine workflows activities persistence authz api worker internal cmd | while read -r file; do \
		sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$$file" | while read -r target; do \
			echo "$$target in $$(dirname "$$file")"; \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x "./$$(dirname "$$file")"; \
		done; \
	done

.PHONY: fmt
fmt: ## Format the Go files
	gofmt -w $$(git ls-files --cached --others --exclude-standard '*.go' | grep -v /testdata/)

.PHONY: format-check
format-check: ## Fail when a Go file is not formatted
	@unformatted=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go' | grep -v /testdata/)); \
	if [ -n "$$unformatted" ]; then echo "not formatted (make fmt):"; echo "$$unformatted"; exit 1; fi

.PHONY: vet
vet: ## Run go vet
	go vet $(PACKAGES)

.PHONY: lint
lint: ## Run golangci-lint and the determinism check of workflows
	$(GOTOOL) golangci-lint run
	$(GOTOOL) workflowcheck ./workflows/...

.PHONY: generate
generate: ## Generate the API's document and code, the gate reference and the example configuration
	go generate ./...
	go test ./engine/policy/gates -update
	go test ./cmd/plimsoll -run TestExampleConfigurationIsCurrent -update

.PHONY: verify
verify: ## Fail when a generated file is stale
	@before=$$(mktemp) && after=$$(mktemp) && trap 'rm -f "$$before" "$$after"' EXIT && \
	generated() { git ls-files --cached --others --exclude-standard '*.gen.go' 'api/openapi.yaml' 'engine/policy/gates/*.md' 'engine/policy/gates/*.json' 'engine/policy/gates/testdata' 'deploy/config.example.yaml' | sort | xargs sha256sum; } && \
	generated > "$$before" && $(MAKE) --no-print-directory generate && generated > "$$after" && \
	if ! diff "$$before" "$$after"; then echo 'generated files were stale; commit the new ones'; exit 1; fi

.PHONY: histories
histories: setup ## Record the workflow histories that the replay tests read
	go test ./workflows -run TestRecordHistories -record

.PHONY: bench-rescan
bench-rescan: setup ## Measure a day's change of the feeds over growing fleets, verdicts, and questions (BENCH="-images 1000,10000,100000 -feeds DIR")
	go run ./internal/bench/rescan $(BENCH)

.PHONY: bench-what-if
bench-what-if: setup ## Measure trying a policy on growing fleets: images a second, memory (BENCH="-images 5000,20000")
	go run ./internal/bench/rescan -what-if $(BENCH)

.PHONY: bench-policy
bench-policy: ## Measure one evaluation, facts loaded, of the default policy, of every trigger there is, and of further documents (BENCH="FILE...")
	go run ./internal/bench/policy $(BENCH)

.PHONY: bench-analysis
bench-analysis: build ## Compare layer analysis with a bare gunzip, hash and tar walk, and count bytes of shared layers (LAYERS=DIR)
	go run ./internal/bench/analysis $(if $(LAYERS),-layers $(LAYERS)) $(BENCH)
	go run ./internal/bench/sharing $(if $(LAYERS),-layers $(LAYERS))

.PHONY: accuracy
accuracy: ## Compare package lists with what the packages' own tools say (LAYERS=DIR)
	go run ./internal/accuracy $(if $(LAYERS),-layers $(LAYERS)) $(ACCURACY)

.PHONY: accuracy-match
accuracy-match: setup ## Compare findings with osv-scanner's and Grype's over the same records (FEEDS=DIR, ACCURACY=-update)
	@mkdir -p .cache/accuracy
	cd internal/accuracy/oracle/osvscanner && go build -o $(CURDIR)/.cache/accuracy/ github.com/google/osv-scanner/v2/cmd/osv-scanner ./osv-rpm
	cd internal/accuracy/oracle/grype && go build -o $(CURDIR)/.cache/accuracy/ . ./vex
	go test -v -tags accuracy -count 1 -timeout 60m ./internal/accuracy/matching -args -feeds $(abspath $(FEEDS)) -witnesses $(CURDIR)/.cache/accuracy $(ACCURACY)

.PHONY: clean
clean: ## Remove built programs; data and downloaded tools stay
	rm -rf bin
