# Feiqian: what to type. `make` alone lists the targets. To run it you need git, make and Go;
# to test and lint it also Node 20.3 or later with npm.

GO ?= go
FUZZTIME ?= 20s
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LINT_VERSION := v2.15.0
LINT := bin/golangci-lint
LINT_STAMP := bin/.golangci-lint-$(LINT_VERSION)

# Packages whose goroutines share memory run again under the race detector, which is too slow for all.
RACED := $(addprefix ./,$(sort $(dir $(wildcard $(addsuffix /*.go,internal/commit internal/outbox internal/job)))))

.DEFAULT_GOAL := help
.PHONY: help build build-pkcs11 test-pkcs11 run test tests bench lint fix generate fuzz sim

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build bin/feiqian, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/feiqian ./cmd/feiqian

build-pkcs11: ## Build bin/feiqian with the PKCS#11 key store; needs cgo and a C compiler
	CGO_ENABLED=1 $(GO) build -trimpath -tags pkcs11 -ldflags '-X main.version=$(VERSION)' -o bin/feiqian ./cmd/feiqian

test-pkcs11: ## Test the PKCS#11 key store on SoftHSM2 (scripts/softhsm.sh installs it)
	CGO_ENABLED=1 $(GO) test -tags pkcs11 -run PKCS11 ./internal/vault

run: build ## Build and serve
	bin/feiqian serve

test: ## Run all tests, on SQLite, on a PostgreSQL of their own, with Node and with a real browser
	scripts/npm.sh sdk/js test
	FEIQIAN_TEST_CHROMIUM="$$(scripts/chromium.sh)" && export FEIQIAN_TEST_CHROMIUM FEIQIAN_TEST_NODE=1 && \
	scripts/postgres.sh run $(MAKE) --no-print-directory tests

tests:
	$(GO) test -timeout 30m ./...
	@if ! command -v "$$($(GO) env CC)" >/dev/null; then \
		echo 'race detector and PKCS#11 left out: they need a C compiler'; exit 0; fi; \
	set -e; if [ -n '$(RACED)' ]; then \
		echo '$(GO) test -race $(RACED)'; CGO_ENABLED=1 $(GO) test -timeout 30m -race $(RACED); fi; \
	if scripts/softhsm.sh; then $(MAKE) --no-print-directory test-pkcs11; \
	else echo 'PKCS#11 left out: it is tested on SoftHSM2'; fi

bench: build ## Measure every scenario on both engines and write docs/benchmarks.md
	scripts/postgres.sh run sh -c 'bin/feiqian bench --report docs/benchmarks.md --postgres "$$FEIQIAN_TEST_POSTGRES_URL"'

lint: $(LINT_STAMP) ## Run the linters; the first time builds them, which takes minutes
	$(LINT) run ./...
	scripts/npm.sh sdk/js lint

fix: $(LINT_STAMP) ## Format, and repair what the linters can
	$(LINT) fmt ./...
	$(LINT) run --fix ./...
	scripts/npm.sh sdk/js fix
	$(GO) mod tidy

generate: ## Make generated files again
	$(GO) generate ./...
	scripts/npm.sh sdk/js generate

fuzz: ## Run each fuzz target for FUZZTIME (20s)
	@set -e; for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' "$$package" | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package"; \
		done; \
	done

sim: ## Run the long simulation of the whole
	scripts/postgres.sh run $(GO) test -tags sim -run Sim ./test/... -timeout 60m

$(LINT_STAMP):
	GOBIN=$(CURDIR)/bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	@rm -f bin/.golangci-lint-* && touch $@
