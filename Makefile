# Build, run and test Biaotu. `make run` and `make test` are all that a newcomer needs.

SHELL := /bin/bash
WITH_POSTGRES := tests/support/with-postgres.sh

.PHONY: run build test soak fuzz bench web setup clean

# The command map: npm is called here only, so that cargo alone can build and test the server.
web/dist/index.html: web/package-lock.json $(shell find web/src web/public web/index.html web/docs.html web/vite.config.ts -type f 2>/dev/null)
	cd web && npm ci --no-audit --no-fund && npm run build

web: web/dist/index.html

build: web
	cargo build --release

# On http://127.0.0.1:8080 with the fictional demo county, in biaotu.gpkg or, with DATABASE_URL=postgres://…, in PostGIS.
run: build
	target/release/biaotu serve --demo

# What the tests need of a Debian machine; does nothing where it is there already.
setup:
	@tests/support/setup.sh

test: setup web
	cd web && npm test && npm run typecheck
	bash $(WITH_POSTGRES) cargo test
	cargo build
	cd web && bash ../tests/support/with-server.sh npm run test:browser

# The long, randomised forms of the tests.
soak: setup web
	BIAOTU_SOAK=1 bash $(WITH_POSTGRES) cargo test --release

# Every parameter of every face with generated input, and every collection read by OWSLib, against a server of its own.
FUZZ := $(CURDIR)/target/fuzz
fuzz: web
	[ -x $(FUZZ)/bin/schemathesis ] || { python3 -m venv $(FUZZ) && $(FUZZ)/bin/pip install --quiet schemathesis owslib; }
	cargo build
	bash tests/support/with-server.sh bash -c '$(FUZZ)/bin/python tests/support/owslib_read.py $$BASE_URL && \
	  cd $(FUZZ) && bin/schemathesis run $$BASE_URL/openapi.json --exclude-path /events --suppress-health-check all \
	  --checks not_a_server_error,content_type_conformance,status_code_conformance --max-examples 100'

bench:
	cargo bench

clean:
	rm -rf target web/dist web/node_modules
