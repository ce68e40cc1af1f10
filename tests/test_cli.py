"""The command line: every command, its outputs, its errors and exit codes, whole files, Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

import fastnn
from fastnn import backends
from fastnn.cli import main, options, report, standard
from fastnn.datasets import load_digits
from fastnn.network import Network

DIGITS = ["train", "--data", "digits", "--hidden", "8", "--epochs", "2"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty current folder, and no data but the bundled."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fastnn.datasets.files.cache_dir", lambda: tmp_path / "cache")
    for name in ("FASTNN_DATA", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def run(capsys):
    """Run a command in this process; return (exit code, stdout, stderr)."""

    def call(*words):
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def good(run):
    """Run a command that must succeed; return its output."""

    def call(*words):
        code, out, err = run(*words)
        assert (code, err) == (0, "")
        return out

    return call


def python_m(*words, **settings):
    return subprocess.run(
        [sys.executable, "-m", "fastnn", *map(str, words)], capture_output=True, text=True, timeout=120, check=False,
        **settings,
    )  # fmt: skip


def houses(path, rows=300, seed=0):
    """Write a CSV file with columns of very different sizes and a large target; return X and y."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 3)) * [1.0, 1000.0, 1e-3] + [120.0, 5e4, 0.0]
    y = 2e5 + 1e5 * np.tanh((X[:, 0] - 120) + (X[:, 1] - 5e4) / 1000)
    table = np.column_stack([X, y])
    np.savetxt(path, table, delimiter=",", header="age,size,tax,price", comments="", fmt="%.17g")
    return X, y


def iris(path, rows=200, classes=3):
    """Write a CSV file of points around the corners of a triangle, without a header; return X and y."""
    rng = np.random.default_rng(1)
    y = rng.integers(classes, size=rows)
    X = np.array([[0, 0], [5, 0], [0, 5]])[y % 3] + rng.normal(size=(rows, 2))
    np.savetxt(path, np.column_stack([X, y]), delimiter=",", fmt=["%.6f", "%.6f", "%d"])
    return X, y


def write_idx(path, array):
    codes = {"uint8": 0x08, "int32": 0x0C}
    header = bytes([0, 0, codes[array.dtype.name], array.ndim]) + np.array(array.shape, ">u4").tobytes()
    path.write_bytes(header + array.astype(array.dtype.newbyteorder(">")).tobytes())


def write_image_set(folder):
    data = load_digits(size=8, raw=True)
    for part, X, y in (("train", data.X_train, data.y_train), ("t10k", data.X_test, data.y_test)):
        write_idx(folder / f"{part}-images-idx3-ubyte", X.reshape(-1, 8, 8))
        write_idx(folder / f"{part}-labels-idx1-ubyte", y.astype(np.uint8))
    return data


# ---- the frame


def test_without_arguments_it_shows_an_example_of_each_command(good):
    out = good()
    for command in ("demo", "info", "train", "predict", "plot", "bench", "run"):
        assert f"\n  fastnn {command} " in out


def test_version(good):
    assert good("--version") == f"fastnn {fastnn.__version__}\n"


@pytest.mark.parametrize("command", ["info", "demo", "train", "predict", "bench", "run"])
def test_each_command_explains_itself(good, command):
    out = good(command, "--help")
    assert out.startswith(f"usage: fastnn {command}")
    assert "--traceback" in out


def test_the_module_runs():
    done = python_m("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"fastnn {fastnn.__version__}\n", "")


ERRORS = [
    ("trian", "invalid choice: 'trian'"),
    ("--epochs=3", "unknown option --epochs=3"),
    ("train --epoch 3", "Did you mean --epochs?"),
    ("train --epochs many", "--epochs: invalid int value: 'many'"),
    ("train --epochs -1", "epochs must be at least 0, got -1"),
    ("train --batch-size half", "--batch-size must be a whole number or full, got 'half'"),
    ("train --batch-size 0", "batch_size must be at least 1"),
    ("train --data digit", "Did you mean 'digits'?"),
    ("train --data mnist", "Looked in"),
    ("train --data .", "an IDX directory"),
    ("train --target 3", "--target names a column of a CSV file"),
    ("train --test-size 0.5", "digits has one"),
    ("train --activation rel", "Did you mean 'relu'?"),
    ("train --output softmx", "Did you mean 'softmax'?"),
    ("train --loss hubr", "Did you mean 'huber'?"),
    ("train --loss huber:x", "expected a number as the parameter of huber, got 'x'"),
    ("train --output softmax --loss poisson", "do not go together"),
    ("train --init he_norml", "Did you mean 'he_normal'?"),
    ("train --init normal", "normal needs its standard deviation, as in normal:0.1"),
    ("train --dtype float16", "dtype must be 'float32' or 'float64'"),
    ("train --hidden 16,x", "expected whole numbers separated by commas, got '16,x'"),
    ("train --hidden 0", "sizes[1] must be at least 1"),
    ("train --hidden 4 --sizes 784,4,10", "give one of them"),
    ("train --sizes 64,16,10", "it must be 784,16,10"),
    ("train --optimizer adm", "Did you mean 'adam'?"),
    ("train --optimizer adam --momentum 0.9", "adam has no momentum; these have: sgd, momentum, nesterov"),
    ("train --optimizer adam --weight-decay 0.1", "adam has no weight decay"),
    ("train --learning-rate -1", "learning_rate"),
    ("train --learning-rate nan", "learning_rate"),
    ("train --schedule cosin", "Did you mean 'cosine'?"),
    ("train --schedule step", "expected step:EVERY[:FACTOR]"),
    ("train --schedule cosine:x", "expected a number"),
    ("train --l2 -1", "l2 must be"),
    ("train --dropout 1", "dropout must be"),
    ("train --early-stopping 3 --validation-size 0", "--early-stopping needs a --validation-size above 0"),
    ("train --validation-size 1", "test_size is 1.0"),
    ("train --time-limit 0", "seconds must be"),
    ("train --backend numby", "Did you mean 'numpy'?"),
    ("train --threads 0", "num_threads must be at least 1"),
    ("train --model nowhere/m.safetensors", "there is no folder nowhere"),
    ("train --model .", "is a folder"),
    ("train --history h.txt", "must end in .json or .csv"),
    ("train --model h.json --history h.json", "are the same file"),
    ("predict", "the following arguments are required: MODEL, DATA"),
    ("predict nothing.safetensors digits", "nothing.safetensors: No such file or directory"),
    ("predict text.csv digits", "is not a model file"),
    ("predict text.csv digits --out result.txt", "must end in .csv or .npy"),
    ("predict text.csv digits --classes --probabilities", "not allowed with"),
    ("train --data text.csv", "not a number"),
    ("demo --epochs 0", "--epochs must be at least 1"),
    ("demo --quick --out text.csv", "text.csv"),
]


@pytest.mark.parametrize(("words", "message"), ERRORS, ids=[words for words, _ in ERRORS])
def test_bad_usage_is_one_clear_line_and_exit_code_2(run, folder, words, message):
    (folder / "text.csv").write_text("a,b\n1,x\n2,3\n")
    before = sorted(path.name for path in folder.iterdir())
    code, out, err = run(*words.split())
    assert code == 2
    assert err.startswith("fastnn: ")
    assert message in err
    assert "Traceback" not in err
    assert out == ""
    assert sorted(path.name for path in folder.iterdir()) == before
    if "Looked in" not in err and "IDX" not in err:
        assert err.count("\n") == 1


def test_traceback_shows_where_an_error_came_from():
    with pytest.raises(ValueError, match="relu"):
        main(["train", "--activation", "rel", "--traceback"])


def test_a_diverging_fit_ends_with_code_1_and_advice(run):
    code, _, err = run(*DIGITS, "--output", "identity", "--optimizer", "sgd", "--learning-rate", "1e9")
    assert code == 1
    assert "smaller learning rate" in err
    assert err.count("\n") == 1


def test_a_missing_extra_is_named_with_its_install_line(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    code, _, err = run("train", "--data", "catvnoncat")
    assert code == 2
    assert 'pip install "fastnn-kernels[data]"' in err


# ---- info


def test_info_tells_versions_backends_and_threads(good):
    out = good("info")
    assert fastnn.__version__ in out
    assert f"numpy {np.__version__}" in out
    for name in fastnn.available_backends():
        assert name in out.splitlines()[1]
    assert re.search(rf"^threads +{fastnn.get_num_threads()} ", out, re.MULTILINE)
    assert re.search(r"^mnist +no files$", out, re.MULTILINE)
    assert "BLAS" not in out


def test_info_json_has_the_same(good):
    found = json.loads(good("info", "--json"))
    assert found["fastnn"] == fastnn.__version__
    assert tuple(found["available"]) == fastnn.available_backends()
    assert found["backend"] == fastnn.get_backend()
    assert found["packages"]["numpy"] == np.__version__
    assert found["data"]["mnist"]["found"] is None


def test_info_says_why_a_backend_is_missing_and_what_to_do(good, monkeypatch):
    monkeypatch.setattr(backends, "missing_backends", lambda: {"numba": "No module named 'numba'"})
    found = json.loads(good("info", "--json"))
    assert found["missing"]["numba"]["install"] == backends.REMEDIES["numba"]
    out = good("info")
    assert "no numba: No module named 'numba'" in out
    assert 'pip install "fastnn-kernels[numba]"' in out


def test_info_names_what_the_environment_changes(good, folder, monkeypatch):
    (folder / "data" / "mnist").mkdir(parents=True)
    write_image_set(folder / "data" / "mnist")
    for name, value in {
        "OPENBLAS_CORETYPE": "Haswell", "FASTNN_NUM_THREADS": "3", "FASTNN_DATA": str(folder / "data"),
        "FASTNN_BACKEND": "nmpy",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    out = good("info")
    assert "OPENBLAS_CORETYPE=Haswell" in out
    assert re.search(r"^threads +3 +\(from FASTNN_NUM_THREADS\)$", out, re.MULTILINE)
    assert re.search(rf"^mnist +{re.escape(str(folder / 'data' / 'mnist'))}$", out, re.MULTILINE)
    assert "Did you mean 'numpy'?" in out
    monkeypatch.setenv("FASTNN_NUM_THREADS", "four")
    out = good("info")
    assert re.search(r"^threads +FASTNN_NUM_THREADS must be a whole number .*got 'four'", out, re.MULTILINE)


# ---- train


def test_train_prints_the_plan_the_epochs_and_the_result(good):
    out = good(*DIGITS, "--model", "m.safetensors")
    assert "digits: 1,437 rows to train on, 360 to test; 784 columns, class labels" in out
    assert "784x8" in out
    assert re.search(r"^epoch +loss +test loss +test accuracy +seconds$", out, re.MULTILINE)
    assert len(re.findall(r"^ {4}[12] +\d", out, re.MULTILINE)) == 2
    data = load_digits()
    result = fastnn.load("m.safetensors").evaluate(data.X_test, data.y_test)
    assert f"loss {result['loss']:.5g}, accuracy {result['accuracy']:.5g}   (360 test rows)" in out
    assert result["accuracy"] > 0.5


def test_train_quietly(good):
    assert good(*DIGITS, "--quiet", "--model", "m.safetensors") == ""
    assert fastnn.load("m.safetensors").sizes == (784, 8, 10)


def test_the_same_command_makes_the_same_network(good):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        good(*DIGITS, "--dropout", "0.2", "--quiet", "--seed", seed, "--model", name)
    a, b, c = (fastnn.load(name).theta for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_options_reach_the_fit(good, monkeypatch):
    seen = {}
    fit = Network.fit

    def spy(self, X, y, **settings):
        seen.update(settings, network=self, backend=fastnn.get_backend())
        return fit(self, X, y, **settings)

    monkeypatch.setattr(Network, "fit", spy)
    good(
        "train", "--hidden", "6,5", "--activation", "tanh,sigmoid", "--output", "sigmoid", "--loss", "huber:0.5",
        "--init", "normal:0.1,bias:0.2", "--dtype", "float64", "--seed", "7", "--optimizer", "sgd", "--learning-rate",
        "0.05", "--momentum", "0.8", "--weight-decay", "0.001", "--schedule", "step:2:0.5", "--epochs", "1",
        "--batch-size", "full", "--l2", "0.1,0.2,0.3", "--dropout", "0.1", "--clip-norm", "2", "--time-limit", "100",
        "--class-weight", "balanced", "--backend", "numpy", "--threads", "1",
    )  # fmt: skip
    network = seen["network"]
    assert network.sizes == (784, 6, 5, 10)
    assert network.activations == ("tanh", "sigmoid")
    assert (network.output, network.loss, network.loss_parameter) == ("sigmoid", "huber", 0.5)
    assert (network.dtype.name, network.seed) == ("float64", 7)
    schedule = fastnn.schedules.Step(0.05, 2.0, 0.5, unit="epoch")
    assert seen["optimizer"] == fastnn.SGD(schedule, momentum=0.8, weight_decay=0.001)
    assert (seen["epochs"], seen["batch_size"], seen["num_threads"]) == (1, None, 1)
    assert (seen["l2"], seen["dropout"], seen["clip_norm"]) == ([0.1, 0.2, 0.3], 0.1, 2.0)
    assert seen["class_weight"] == "balanced"
    assert [type(callback).__name__ for callback in seen["callbacks"]] == ["TimeLimit", "Report"]
    assert seen["backend"] == "numpy"


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("cosine", fastnn.schedules.Cosine(0.5, unit="epoch")),
        ("cosine:0.1", fastnn.schedules.Cosine(0.5, 0.1, unit="epoch")),
        ("onecycle:0.2", fastnn.schedules.OneCycle(0.5, 0.2, unit="epoch")),
        ("exponential:0.9", fastnn.schedules.Exponential(0.5, 0.9, unit="epoch")),
        ("inverse", fastnn.schedules.InverseScaling(0.5, unit="epoch")),
        ("step:3", fastnn.schedules.Step(0.5, 3.0, unit="epoch")),
    ],
)
def test_schedules(text, schedule):
    assert options._schedule(text, 0.5) == schedule


def test_history_files_hold_every_epoch(good, folder):
    good(*DIGITS, "--history", "h.csv", "--quiet")
    good(*DIGITS, "--history", "h.json", "--quiet")
    lines = (folder / "h.csv").read_text().splitlines()
    assert lines[0] == "epoch,loss,data_loss,seconds,val_loss,val_accuracy"
    assert len(lines) == 3
    found = json.loads((folder / "h.json").read_text())
    assert [f"{float(line.split(',')[1]):.12g}" for line in lines[1:]] == [f"{loss:.12g}" for loss in found["loss"]]
    assert found["sizes"] == [784, 8, 10]
    assert found["test"]["accuracy"] == found["val_accuracy"][-1]


def test_a_long_training_prints_few_lines(good, monkeypatch):
    monkeypatch.setattr(report, "LINES", 4)
    out = good("train", "--hidden", "none", "--epochs", "40")
    shown = [int(epoch) for epoch in re.findall(r"^ +(\d+) +\d+\.", out, re.MULTILINE)]
    assert shown == [1, 10, 20, 30, 40]


def test_early_stopping_holds_rows_out_and_keeps_the_best(good):
    out = good("train", "--hidden", "16", "--epochs", "200", "--learning-rate", "0.02", "--early-stopping", "2")
    assert "1,293 rows to train on, 144 to validate, 360 to test" in out
    assert "validation accuracy" in out
    assert re.search(r"^stopped by EarlyStopping after \d+ epochs$", out, re.MULTILINE)


def test_without_a_test_part_the_result_is_of_the_training_rows(good):
    iris("iris.csv")
    out = good("train", "--data", "iris.csv", "--test-size", "0", "--epochs", "2")
    assert "none to test" in out
    assert "(the training rows)" in out
    assert "test loss" not in out


def test_a_csv_of_labels_is_classified(good):
    X, y = iris("iris.csv")
    out = good("train", "--data", "iris.csv", "--epochs", "30", "--learning-rate", "0.01", "--model", "m")
    assert "iris.csv: 160 rows to train on, 40 to test; 2 columns, class labels" in out
    network = fastnn.load("m")
    assert (network.output, network.sizes[-1]) == ("softmax", 3)
    assert network.evaluate(X, y)["accuracy"] > 0.9


def test_two_labels_make_one_sigmoid(good):
    iris("two.csv", classes=2)
    good("train", "--data", "two.csv", "--epochs", "1", "--model", "m")
    assert fastnn.load("m").output == "sigmoid"
    assert fastnn.load("m").sizes[-1] == 1


@pytest.mark.parametrize(
    ("loss", "output"),
    [("mse", "sigmoid"), ("poisson", "exp"), ("quantile:0.9", "identity"), ("binary_cross_entropy", "sigmoid")],
)
def test_a_loss_chooses_its_output(good, loss, output):
    iris("two.csv", classes=2)
    good("train", "--data", "two.csv", "--epochs", "1", "--loss", loss, "--model", "m")
    assert fastnn.load("m").output == output


def test_numpy_files(good, folder):
    data = load_digits(size=8, raw=True)
    images = {"x_train": data.X_train.reshape(-1, 8, 8), "x_test": data.X_test.reshape(-1, 8, 8)}
    np.savez("split.npz", **images, y_train=data.y_train, y_test=data.y_test)
    np.savez("whole.npz", X=data.X_train / 255.0, y=np.eye(10)[data.y_train])
    out = good("train", "--data", "split.npz", "--epochs", "5", "--model", "m")
    assert "uint8 pixels, read as x / 255" in out
    network = fastnn.load("m")
    assert network.input_scale == 1 / 255
    assert network.evaluate(data.X_test, data.y_test)["accuracy"] > 0.8
    good("predict", "m", "split.npz", "--classes", "--out", "classes.npy")
    np.testing.assert_array_equal(np.load("classes.npy"), network.classify(data.X_test))
    out = good("train", "--data", "whole.npz", "--epochs", "1", "--model", "m2")
    assert "1,149 rows to train on, 288 to test" in out
    assert fastnn.load("m2").output == "softmax"


def test_targets_of_several_columns(good):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3))
    np.savez("real.npz", X=X, y=X @ rng.normal(size=(3, 2)))
    np.savez("flags.npz", X=X, y=X[:, :2] > 0)
    good("train", "--data", "real.npz", "--standardize", "--epochs", "1", "--model", "real")
    good("train", "--data", "flags.npz", "--epochs", "1", "--model", "flags")
    assert (fastnn.load("real").output, fastnn.load("real").sizes[-1]) == ("identity", 2)
    assert (fastnn.load("flags").output, fastnn.load("flags").multilabel) == ("sigmoid", True)
    out = good("predict", "flags", "flags.npz", "--classes")
    assert out.startswith("class0,class1\n")


@pytest.mark.parametrize("content", [b"PK\x03\x04 no zip", b"\x93NUMPY\x01\x00", b""])
def test_damaged_files(run, folder, content):
    (folder / "x.npz").write_bytes(content)
    code, _, err = run("train", "--data", "x.npz")
    assert code == 2
    assert "x.npz" in err


def test_npz_without_targets_lists_its_arrays(run):
    np.savez("x.npz", pictures=np.zeros((3, 2)))
    code, _, err = run("train", "--data", "x.npz")
    assert code == 2
    assert "has the arrays pictures; expected X and y" in err


def test_idx_folder(good, folder):
    (folder / "images").mkdir()
    data = write_image_set(folder / "images")
    out = good("train", "--data", "images", "--hidden", "16", "--epochs", "5", "--model", "m")
    assert "images: 1,437 rows to train on, 360 to test; 64 columns" in out
    network = fastnn.load("m")
    wanted = network.classify(data.X_test / np.float32(255))
    for source in ("images", "images/t10k-images-idx3-ubyte"):
        out = good("predict", "m", source, "--classes")
        assert out == "class\n" + "".join(f"{label}\n" for label in wanted)


# ---- standardisation


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
def test_folding_is_exact(dtype, tolerance):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4)) * [1, 50, 1e-3, 0] + [0, 30, -1e-3, 7]
    y = rng.normal(size=(200, 2)) * [300, 40] + [1e3, -5]
    found = standard.measure(X, y)
    assert found.scale[3] == 1
    np.testing.assert_allclose(found.inputs(X, np.float64)[:, :3].std(axis=0), 1)
    network = Network([4, 6, 2], activation="tanh", output="identity", dtype=dtype, seed=0)
    folded = found.fold(network, X)
    wanted = network.predict(found.inputs(X, network.dtype)) * found.unit + found.shift
    assert folded.dtype == network.dtype
    assert np.abs(folded.predict(X) - wanted).max() <= tolerance * np.std(wanted)
    assert np.std(wanted) > 10


def test_folding_keeps_float64_where_float32_would_round_too_much():
    X = 1e6 + np.random.default_rng(0).normal(size=(50, 1))
    found = standard.measure(X, None)
    network = Network([1, 3, 2], output="softmax", seed=0)
    folded = found.fold(network, X)
    assert folded.dtype == np.float64
    np.testing.assert_allclose(folded.predict(X), network.predict(found.inputs(X, np.float32)), atol=1e-5)


def test_a_saved_network_takes_raw_columns_and_gives_raw_targets(good, folder):
    X, y = houses("houses.csv")
    out = good(
        "train", "--data", "houses.csv", "--target", "price", "--epochs", "60", "--learning-rate", "0.01",
        "--loss", "huber", "--model", "m", "--history", "h.json",
    )  # fmt: skip
    assert "standardised columns and target" in out
    good("predict", "m", "houses.csv", "--target", "price", "--out", "p.npy")
    predicted = np.load("p.npy")
    assert predicted.shape == (300, 1)
    network = fastnn.load("m")
    np.testing.assert_array_equal(predicted, network.predict(X))
    assert 1 - np.mean((predicted[:, 0] - y) ** 2) / np.var(y) > 0.9
    # what was printed in raw units is what the saved network does
    found = json.loads((folder / "h.json").read_text())
    assert found["val_loss"][-1] == pytest.approx(found["test"]["loss"], rel=1e-3)
    assert found["val_mse"][-1] == pytest.approx(found["test"]["mse"], rel=1e-3)
    assert found["test"]["mse"] > 1e6


def test_unstandardised(good):
    houses("houses.csv")
    out = good("train", "--data", "houses.csv", "--no-standardize", "--epochs", "1")
    assert "standardised" not in out


def test_values_that_are_not_finite_are_named(run):
    X = np.ones((10, 2))
    X[3, 1] = np.nan
    np.savez("x.npz", X=X, y=np.arange(10) / 3)
    code, _, err = run("train", "--data", "x.npz", "--standardize", "--test-size", "0")
    assert code == 2
    assert "X[3, 1] is nan" in err


# ---- predict


@pytest.fixture
def model():
    network = Network([784, 10], output="softmax", seed=0)
    network.save("m.safetensors")
    return network


def test_predict_prints_probabilities_that_read_back_exactly(good, model, folder):
    out = good("predict", "m.safetensors", "digits")
    lines = out.splitlines()
    assert lines[0] == "p0,p1,p2,p3,p4,p5,p6,p7,p8,p9"
    found = np.array([line.split(",") for line in lines[1:]], np.float64).astype(np.float32)
    np.testing.assert_array_equal(found, model.predict(load_digits().X_test))
    assert good("predict", "m.safetensors", "digits", "--out", "p.csv", "--probabilities") == "p.csv: 360 rows\n"
    assert (folder / "p.csv").read_text() == out


def test_predict_reads_csv_with_and_without_a_header(good):
    Network.from_weights([[[2.0], [3.0]]], [[1.0]], output="identity").save("m")
    for text in ("a,b\n1,2\n0,0\n", "1,2\n0,0\n", "1,2\n\n0,0"):
        with open("x.csv", "w") as file:
            file.write(text)
        assert good("predict", "m", "x.csv") == "y\n9\n1\n"
    with open("x.csv", "w") as file:
        file.write("a;t;b\n1;5;2\n")
    assert good("predict", "m", "x.csv", "--target", "t", "--delimiter", ";") == "y\n9\n"
    assert good("predict", "m", "x.csv", "--target", "1", "--delimiter", ";") == "y\n9\n"


def test_predict_names_a_wrong_number_of_columns(run, model):
    with open("x.csv", "w") as file:
        file.write(",".join(["1"] * 785) + "\n")
    code, out, err = run("predict", "m.safetensors", "x.csv")
    assert (code, out) == (2, "")
    assert "X has 785 columns; this network takes 784" in err
    assert "--target" in err


def test_predict_refuses_what_a_network_does_not_give(run):
    Network([784, 1], output="identity").save("m")
    for flag, word in (("--classes", "classify"), ("--probabilities", "not probabilities")):
        code, _, err = run("predict", "m", "digits", flag)
        assert code == 2
        assert word in err


def test_predict_gives_pixels_to_a_network_that_scales_them(good):
    data = load_digits(raw=True)
    network = Network([784, 10], output="softmax", seed=0, input_scale=1 / 255)
    network.save("m")
    good("predict", "m", "digits", "--out", "p.npy")
    np.testing.assert_array_equal(np.load("p.npy"), network.predict(data.X_test))


# ---- files are whole, Ctrl-C, pipes


def test_a_file_that_cannot_be_replaced_stays_as_it_was(run, folder, monkeypatch):
    (folder / "m").write_text("old")

    def refuse(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "replace", refuse)
    code, _, err = run(*DIGITS, "--quiet", "--model", "m")
    assert code == 2
    assert "the disk is full" in err
    assert (folder / "m").read_text() == "old"
    assert [path.name for path in folder.iterdir()] == ["m"]


def test_a_folder_without_permission_is_found_before_training(run, folder, monkeypatch):
    def refuse(**_):
        raise PermissionError(13, "no permission")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    monkeypatch.setattr(Network, "fit", None)
    code, _, err = run(*DIGITS, "--model", "m")
    assert code == 2
    assert "cannot be written to: no permission" in err


def test_ctrl_c_keeps_what_was_reached(run, monkeypatch):
    line = report.Report.__call__

    def interrupt(self, state):
        line(self, state)
        if state.epoch == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(report.Report, "__call__", interrupt)
    code, out, err = run("train", "--hidden", "8", "--epochs", "50", "--model", "m", "--history", "h.json")
    assert code == 130
    assert err == "fastnn: interrupted; what was reached is in m and h.json\n"
    with open("h.json") as file:
        found = json.load(file)
    assert found["interrupted"] is True
    assert len(found["loss"]) == 2
    data = load_digits()
    assert fastnn.load("m").evaluate(data.X_test, data.y_test)["loss"] == found["test"]["loss"]


def test_ctrl_c_before_the_first_epoch_writes_nothing(run, folder, monkeypatch):
    def fit(self, *_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Network, "fit", fit)
    code, _, err = run(*DIGITS, "--model", "m")
    assert (code, err) == (130, "fastnn: interrupted; before the first epoch was complete: nothing was saved\n")
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT to another process")
def test_ctrl_c_in_a_process_of_its_own(folder):
    command = [sys.executable, "-m", "fastnn", "train", "--hidden", "4", "--epochs", "1000000", "--model", "m"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for text in process.stdout:
            if text.startswith("    1 "):
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "fastnn: interrupted; what was reached is in m\n"
    assert fastnn.load("m").sizes == (784, 4, 10)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of another kind")
def test_a_reader_that_goes_away_is_no_error(model):
    np.save("many.npy", np.zeros((20000, 784), np.uint8))
    command = [sys.executable, "-m", "fastnn", "predict", "m.safetensors", "many.npy"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().startswith("p0,")
        process.stdout.close()
        err = process.stderr.read()
    assert (process.wait(), err) == (141, "")
