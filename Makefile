# Only make and Python 3.11 are presupposed; everything else is installed into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
SPARK := .venv-spark
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONPATH := $(CURDIR)/plugins
-include .env
export $(shell sed -n 's/^\([A-Z0-9_]*\)=.*/\1/p' .env 2>/dev/null)
export COMPANY ?=
export FROM ?=
export TO ?=
export NAME ?=
export FILES ?=
export ARGS ?=
export ID ?=
export AT ?=
export CUSTOMER ?=
export RUN ?=
export APPLY ?=
export AS_OF ?=
export FILE ?=
export BY ?=
export COLUMN ?=

.DEFAULT_GOAL := help
.PHONY: help spark run replay watch watchdog catch-up company releases rollback serve prune erase export-person reproduce rebuild approve show metric superset lineage dbt shell identity-explain up down airflow test check fmt bench drill lock clean

help: ## List the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(VENV)/installed: requirements.lock
	@echo "Setting up $(VENV) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@awk '/^uv==/ {uv = 1} uv {print} uv && !/\\$$/ {exit}' requirements.lock > $(VENV)/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(VENV)/uv.txt
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	@touch $@

# Kith's packages and Spark's, for the processes of dbt.
$(SPARK)/installed: $(VENV)/installed requirements-spark.lock
	@echo "Setting up $(SPARK) …"
	@test -x $(SPARK)/bin/python || $(PYTHON) -m venv $(SPARK)
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(SPARK)/bin/python --require-hashes requirements.lock requirements-spark.lock
	@touch $@

spark: $(SPARK)/installed ## Install what companies with `engine: spark` take; it needs Java 17

run: $(VENV)/installed ## Run the pipeline (COMPANY=companies/x FROM=2017-01-01 TO=2017-12-31)
	@$(BIN)/python -m kith_airflow run

replay: $(VENV)/installed ## Judge what was pulled anew after sources.yml was changed (FROM= TO=)
	@$(BIN)/python -m kith_airflow replay

watch: $(VENV)/installed ## Look for spikes of complaints and posts (AT=2025-06-17T15:00)
	@$(BIN)/python -m kith_airflow watch

watchdog: $(VENV)/installed ## Is all fresh, whole, on time? For cron (COMPANY= for one)
	@$(BIN)/python -m kith_airflow watchdog

catch-up: $(VENV)/installed ## Run the days that are missing, up to yesterday
	@$(BIN)/python -m kith_airflow catch-up

company: $(VENV)/installed ## Write companies/<NAME>/ after your files (NAME=x FILES=/data/x)
	@$(BIN)/python -m kith_airflow company

releases: $(VENV)/installed ## List the releases: as-of day, size, whole or not
	@$(BIN)/python -m kith_airflow releases

rollback: $(VENV)/installed ## Point `current` at the release before (RELEASE=id for another)
	@$(BIN)/python -m kith_airflow rollback

serve: $(VENV)/installed ## Load the current release into PostgreSQL (postgres in company.yml)
	@$(BIN)/python -m kith_airflow serve

prune: $(VENV)/installed ## Say what no run needs any more (APPLY=yes removes it)
	@$(BIN)/python -m kith_airflow prune

erase: $(VENV)/installed ## Erase the persons whom a CSV names (FILE=ids.csv, APPLY=yes)
	@$(BIN)/python -m kith_airflow erase

export-person: $(VENV)/installed ## All that is held of one person (FILE=ids.csv TO=folder)
	@$(BIN)/python -m kith_airflow export-person

reproduce: $(VENV)/installed ## Make a failed run again, to its failing rows (RUN=id)
	@$(BIN)/python -m kith_airflow reproduce

rebuild: $(VENV)/installed ## Make the marts of a past day, as known then (AS_OF=2025-06-30)
	@$(BIN)/python -m kith_airflow rebuild

approve: $(VENV)/installed ## Approve the numbers that a run would restate (RUN=id)
	@$(BIN)/python -m kith_airflow approve

show: $(VENV)/installed ## Say who a customer is and what to do next (CUSTOMER=customer_id)
	@$(BIN)/python -m kith_airflow show

metric: $(VENV)/installed ## A metric of the current release (NAME=revenue BY=month,region); all without NAME
	@$(BIN)/python -m kith_airflow metric

superset: $(VENV)/installed ## Dashboards over the current release in Superset, until Ctrl-C
	@$(BIN)/python -m kith_airflow superset

lineage: $(VENV)/installed ## From where a mart's column comes (COLUMN=customer.customers.city)
	@$(BIN)/python -m kith_airflow lineage

dbt: $(VENV)/installed ## Run dbt on the last candidate (ARGS="build -s customers+")
	@$(BIN)/python -m kith_airflow dbt

shell: $(VENV)/installed ## SQL on the current release (RELEASE=id, or ARGS=candidate)
	@$(BIN)/python -m kith_airflow shell

identity-explain: $(VENV)/installed ## Say what makes identifiers one customer (ID="email:a@b.com card:1")
	@$(BIN)/python -m kith_airflow identity-explain

up: $(VENV)/installed ## Start the Airflow server
	@$(BIN)/python -m kith_airflow up

down: $(VENV)/installed ## Stop what `make up` started
	@$(BIN)/python -m kith_airflow down

airflow: $(VENV)/installed ## Call Airflow's command line (ARGS="dags list")
	@$(BIN)/python -m kith_airflow airflow

# Four processes, also on two cores: many a test waits for a server or the disk.
test: $(VENV)/installed ## Run all tests
	@$(BIN)/python -m pytest -n 4 --no-loadscope-reorder

check: $(VENV)/installed ## Lint and types; changes nothing
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/sqlfluff lint --processes 0 dbt_project/models companies

fmt: $(VENV)/installed ## Format Python and SQL
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/sqlfluff fix dbt_project/models companies

bench: $(VENV)/installed ## Seconds, memory, orchestration tax (ROWS="1500000 5000000")
	@$(BIN)/python -m tests.bench.bench $(ROWS)

drill: $(VENV)/installed ## Play failures on a scratch company (ARGS="disk" for some)
	@$(BIN)/python -m tests.bench.drill "$(ARGS)"

lock: $(VENV)/installed ## Resolve requirements*.txt into requirements.lock
	@$(BIN)/uv pip compile requirements-dev.txt --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --quiet -o requirements.lock
	@$(BIN)/uv pip compile requirements-superset.txt --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --quiet -o requirements-superset.lock
	@$(BIN)/uv pip compile requirements-spark.txt --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --quiet -o requirements-spark.lock

clean: ## Remove the environment and the caches, never the data in KITH_HOME
	@rm -rf $(VENV) $(SPARK) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
