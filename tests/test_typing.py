"""Types: a strict mypy run over the package and the examples."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed"),
    pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="the sources are not here"),
]


def mypy(*arguments, cache):
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(cache), *arguments], cwd=ROOT,
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("mypy")


def test_the_package_and_the_examples(cache):
    found = mypy(*(folder for folder in ("fastnn", "examples") if (ROOT / folder).is_dir()), cache=cache)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "Success: no issues found" in found.stdout


USER = """
import numpy as np
import numpy.typing as npt
import fastnn

net = fastnn.Network([4, 8, 3], output="softmax", seed=0)
X: npt.NDArray[np.float32] = np.zeros((5, 4), np.float32)
history: fastnn.History = net.fit(X, [0, 1, 2, 0, 1], epochs=1, optimizer=fastnn.Adam(0.01), callbacks=[
    fastnn.EarlyStopping(3, monitor="loss"), lambda state: state.epoch == 3])
losses: list[float] = history.loss
outputs: npt.NDArray[np.float32] = net.predict(X)
result: dict[str, float] = net.evaluate(X, [0, 1, 2, 0, 1])
f: fastnn.Predictor = net.predictor()
row: npt.NDArray[np.float32] = f(X[0])
copied: fastnn.Network = net.copy()
loaded: fastnn.Network = fastnn.load("net.safetensors")
with fastnn.use_backend("numpy"):
    loss: float = net.trainer("sgd").step(X, [0, 1, 2, 0, 1])
y = fastnn.functional.relu(X)
"""


def test_a_users_program_type_checks_and_a_wrong_one_does_not(cache, tmp_path):
    (tmp_path / "right.py").write_text(USER)
    (tmp_path / "wrong.py").write_text(USER + "\nnet.fit(X, X, epochs='ten')\nfastnn.nothing\n")
    found = mypy(str(tmp_path / "right.py"), cache=cache)
    assert found.returncode == 0, found.stdout + found.stderr
    found = mypy(str(tmp_path / "wrong.py"), cache=cache)
    assert found.returncode == 1
    assert 'Argument "epochs" to "fit"' in found.stdout
