"""``fastnn demo``: complete, with parts missing, and honest."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest

import fastnn
from fastnn.cli import demo, main, runners
from fastnn.cli.runners import BackendRun, HandRun, Settings
from fastnn.datasets import load_digits

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty current folder, and no data but the bundled."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runners, "ONE_ROW_SECONDS", 0.02)
    monkeypatch.setattr(demo, "SETTLE", 0.0)
    for name in ("FASTNN_DATA", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def in_a_process(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip


def rows_of(out):
    """Return the final table's rows by backend."""
    lines = out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("backend "))
    names = ("cython", "numba", "numpy", "NumPy by hand", "scikit-learn")
    found = {}
    for line in lines[start + 2 :]:
        for name in names:
            if line.startswith(f"{name}  "):
                found[name] = line[len(name) :].strip()
    return found


def five_lines(out):
    return out.partition("Five lines to go on with:\n\n")[2]


def test_demo(capsys, folder):
    pytest.importorskip("matplotlib")
    assert main(["demo", "--quick", "--out", "pictures"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "the bundled digits: 1,437 images to learn from, 360 to test with" in out
    found = rows_of(out)
    assert list(found) == ["cython", "numba", "numpy", "NumPy by hand", "scikit-learn"]
    accuracies = set()
    for name in (*fastnn.available_backends(), "NumPy by hand"):
        compile_seconds, epoch, accuracy, one_row, speed = found[name].split()
        assert compile_seconds == "-" or float(compile_seconds) > 0
        assert float(epoch) > 0
        assert float(one_row) > 0
        assert float(speed.rstrip("x")) > 0
        accuracies.add(float(accuracy))
    assert max(accuracies) - min(accuracies) < 0.6  # two images
    assert min(accuracies) > 90
    for name in ("curves", "weights"):
        assert (folder / "pictures" / f"{name}.png").read_bytes().startswith(PNG)
        assert f"pictures{os.sep}{name}.png" in out
    assert sorted(path.name for path in (folder / "pictures").iterdir()) == ["curves.png", "weights.png"]
    pairs = len(fastnn.available_backends()) * (len(fastnn.available_backends()) - 1) // 2
    assert len(re.findall(r"\w+ - \w+ \d\.\de-\d+", out)) == pairs


def test_the_five_lines_run_as_printed(capsys):
    assert main(["demo", "--quick", "--epochs", "6", "--seed", "3"]) == 0
    lines = five_lines(capsys.readouterr().out)
    assert lines.count("\n") == 5
    done = in_a_process(lines)
    assert (done.returncode, done.stderr) == (0, "")
    # the same start, optimiser and number of epochs, so the same result as the table's
    assert re.fullmatch(r"\{'loss': [\d.]+, 'accuracy': [\d.]+\}\n", done.stdout)


def test_the_five_lines_give_the_accuracy_of_the_table(capsys):
    assert main(["demo", "--quick", "--epochs", "2"]) == 0
    out = capsys.readouterr().out
    lines = five_lines(out).replace("print(net", "print(100 * net").replace("y_test))", "y_test)['accuracy'])")
    done = in_a_process(lines)
    assert float(rows_of(out)["numpy"].split()[2]) == pytest.approx(float(done.stdout), abs=0.6)


def test_what_is_missing_is_named_and_the_table_still_prints(folder):
    code = (
        "import sys\n"
        "for name in ('numba', 'sklearn', 'matplotlib', 'threadpoolctl', 'fastnn.kernels.cython_kernels'):\n"
        "    sys.modules[name] = None\n"
        "from fastnn.cli import main\n"
        "sys.exit(main(['demo', '--quick', '--epochs', '2', '--out', 'd']))\n"
    )
    done = in_a_process(code, FASTNN_BACKEND="")
    assert (done.returncode, done.stderr) == (0, "")
    found = rows_of(done.stdout)
    assert found["numba"] == 'not available: pip install "fastnn-kernels[numba]"'
    assert found["scikit-learn"] == 'not installed: pip install "fastnn-kernels[sklearn]"'
    assert found["cython"].startswith("not available: pip install")
    assert len(found["numpy"].split()) == len(found["NumPy by hand"].split()) == 5
    assert 'pip install "fastnn-kernels[plot]"' in done.stdout
    assert "only one backend" in done.stdout
    assert list((folder / "d").iterdir()) == []
    assert "import fastnn" in five_lines(done.stdout)


@pytest.mark.skipif(len(fastnn.available_backends()) < 2, reason="needs two backends")
def test_backends_that_disagree_end_the_demo(capsys, monkeypatch):
    monkeypatch.setattr(runners, "AGREEMENT", 1e-12)
    assert main(["demo", "--quick"]) == 1
    out, err = capsys.readouterr()
    assert re.match(r"fastnn: the backends \w+ and \w+ disagree: after 10 steps \w\d differs by \d\.\de-\d+", err)
    assert "backend " not in out


def test_overrides_of_openblas_are_named_in_a_callers_process(capsys, monkeypatch):
    monkeypatch.setenv("OPENBLAS_L2_SIZE", "1024")
    assert main(["demo", "--quick", "--epochs", "1"]) == 0
    assert capsys.readouterr().out.startswith("OPENBLAS_L2_SIZE set: ")


def test_overrides_of_openblas_are_left_behind_by_starting_again(folder):
    environment = {**os.environ, "OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_L2_SIZE": "512"}
    done = subprocess.run(
        [sys.executable, "-m", "fastnn", "demo", "--quick", "--epochs", "1"], env=environment, capture_output=True,
        text=True, timeout=300, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    line = "OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE would slow NumPy and Numba down: starting again without.\n"
    assert done.stdout.startswith(line)
    assert done.stdout.count("starting again") == 1
    assert done.stdout.count("Five lines") == 1


def test_numpy_by_hand_takes_the_steps_of_a_fit():
    data, settings = load_digits(), Settings(epochs=2)
    hand, backend = HandRun(settings, data), BackendRun("numpy", settings, data)
    start = settings.network().theta.copy()
    for run in (hand, backend):
        run.epoch()
        run.epoch()
    for mine, its, before in zip(hand.model.W, backend.network.weights, settings.network().weights, strict=True):
        assert np.linalg.norm(mine - its) < 1e-4 * np.linalg.norm(its - before)
    assert not np.array_equal(backend.network.theta, start)


def test_mnist_is_taken_where_its_files_are(capsys, folder, monkeypatch):
    data = load_digits(raw=True)
    (folder / "data").mkdir()
    for part, X, y in (("train", data.X_train[:640], data.y_train[:640]), ("t10k", data.X_test, data.y_test)):
        for name, array in ((f"{part}-images-idx3-ubyte", X.reshape(-1, 28, 28)), (f"{part}-labels-idx1-ubyte", y)):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            (folder / "data" / name).write_bytes(header + array.astype(np.uint8).tobytes())
    monkeypatch.setenv("FASTNN_DATA", str(folder / "data"))
    assert main(["demo", "--epochs", "2"]) == 0
    out = capsys.readouterr().out
    assert "MNIST: 640 images to learn from, 360 to test with" in out
    assert "fastnn.datasets.load_mnist()" in five_lines(out)
