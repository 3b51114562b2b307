# `make` lists the targets. Data live under OPENNRW_HOME, never in this folder.
PORT ?= 8080
PYTEST ?=
FUZZ_SECONDS ?= 1200
FUZZ_SEED ?= $(shell date +%s)
BENCH ?=
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help demo test test-clients fuzz lint format glyphs bench bench-export bench-joined bench-load bench-load-serving bench-tiles lock vendor clean system-python system-demo system-test system-bench system-clients

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do printf '  %-18s %s\n' "$$name" "$$text"; done

demo: system-demo .venv/.installed ## install what is missing, load example data, serve on http://localhost:8080 (PORT=8090)
	@$(BIN)/opennrw up --example --port $(PORT)

test: system-test .venv/.installed-dev ## the suite but for QGIS and Chromium (PYTEST="-k tiles")
	$(BIN)/python -m pytest -m "not clients" -n 3 --dist loadfile $(PYTEST)

test-clients: system-clients .venv/.installed-dev ## the tests that need QGIS and Chromium, which are heavy to install
	$(BIN)/python -m pytest -m clients $(PYTEST)

fuzz: system-test .venv/.installed-dev ## random requests against the API definition (FUZZ_SECONDS=1200, FUZZ_SEED=1)
	FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_SEED=$(FUZZ_SEED) $(BIN)/python -m pytest --timeout 0 -s tests/fuzz

lint: .venv/.installed-dev ## ruff, pyright, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: .venv/.installed-dev ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: system-bench .venv/.installed-dev ## requests per second beside the same SQL through pgbench (BENCH="--seconds 10")
	$(BIN)/python tests/bench/bench.py $(BENCH)

bench-export: system-bench .venv/.installed-dev ## how long files take beside ogr2ogr's (BENCH="--features 1000000")
	$(BIN)/python tests/bench/export.py $(BENCH)

bench-joined: system-bench .venv/.installed-dev ## how long parcels take with what is known of them (BENCH="--parcels 20000")
	$(BIN)/python tests/bench/joined.py $(BENCH)

bench-load: system-bench .venv/.installed-dev ## how long loads take beside COPY and ogr2ogr (BENCH="--scales 2000000")
	$(BIN)/python tests/bench/load.py $(BENCH)

bench-load-serving: system-bench .venv/.installed-dev ## requests per second under a load beside those without (BENCH="--addresses 600000")
	$(BIN)/python tests/bench/load_while_serving.py $(BENCH)

bench-tiles: system-bench .venv/.installed-dev ## tiles, cold and warm, beside what other servers send and a server of files
	$(BIN)/python tests/bench/tiles.py $(BENCH)

lock: ## write the lock files anew (needs uv)
	uv pip compile $(LOCK) --group build pyproject.toml -o requirements.lock
	uv pip compile $(LOCK) --group build --group test --group clients --group lint pyproject.toml -o requirements-dev.lock
LOCK = --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet

vendor: ## fetch the browser's libraries from npm into the tree (needs Node)
	scripts/vendor/vendor.sh

glyphs: .venv/.installed ## make the map's glyphs anew from the fonts in the tree (takes minutes)
	for font in server/styles/fonts/*/font.ttf; do $(BIN)/python scripts/vendor/glyphs.py "$$font" server/styles/fonts; done

clean: ## remove .venv and everything that was built; data stay
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

system-python:
	@scripts/system.sh python
system-demo:
	@scripts/system.sh demo
system-test:
	@scripts/system.sh test
system-bench:
	@scripts/system.sh bench
system-clients:
	@scripts/system.sh clients

# after the system's packages, which may bring Python
.venv/.installed: requirements.lock pyproject.toml scripts/venv.sh | system-python
	@scripts/venv.sh requirements.lock $@
.venv/.installed-dev: requirements-dev.lock pyproject.toml scripts/venv.sh | system-python
	@scripts/venv.sh requirements-dev.lock $@
