"""Every example runs at small size, prints what it found and writes its pictures."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

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
    given = OPTIONS.get(name, ["--quick", "--out", str(tmp_path / "pictures")])
    monkeypatch.setattr(sys, "argv", [name, *given])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    told = capsys.readouterr().out
    assert told.strip()
    for text in PRINTED.get(name, ()):
        assert text in told
    if name not in OPTIONS:
        pictures = list((tmp_path / "pictures").glob("*.png"))
        assert pictures
        assert all(path.stat().st_size > 5000 for path in pictures)


def test_there_are_examples():
    if EXAMPLES.is_dir():
        assert len(SCRIPTS) >= 2
