# Everything a newcomer types. `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
BENCHES ?= transport text image audio calls transcripts isolation batching policy reload backtest eos scale overload http

.PHONY: help install install-dev install-bench demo test lint schemas bench lock clean train eval chaos chaos-mutations simulate runbook fuzz sbom audit soak

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(VENV)/.installed: requirements.lock ops/install.sh
	@PYTHON=$(PYTHON) ops/install.sh $(VENV) requirements.lock
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock ops/install.sh
	@PYTHON=$(PYTHON) ops/install.sh $(VENV) requirements-dev.lock
	@touch $@ $(VENV)/.installed

install: $(VENV)/.installed ## what the worker needs, from the hashed lock, into .venv
install-dev: $(VENV)/.installed-dev ## the same with what tests, lint and benches need

demo: $(VENV)/.installed ## the whole thing on a SQLite file: text, pictures and speech, with reasons
	@$(BIN)/tidegate demo $(ARGS)

test: $(VENV)/.installed-dev ## all tests; starts a real Kafka by itself
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.installed-dev ## ruff, mypy --strict, import-linter, schemas against the code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/tidegate schemas --check
	$(BIN)/python -m ops.runbook --check

schemas: $(VENV)/.installed ## write schemas/ from the code
	$(BIN)/tidegate schemas

runbook: $(VENV)/.installed-dev ## write the runbook's words into docs and alerts, and the dashboard
	$(BIN)/python -m ops.runbook
	$(BIN)/python -m ops.grafana.dashboard

sbom: $(VENV)/.installed-dev ## what the worker is made of, as CycloneDX 1.6: sbom.json
	$(BIN)/python -m cyclonedx_py requirements requirements.lock --of JSON --sv 1.6 -o sbom.json

audit: $(VENV)/.installed-dev ## known vulnerabilities of the locked packages; says what it could not look up
	@$(BIN)/python -m ops.audit $(ARGS)

soak: $(VENV)/.installed-dev ## 30 minutes at 70 % load with a reload every 10 s; draws docs/soak.svg
	@$(BIN)/python -m ops.bench.soak --picture docs/soak.svg $(ARGS)

bench: $(VENV)/.installed-dev ## the benches, each side by side with its rivals
	@for name in $(BENCHES); do echo "== $$name"; $(BIN)/python -m ops.bench.$$name || exit 1; done

eval: $(VENV)/.installed-dev ## quality on the project's own suites; writes the figures of docs/quality.md
	@$(BIN)/python -m ops.quality $(ARGS)

.PHONY: senses
senses: $(VENV)/.installed-dev ## what pictures and speech hide; writes its part of docs/quality.md; needs espeak-ng and fonts
	@$(BIN)/python -m ops.quality.senses $(ARGS)

train: $(VENV)/.installed-dev ## the text model: data, adaptation, calibration; writes the artefact (45 minutes on 2 cores)
	$(BIN)/python -m train $(ARGS)

.PHONY: ablations without
without: $(VENV)/.installed-dev ## what each part of the text scorer adds, by leaving it out (half an hour); a table of docs/quality.md
	@$(BIN)/python -m ops.quality.without $(ARGS)

ablations: $(VENV)/.installed-dev ## what each part of the training adds, by short runs without it
	$(BIN)/python -m train.ablations $(ARGS)

SEED ?= 1
SEEDS ?= 1
chaos: $(VENV)/.installed-dev ## real workers and a real Kafka, hurt from SEED on, SEEDS times, for both guarantees
	@$(BIN)/python -m ops.chaos --seed $(SEED) --seeds $(SEEDS) $(ARGS)
	@$(BIN)/python -m ops.chaos.calls --seed $(SEED)

chaos-mutations: $(VENV)/.installed-dev ## workers broken on purpose: each must be caught
	@$(BIN)/python -m ops.chaos --mutations

simulate: $(VENV)/.installed-dev ## the loop on a virtual clock, a thousand schedules from SEED on
	@$(BIN)/python -m tests.simulation --seed $(SEED) $(ARGS)

SECONDS ?= 60
fuzz: $(VENV)/.installed-dev ## hostile bytes into decoding, policies and dead letters, for SECONDS in all
	@$(BIN)/python -m ops.fuzz --seconds $(SECONDS) $(ARGS)

lock: ## resolve again; needs uv. Names packages, versions and hashes, no host
	uv pip compile pyproject.toml --extra dev --extra bench --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header -q -o requirements-dev.lock $(ARGS)
	uv pip compile pyproject.toml -c requirements-dev.lock --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header -q -o requirements.lock

clean: ## remove what was built, but not .venv
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-out
