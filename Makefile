# make demo    three days and an on-demand version on real servers, from an empty checkout: about four minutes
# make dev     the same servers with Dagster's UI
# make test    the tests, on real servers of their own
# make test-fast  the tests that need no server
# make test-nightly  drills with Dagster's servers that take minutes each
# make check   what a change must pass: format, lint, types, import contracts, tests
# make house   the size of the package, its import contracts, and what it uses of Dagster's private API; too much is an error
# make test-postgres-all   tests of export, restore and other people's databases on every PostgreSQL from 14 to 18
# make test-schemas   200 random databases through all steps; for every night
# make simulate SECONDS=600  days with faults, from new seeds, on all cores
# make drill-pairs    two commands at once, in every pair, on real servers; PART=1/4 for a part
# make drill-midnight midnight, the year's end and clock changes inside a run, with libfaketime
# make mutation SECONDS=1800  plants mistakes in the code of completeness, verdicts, retention and masking, and lists those that no test notices
# make fuzz SECONDS=3600  damaged rows and documents for the compiled codec, with sanitizers, from new seeds
# make wheels  the wheels for Linux on x86-64 and aarch64, for glibc 2.17 or newer
# make bench   the benchmark: every stage, then queries over ten versions
# make reference  the generated pages of docs/reference, from the code
# make lint-deploy  the Dockerfile, compose, workflows and systemd units of deploy/, by linters of each
# make docs    the site of docs/ in build/docs; warnings and broken links are errors

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
DOCS := $(VENV)/docs

# Without this, each of the many processes would compile every module that it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo dev test test-schemas simulate drill-pairs drill-midnight mutation fuzz wheels test-fast test-nightly lint house check bench reference docs docs-links lint-deploy install test-postgres-all

help:
	@sed -n 's/^# make/make/p' Makefile

install: $(INSTALLED)

NATIVE := mediatool_assets/native
COMPILER := { command -v cc || command -v gcc || command -v clang; } >/dev/null

# Without a C compiler, the package ziglang is installed; without either, Python converts the rows.
$(INSTALLED): pyproject.toml setup.py requirements.txt compiler-requirements.txt $(wildcard $(NATIVE)/*.[ch]) $(NATIVE)/build.py
	scripts/system-libraries.sh
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
	$(COMPILER) || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r compiler-requirements.txt || true
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m mediatool_assets.native.build
	touch $@

demo: $(INSTALLED)
	$(BIN)/mediatool demo --scale 0.02

dev: $(INSTALLED)
	$(BIN)/mediatool dev

test: $(INSTALLED)
	scripts/test-servers.sh
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/pytest -m 'not nightly' -n 4 --dist loadfile --no-loadscope-reorder --durations 30

test-nightly: $(INSTALLED)
	scripts/test-servers.sh
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/pytest -m nightly -n 2 --dist loadfile mediatool_assets_tests/drills

# These start programs or servers, and native/ compiles the codec: run native/ after a change to rows.c.
SLOW := cli defs drills native orchestration stores test_dg.py test_wheel.py load/test_load_killed_mongod.py
test-fast: $(INSTALLED)
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/pytest -n auto --maxprocesses 4 -m 'not servers and not nightly' \
		$(SLOW:%=--ignore mediatool_assets_tests/%) \
		--ignore-glob '*/test_command*' --ignore-glob '*/test_assets*'

test-schemas: $(INSTALLED)
	TEST_SCHEMAS=200 PATH="$(abspath $(BIN)):$$PATH" $(BIN)/pytest -n auto --maxprocesses 4 \
		mediatool_assets_tests/journeys/test_generated_schemas.py

test-postgres-all: $(INSTALLED)
	scripts/test-servers.sh all $(BIN)/python
	$(BIN)/python -m mediatool_assets_tests.postgres_matrix

SECONDS ?= 600

simulate: $(INSTALLED)
	$(BIN)/python -m mediatool_assets_tests.simulation --seconds $(SECONDS)

PART ?= 1/1

drill-pairs: $(INSTALLED)
	$(BIN)/python -m mediatool_assets_tests.drills.pairs --part $(PART)

drill-midnight: $(INSTALLED)
	scripts/test-servers.sh clock
	$(BIN)/python -m mediatool_assets_tests.drills.midnight

# A separate environment: cosmic-ray and its dependencies are only needed for its operators.
MUTATION := $(VENV)/mutation
$(MUTATION)/installed: scripts/mutation-requirements.txt
	test -x $(MUTATION)/bin/python || $(PYTHON) -m venv $(MUTATION)
	$(MUTATION)/bin/python -m pip install --quiet --disable-pip-version-check -r scripts/mutation-requirements.txt
	touch $@

mutation: $(INSTALLED) $(MUTATION)/installed
	$(BIN)/python scripts/mutation.py --seconds $(SECONDS) --cosmic-ray $(MUTATION)/bin/python

fuzz: $(INSTALLED)
	$(BIN)/python -m mediatool_assets_tests.native.fuzz --seconds $(SECONDS)

wheels: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r compiler-requirements.txt
	$(BIN)/python scripts/wheels.py dist

lint: $(INSTALLED)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

house: $(INSTALLED)
	$(BIN)/python scripts/house.py

check: lint docs test

bench: $(INSTALLED)
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/queries.py

reference: $(INSTALLED)
	$(BIN)/python scripts/settings_reference.py
	$(BIN)/python scripts/commands_reference.py
	$(BIN)/python scripts/schemas_reference.py
	$(BIN)/python scripts/api_reference.py

# A separate environment: awscli needs a docutils that is too old for Sphinx.
$(DOCS)/installed: docs/requirements.txt
	test -x $(DOCS)/bin/python || $(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r docs/requirements.txt
	touch $@

docs: $(DOCS)/installed
	$(DOCS)/bin/sphinx-build --quiet --fail-on-warning --keep-going --builder html docs build/docs

# also checks the links to other sites; needs the network
docs-links: $(DOCS)/installed
	$(DOCS)/bin/sphinx-build --quiet --builder linkcheck docs build/docs-links

LINTERS := $(VENV)/lint-deploy
$(LINTERS)/installed: deploy/lint-requirements.txt
	test -x $(LINTERS)/bin/python || $(PYTHON) -m venv $(LINTERS)
	$(LINTERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r deploy/lint-requirements.txt
	touch $@

lint-deploy: $(LINTERS)/installed
	$(LINTERS)/bin/hadolint deploy/docker/Dockerfile
	$(LINTERS)/bin/check-jsonschema --builtin-schema vendor.compose-spec deploy/docker/compose.yaml
	$(LINTERS)/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yaml
	$(LINTERS)/bin/zizmor --offline --quiet .github/workflows
	sh -n deploy/docker/healthcheck
