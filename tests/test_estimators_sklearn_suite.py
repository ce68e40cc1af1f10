"""scikit-learn's own tests and its check_estimator, run on fastnn's classes."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
from estimators_common import OURS, THEIRS

SCRIPT = Path(__file__).with_name("run_sklearn_tests.py")


def test_their_tests_and_check_estimator():
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTEST_ADDOPTS": ""}
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.count("failed []") == 2  # of check_estimator


@pytest.mark.parametrize("kind", OURS)
def test_parameters_in_order_and_with_defaults(kind):
    """scikit-learn's parameters first, with its defaults and kinds; what is added is keyword-only."""
    theirs, ours = (list(inspect.signature(classes[kind]).parameters.values()) for classes in (THEIRS, OURS))
    wanted = [(p.name, p.default, p.kind) for p in theirs]
    found = [(p.name, p.default, p.kind) for p in ours]
    assert found[: len(wanted)] == wanted
    assert all(p.kind is p.KEYWORD_ONLY for p in ours[len(wanted) :])
    assert len(found) > len(wanted)


@pytest.mark.parametrize("kind", OURS)
def test_methods_and_tags(kind):
    theirs, ours = THEIRS[kind](), OURS[kind]()
    public = {name for name in dir(theirs) if not name.startswith("_")}
    assert public <= set(dir(ours))
    assert ours.__sklearn_tags__() == theirs.__sklearn_tags__()
    for name in ("fit", "partial_fit", "predict", "score"):
        wanted = list(inspect.signature(getattr(theirs, name)).parameters)
        assert list(inspect.signature(getattr(ours, name)).parameters)[: len(wanted)] == wanted
