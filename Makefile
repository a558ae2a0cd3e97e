.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready

# Some machines set it. Tests start hundreds of programs, and each would be compiled anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup packages test proof fuzz pythons storm lint format docs bench bench-lock demo pictures kafka embedded lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

setup: $(READY)  ## virtual environment in .venv, from the lock file

# --require-hashes: what is installed is what was locked. The build tool is in the lock, so the editable
# install downloads nothing of its own.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "TrustLens needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version 2>&1 | head -n 1). Try: make PYTHON=python3.12 setup"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@# setuptools warns that folders here bear the packages' names: they are the packages.
	PYTHONWARNINGS=ignore $(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(PY) -m pip check
	@touch $(READY)

# Each command that tests run, and the Debian package that has it.
COMMANDS := javac:openjdk-17-jdk-headless mvn:maven promtool:prometheus amtool:prometheus-alertmanager kcat:kcat \
	chromium:chromium systemd-analyze:systemd

# SYSTEMD_OFFLINE and RUNLEVEL=1, as in single-user mode: what is installed is not started.
packages:  ## Debian packages of what tests run beside Python; as root, only what is missing, starts no service
	@missing=""; for pair in $(COMMANDS); do \
		command -v $${pair%%:*} > /dev/null || missing="$$missing $${pair#*:}"; \
	done; \
	[ -z "$$missing" ] || { apt-get update --quiet && SYSTEMD_OFFLINE=1 RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
		apt-get install --yes --quiet --no-install-recommends $$missing; }

# Tests of one file stay together, each process has a Kafka of its own, and files begin in the order of tests/conftest.py.
BESIDE := --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: setup  ## the quick tests, side by side; the same examples and dice every time (FLAGS="..." for pytest)
	$(PY) -m pytest $(BESIDE) -m "not proof" $(FLAGS)

proof: setup  ## the long tests: storms, faults of brokers, the demo, the wheel, older processors, many examples
	$(PY) -m pytest --numprocesses auto --maxprocesses 2 -m proof $(FLAGS)
	$(PY) -m pytest $(BESIDE) -m hypothesis --hypothesis-profile=proof $(FLAGS)

fuzz: setup  ## property tests with fresh seeds for MINUTES (default: 30), in two processes; what they find is kept
	$(PY) -m ops.fuzz --minutes $(or $(MINUTES),30)

# Every Python from 3.11 on, in the path or as pyenv has it.
PYTHONS ?= $(shell for minor in 11 12 13 14; do \
	command -v python3.$$minor || ls $(HOME)/.pyenv/versions/3.$$minor.*/bin/python 2> /dev/null | tail -n 1; done)

pythons:  ## the quick tests and the wheel under every Python there is, each in a new environment (PYTHONS="...")
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && set -e && for python in $(PYTHONS); do \
		"$$python" --version; \
		$(MAKE) --no-print-directory PYTHON="$$python" VENV="$$folder/venv" test; \
		"$$folder/venv/bin/python" -m pytest tests/test_wheel.py; \
		rm -rf "$$folder/venv"; \
	done

storm: setup  ## the proof of the worker's promises, large; takes two hours; needs Java 17 and Maven
	$(PY) -m storm --large

lint: setup  ## ruff format and lint, strict types of all but the tests
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy

format: setup  ## rewrite the code in the house style
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

docs: setup  ## write the generated pages again
	$(PY) -m ops.feature_page > docs/features.md
	$(PY) -m ops.contracts docs/contracts
	$(PY) -m ops.metrics_page > docs/operations-metrics.md
	$(PY) -m ops.grafana ops/grafana/dashboards

# Quix Streams lives apart: it wants another confluent-kafka, and nothing but the benchmark wants it.
$(VENV)/bench/.ready: requirements-bench.lock | $(READY)
	$(PY) -m venv $(VENV)/bench
	$(VENV)/bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	@touch $@

bench: setup $(VENV)/bench/.ready  ## measure all of docs/benchmarks.md and write it; forty minutes; needs a JDK 17 and Maven
	$(PY) -m bench

bench-lock: setup  ## resolve bench/stream/quix.in into requirements-bench.lock again
	$(PYTHON) -m venv $(VENV)/lock && $(VENV)/lock/bin/pip install --quiet uv
	$(VENV)/lock/bin/uv pip compile bench/stream/quix.in --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links --upgrade --output-file requirements-bench.lock

demo: setup  ## all of it in less than three minutes, in the terminal; KEEP=1 leaves it running, KAFKA=1 takes a real Kafka
	@$(PY) -m demo $(if $(KEEP),--keep) $(if $(KAFKA),--kafka)

pictures: setup  ## draw and photograph a real demo for the README; a few minutes; needs Chromium
	$(PY) -m ops.pictures

kafka: setup  ## a real Apache Kafka on port 9092 (PORT=...) until Ctrl-C; data in .kafka/data; needs Java 17 and Maven
	@$(PY) -m ops.kafka $(if $(PORT),--port $(PORT))

embedded: setup  ## a broker in memory on a free port, for a demonstration, until Ctrl-C; needs nothing
	@[ -z "$(PORT)" ] || { echo "error: PORT: got $(PORT), expected none: the broker in memory takes a free port by itself;" \
		"for one of your choice, a real Kafka: make kafka PORT=$(PORT)" >&2; exit 1; }
	@$(PY) -m ops.embedded

lock: setup  ## resolve pyproject.toml into requirements.lock again
	$(PYTHON) -m venv $(VENV)/lock && $(VENV)/lock/bin/pip install --quiet uv
	$(VENV)/lock/bin/uv pip compile pyproject.toml --extra dev --extra boosters --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links --upgrade --output-file requirements.lock

clean:  ## remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
