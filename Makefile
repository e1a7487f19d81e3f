# make demo    install, train on the built-in sample, print what it proved
# make test    install with test needs; lint, types, tests
# make slow    the tests that take longer
# make bench   speed and memory, as ratios to a limit measured in the same run
# make tables  docs/results.md from results/
# make gpu     with a GPU and UNLABELED_DATA: ResNet-18 on CIFAR-10 by SimCLR, SeLa and with labels, to results/
# make docs    the site, in docs/_build/index.html

PYTHON ?= python3
BIN = .venv/bin

.PHONY: demo test slow bench tables gpu docs clean

demo: .venv/installed
	$(BIN)/python recipes/demo.py

test: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -m "not slow"

slow: .venv/installed-dev
	$(BIN)/python -m pytest -m slow

bench: .venv/installed-dev
	$(BIN)/python benchmarks/run.py

tables: .venv/installed
	$(BIN)/python recipes/table.py

gpu: .venv/installed
	for method in simclr sela supervised; do \
		$(BIN)/python recipes/run.py recipes/resnet18-$$method-cifar10.yaml --seed 0 || exit; done

docs: .venv/installed-docs
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build
	@echo "docs/_build/index.html"

# Installed once; again only after pyproject.toml has changed.
.venv/installed: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/installed-dev: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@ .venv/installed

.venv/installed-docs: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	touch $@ .venv/installed

.venv/bin/python:
	$(PYTHON) -m venv .venv

clean:
	rm -rf .venv
