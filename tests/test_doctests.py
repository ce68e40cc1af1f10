"""The examples in docstrings, in the README and in the documentation run and print what they say."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil
import re
import sys
from pathlib import Path

import pytest

import fastnn

ROOT = Path(__file__).resolve().parent.parent
SKIPPED = ("fastnn.kernels.numba", "fastnn.kernels.cython", "fastnn.__main__")
MODULES = sorted(
    info.name for info in pkgutil.walk_packages(fastnn.__path__, "fastnn.", onerror=lambda name: None)
    if not info.name.startswith(SKIPPED)
)  # fmt: skip
PAGES = [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))) if path.is_file()]
NEEDS = {  # what the examples of a package import
    "fastnn.plot": "matplotlib", "fastnn.landscape": "matplotlib", "fastnn.estimators": "sklearn",
}  # fmt: skip
PAGE_NEEDS = re.compile(r"^<!-- needs: (\w+) -->$", re.MULTILINE)  # what the blocks of a page import
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def check(test):
    """Run a doctest and return what went wrong."""
    told = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=told.append)
    return "".join(told)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Run in an empty folder, and leave the process's settings as they were."""
    monkeypatch.chdir(tmp_path)
    before = fastnn.backends._process_backend, fastnn.backends._process_threads
    yield
    fastnn.backends._process_backend, fastnn.backends._process_threads = before
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.mark.parametrize("name", ["fastnn", *MODULES])
def test_docstrings(name):
    for package, needed in NEEDS.items():
        if name == package or name.startswith(f"{package}."):
            module = pytest.importorskip(needed)
            if needed == "matplotlib":
                module.use("agg")
    if name == "fastnn.conversion":
        pytest.importorskip("networkx")
    found = doctest.DocTestFinder().find(importlib.import_module(name), name)
    assert "".join(map(check, found)) == ""


@pytest.mark.parametrize("module", ["fastnn.network", "fastnn.schedules", "fastnn.functional.losses"])
def test_there_are_examples_to_run(module):
    found = doctest.DocTestFinder().find(importlib.import_module(module), module)
    assert sum(len(test.examples) for test in found) >= 5


def test_a_wrong_example_is_noticed():
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert "Expected" in check(test)


@pytest.mark.parametrize("page", PAGES, ids=[path.name for path in PAGES])
def test_python_blocks_of_a_page_run_in_order(page):
    for needed in PAGE_NEEDS.findall(page.read_text()):
        pytest.importorskip(needed)
    names = {"__name__": page.stem}
    for number, block in enumerate(BLOCK.findall(page.read_text()), start=1):
        if "sklearn" in block and importlib.util.find_spec("sklearn") is None:
            continue
        if ">>>" in block:
            assert check(doctest.DocTestParser().get_doctest(block, names, f"block {number}", None, 0)) == ""
        else:
            exec(compile(block, f"{page.name} block {number}", "exec"), names)
    assert "__name__" in names


def test_pages_are_found():
    if not PAGES:
        pytest.skip("the sources are not here")
    assert BLOCK.findall((ROOT / "README.md").read_text())
