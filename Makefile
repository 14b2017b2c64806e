# Nothing to install by hand before these: each makes what it needs and says what it cannot.
#
#   make demo    an SSH server, training runs and JupyterLab on this machine, to try everything with
#   make test    the whole test suite            ARGS='-k viewer' goes to pytest; ARGS=quick: unit tests only
#   make lint    what pre-commit and CI check    make format: mend what can be mended
#   make api-types   the TypeScript types of the API's bodies, made of the models
#   make fuzz    the tests that make up their own input, for long
#   make soak    an hour of faults, one after the other by chance, under load
#   make audit   the known advisories of all that is installed, here and in labextension/
#   make bench   us and our peers, side by side
#   make pictures   renew what the tests compare the front ends' looks with
#   make film    renew the README's moving picture, by what make demo shows
#   make hero    renew the pictures that the README and the pages show, light and dark
#   make docs    the pages in docs/, as a site in dist/docs
#   make dist-check   what a registry will show: description, links, addresses; part of make lint
#   make recipe   whether conda-forge's recipe renders and says what pyproject.toml says; part of make lint
#   make portable   the wheel of make dist in use, and the unit tests, as on every system and Python
#   make dist    sdist and wheel in dist/, tried in a clean environment
#   make matrix  other versions of Python, Jupyter and the libraries; ARGS='floor' picks rows
#   make lock    the versions of constraints.txt anew; ARGS=--upgrade: the newest of all
#   make clean   remove everything that these made

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

# Where the machine has no Node.js, or an old one, scripts/node.sh puts one here.
export PATH := $(CURDIR)/.cache/node/programs:$(PATH)

.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help demo test fuzz soak audit lint format bench docs dist dist-check portable lint-workflows matrix clean dev lab lint-python lint-ruff lint-types lint-js \
	lint-packages lint-js-packages lint-api-types api-types pictures film hero recipe lock
help:
	@sed -n 's/^#   \{0,1\}//p' Makefile

# ---- what the targets stand on ----
# A stamp carries the digest of what it was made from, so that a new checkout of the same content does nothing.
digest = $(shell cat $(1) 2>/dev/null </dev/null | sha256sum | cut -c1-16)

PY_DIGEST := $(call digest,pyproject.toml constraints.txt)
DEMO_VENV := $(VENV)/.demo-$(PY_DIGEST)
DEV_VENV := $(VENV)/.dev-$(PY_DIGEST)
DOCS_VENV := $(VENV)/.docs-$(PY_DIGEST)
RELEASE_VENV := $(VENV)/.release-$(PY_DIGEST)
MATRIX_VENV := $(VENV)/.matrix-$(PY_DIGEST)
BENCH_VENV := $(VENV)/.bench-$(PY_DIGEST)
$(DEMO_VENV): EXTRAS := demo
$(DEV_VENV): EXTRAS := demo,test,lint
$(DOCS_VENV): EXTRAS := docs
$(RELEASE_VENV): EXTRAS := release
$(MATRIX_VENV): EXTRAS := matrix
$(BENCH_VENV): EXTRAS := bench
$(DEMO_VENV) $(DEV_VENV) $(DOCS_VENV) $(RELEASE_VENV) $(MATRIX_VENV) $(BENCH_VENV):
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or newer is missing on this machine; install it, or say PYTHON=/path/to/it.' >&2; exit 1; }
	@PYTHON="$(PYTHON)" scripts/system-packages.sh venv
	@$(BIN)/python -c '' 2>/dev/null || "$(PYTHON)" -m venv --clear $(VENV)
	@# The JupyterLab side is not built by pip here, but below, in place.
	@mkdir -p runicorn_jupyter/labextension runicorn_jupyter/static
	@# pip would write through the link below, and what it writes would look newer than the sources.
	@rm -rf $(VENV)/share/jupyter/labextensions/runicorn-jupyter $(VENV)/.lab-*
	@SKIP_JUPYTER_BUILDER=1 scripts/patiently.sh 'Installing runicorn-jupyter and what it needs into $(VENV) (minutes, the first time) …' \
		scripts/install.sh $(BIN)/python $(EXTRAS)
	@rm -f $(@:%-$(PY_DIGEST)=%)-* && touch $@

# The JupyterLab side, built from labextension/ and linked where this environment's JupyterLab looks.
LAB_SOURCES := $(sort $(shell find labextension \( -name node_modules -o -name lib -o -name lib-test \) -prune \
	-o -type f ! -name '*.tsbuildinfo' -print 2>/dev/null)) runicorn_jupyter/locale/zh_CN/LC_MESSAGES/runicorn_jupyter.json
LAB_DIGEST := $(call digest,$(LAB_SOURCES))
LAB_STAMP := $(VENV)/.lab-$(LAB_DIGEST)
ifeq ($(wildcard runicorn_jupyter/labextension/package.json),)
.PHONY: $(LAB_STAMP)
endif
NPM_STAMP := labextension/node_modules/.made-$(call digest,labextension/package.json labextension/package-lock.json)
$(NPM_STAMP):
	@PYTHON="$(PYTHON)" scripts/node.sh
	@cd labextension && ../scripts/patiently.sh 'Installing the packages of the JupyterLab side into labextension/node_modules …' \
		npm ci --no-audit --no-fund --loglevel=error
	@touch $@
$(LAB_STAMP): $(NPM_STAMP)
	@cd labextension && PATH="$(CURDIR)/$(BIN):$$PATH" ../scripts/patiently.sh 'Building the JupyterLab side …' npm run --silent build
	@mkdir -p $(VENV)/share/jupyter/labextensions
	@rm -rf $(VENV)/share/jupyter/labextensions/runicorn-jupyter
	@ln -s "$(CURDIR)/runicorn_jupyter/labextension" $(VENV)/share/jupyter/labextensions/runicorn-jupyter
	@rm -f $(VENV)/.lab-* && touch $@

dev: $(DEV_VENV) $(LAB_STAMP)
lab: $(DEMO_VENV) $(LAB_STAMP)

# ---- what people call ----
demo: lab
	@exec $(BIN)/python -m runicorn_jupyter.demo $(ARGS)

test: dev
	@scripts/system-packages.sh ssh sshd chromium nft ip tc
	@cd labextension && npm test --silent
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(if $(filter quick,$(ARGS)),tests/unit tests/structure,$(ARGS))

fuzz: dev
	@scripts/system-packages.sh ssh sshd
	@$(BIN)/python -m pytest tests -m hypothesis --hypothesis-profile=long --timeout=3600 $(ARGS)
	@RUNICORN_FUZZ_EXAMPLES=200 $(BIN)/python -m pytest tests/fuzz -m 'not hypothesis' --timeout=7200 $(ARGS)

# Strict: a package that nothing is known of fails too, as where the registry is a mirror without advisories.
audit: $(DEV_VENV) $(NPM_STAMP)
	@$(BIN)/python -m venv .cache/audit
	@.cache/audit/bin/python -m pip install -q --disable-pip-version-check 'pip-audit>=2.9'
	@$(BIN)/python -m pip freeze --exclude-editable > .cache/audit/installed.txt
	@.cache/audit/bin/pip-audit -r .cache/audit/installed.txt --no-deps --disable-pip --strict --progress-spinner off
	@cd labextension && npm audit

soak: dev
	@scripts/system-packages.sh ssh sshd nft ip tc
	@$(BIN)/python -m tests.faults.soak $(ARGS)

bench: dev $(BENCH_VENV)
	@scripts/system-packages.sh ssh sshd chromium
	@$(BIN)/python -m benchmarks $(ARGS)

pictures: dev
	@scripts/system-packages.sh ssh sshd chromium
	@RENEW_PICTURES=1 $(BIN)/python -m pytest -n 0 -q tests/browser/test_face.py

film: dev
	@scripts/system-packages.sh chromium
	@$(BIN)/python -m scripts.film $(ARGS)

hero: dev
	@scripts/system-packages.sh ssh sshd chromium
	@$(BIN)/python -m scripts.hero $(ARGS)
	@UPDATE_SCREENSHOTS=1 $(BIN)/python -m pytest -n 0 -q tests/browser -m pictures

# Strict: a warning (a dead link, a page that no list names, a code without advice) is an error.
docs: $(DOCS_VENV)
	@$(BIN)/python -m sphinx -W --keep-going -q -E -b html docs dist/docs
	@$(BIN)/python -m sphinx -W --keep-going -q -E -b html -c docs -t zh docs/zh dist/docs/zh
	@echo 'The pages are in dist/docs: open dist/docs/index.html.' >&2

portable:
	@"$(PYTHON)" scripts/portable.py dist $(ARGS)

dist: $(RELEASE_VENV)
	@PYTHON="$(PYTHON)" scripts/node.sh
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python scripts/dist.py $(ARGS)

matrix: dev $(MATRIX_VENV)
	@scripts/system-packages.sh ssh sshd chromium chromedriver firefox-esr WebKitWebDriver Xvfb
	@nice -n 10 $(BIN)/python scripts/matrix.py $(ARGS)

# Without hashes: pip takes one for a demand on everything, and what is installed from a folder has none.
lock: $(MATRIX_VENV)
	@$(BIN)/uv pip compile -q pyproject.toml --all-extras --universal --python-version 3.11 --no-annotate \
		--custom-compile-command 'make lock' -o constraints.txt $(ARGS)

lint: lint-python lint-js lint-workflows dist-check recipe

lint-packages: $(DEV_VENV)

lint-js-packages: $(NPM_STAMP)

lint-python: lint-ruff lint-types

lint-ruff: $(DEV_VENV)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

# The remote's side and the demo need Linux or macOS: on Windows they are not there.
lint-types: $(DEV_VENV)
	@$(BIN)/mypy
	@$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin
	@$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32 --exclude 'runicorn_jupyter/(payload|demo)/'

lint-workflows: $(DEV_VENV)
	@$(BIN)/check-jsonschema -q --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema -q --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/idea.yml
	@said=$$($(BIN)/zizmor --offline --no-progress -q .github/workflows) || { echo "$$said" >&2; exit 1; }

dist-check: $(DEV_VENV)
	@$(BIN)/python scripts/dist_check.py $(ARGS)

recipe: $(DEV_VENV)
	@$(BIN)/python -m scripts.recipe $(ARGS)

lint-js: lint-api-types $(NPM_STAMP)
	@cd labextension && npm run --silent lint

lint-api-types: $(DEV_VENV) $(NPM_STAMP)
	@$(BIN)/python scripts/api_types.py --check

api-types: $(DEV_VENV) $(NPM_STAMP)
	@$(BIN)/python scripts/api_types.py

format: $(DEV_VENV) $(NPM_STAMP)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@cd labextension && npm run --silent format

clean:
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .schemathesis dist build test-results \
		labextension/node_modules labextension/lib labextension/lib-test labextension/tsconfig.tsbuildinfo \
		runicorn_jupyter/labextension runicorn_jupyter/static
	find . -name .git -prune -o -type d '(' -name __pycache__ -o -name '*.egg-info' -o -name .ipynb_checkpoints ')' -prune -exec rm -rf {} +
