"""Every example runs at small size, prints what it found and writes its pictures."""

from __future__ import annotations

import os
import re
import runpy
import sys
from pathlib import Path

import pytest

import fastnn

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
pytest.importorskip("matplotlib")
SCRIPTS = sorted(path.stem for path in EXAMPLES.glob("*.py") if path.stem != "kit")
PRINTED = {
    "broadcasting": ("94.92", "88.43", "(5, 5)"),
    "logistic_regression": ("0.693",),
    "digits_784_16_16_10": ("test accuracy",),
    "nielsen_784_30_10": ("seed 0",),
    "initial_values": ("all hidden units equal: True",),
    "xor": ("4 of 4",),
}
FASTNN_DATA = os.environ.get("FASTNN_DATA", "")
OPTIONS = {"digits_784_16_16_10": ["--epochs", "1"], "nielsen_784_30_10": ["--epochs", "1"]}


@pytest.fixture(autouse=True)
def bundled_data(monkeypatch, tmp_path):
    """Run without data files, in an empty folder, and leave no figure open."""
    monkeypatch.delenv("FASTNN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.mark.skipif(not SCRIPTS, reason="the examples are not here")
@pytest.mark.parametrize("name", SCRIPTS)
def test_example(name, monkeypatch, capsys, tmp_path):
    given = [*OPTIONS.get(name, ["--quick"]), "--out", str(tmp_path / "pictures")]
    monkeypatch.setattr(sys, "argv", [name, *given])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    told = capsys.readouterr().out
    assert told.strip()
    for text in PRINTED.get(name, ()):
        assert text in told
    pictures = list((tmp_path / "pictures").glob("*.png"))
    assert pictures
    assert all(path.stat().st_size > 5000 for path in pictures)


def test_housing_reaches_its_error(monkeypatch, capsys, tmp_path):
    """California housing, targets in 100 000 $: at most 0.30, and far below the linear model's."""
    monkeypatch.setenv("FASTNN_DATA", FASTNN_DATA)
    try:
        fastnn.datasets.load_housing()
    except FileNotFoundError:
        pytest.skip("California housing is not under FASTNN_DATA")
    monkeypatch.setattr(sys, "argv", ["housing", "--out", str(tmp_path)])
    runpy.run_path(str(EXAMPLES / "housing.py"), run_name="__main__")
    told = capsys.readouterr().out
    network = float(re.search(r"8-64-64-1 +([0-9.]+)", told)[1])
    linear = float(re.search(r"linear, eight features +([0-9.]+)", told)[1])
    assert network <= 0.30
    assert 0.4 < linear < 0.55


def test_there_are_examples():
    if EXAMPLES.is_dir():
        assert len(SCRIPTS) >= 2
