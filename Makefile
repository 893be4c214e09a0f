# make demo    installs the agent (no torch) and shows the whole job
# make test    installs what the tests need and runs them
PYTHON ?= python3
CONSTRAINTS := tests/constraints.txt
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS)
PYTEST := .venv-dev/bin/python -m pytest

.PHONY: demo test test-system lint bench demo-bundle system-packages clean

demo: .venv/installed
	.venv/bin/inspectd demo $(DEMO)

test: .venv-dev/installed .venv-dev/peers/installed system-packages
	$(PYTEST) -m "not system" --ignore tests/system -n 2 --dist loadfile
	$(PYTEST) -m "not system" tests/system

test-system: .venv-dev/installed .venv-dev/peers/installed system-packages
	$(PYTEST) -m system

lint: .venv-dev/installed
	.venv-dev/bin/ruff check .
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/pyright

bench: .venv-dev/installed
	.venv-dev/bin/inspectd bench configs/bundles/buttons

# The shipped bundle, made anew by the project's own commands from generated images.
demo-bundle: .venv-dev/installed
	rm -rf work/buttons work/buttons-bundle work/more
	.venv-dev/bin/inspectd simulate work/buttons --good 400 --test-good 200 --test-defective 200
	.venv-dev/bin/inspectd calibrate train work/buttons --out work/buttons-bundle --profile demo --name buttons --vgg19 none
	.venv-dev/bin/inspectd simulate work/more --good 600 --test-good 0 --test-defective 0 --seed 2
	.venv-dev/bin/inspectd calibrate threshold work/buttons-bundle work/more --by "make demo-bundle" \
		--why "600 more good buttons, so that one in a hundred false rejects is supported"
	rm -rf configs/bundles/buttons
	mkdir -p configs/bundles
	mv work/buttons-bundle configs/bundles/buttons

# Debian's packages: venv for Python itself; a compiler, libmodbus and systemd's checker for the tests.
system-packages:
	@PYTHON=$(PYTHON) tests/system_packages.sh all

.venv/installed: pyproject.toml $(CONSTRAINTS)
	@PYTHON=$(PYTHON) tests/system_packages.sh venv
	$(PYTHON) -m venv .venv
	.venv/bin/python $(PIP_INSTALL) -e .
	touch $@

.venv-dev/installed: pyproject.toml $(CONSTRAINTS)
	@PYTHON=$(PYTHON) tests/system_packages.sh venv
	$(PYTHON) -m venv .venv-dev
	.venv-dev/bin/python $(PIP_INSTALL) torch
	.venv-dev/bin/python $(PIP_INSTALL) -e ".[dev]"
	touch $@

# Modbus and S7 libraries of others, which the tests run as PLCs: from npm, and the native snap7.
.venv-dev/peers/installed: .venv-dev/installed tests/peers/install.py tests/peers/package-lock.json
	.venv-dev/bin/python tests/peers/install.py .venv-dev/peers && touch $@ || true

clean:
	rm -rf .venv .venv-dev work build *.egg-info
