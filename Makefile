# One virtual environment in the checkout, made once and made again when what it is built from changes.
#
#   make demo     train the digit network on every backend and print the table
#   make test     run all tests
#   make slow     run the tests that take minutes: every float32 through the elementary functions
#   make lint     ruff and mypy
#   make cross    compile the C for every platform that has wheels
#   make mutants  break the kernels on purpose; every break must turn a test red
#   make report   render the README's tables and charts from benchmarks/results
#   make docs     the documentation site in docs/_build/html; warnings are errors
#   make dist     sdist and wheel in dist/
#   make clean    remove everything that the other targets made

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
BUILT_FROM := setup.py pyproject.toml $(wildcard kernels/*.pyx kernels/*.pxd kernels/*.pxi kernels/c/*)

.PHONY: demo test slow lint cross mutants report docs dist clean

demo: $(STAMP)
	$(BIN)/fastnn demo

test: $(STAMP)
	$(BIN)/pytest

slow: $(STAMP)
	$(BIN)/pytest -m slow -rP

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy

cross: $(STAMP)
	$(BIN)/python -m pip install --quiet ziglang
	$(BIN)/python tests/cross_compile.py

mutants: $(STAMP)
	$(BIN)/python tests/mutants.py

report: $(STAMP)
	$(BIN)/fastnn bench report

docs: $(STAMP)
	$(BIN)/python -m pip install --quiet --no-build-isolation -e ".[docs]"
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

dist: $(STAMP)
	$(BIN)/python -m build --no-isolation

# The build requirements come first and the build is not isolated, so that nothing is downloaded twice.
$(STAMP): $(BUILT_FROM)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "setuptools>=77" "Cython>=3.1" "numpy>=2.0"
	$(BIN)/python -m pip install --quiet --no-build-isolation -e ".[test]"
	touch $(STAMP)

clean:
	rm -rf $(VENV) docs/_build docs/gallery build dist fastnn-demo fastnn-bench *.egg-info kernels/*.c kernels/*.so
