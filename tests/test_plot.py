"""Pictures: each draws what it is given into the axes it is given, returns them, and never shows a window."""

from __future__ import annotations

import inspect
import json

import numpy as np
import pytest

import fastnn
from fastnn import cli

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402

from fastnn import plot  # noqa: E402


@pytest.fixture(autouse=True)
def no_window(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *a, **k: pytest.fail("show was called"))
    monkeypatch.setattr(matplotlib.figure.Figure, "show", lambda *a, **k: pytest.fail("show was called"))
    yield
    plt.close("all")


def digits_net():
    return fastnn.Network([64, 40, 5, 3], activation=["relu", "tanh"], output="softmax", seed=0)


def plane_net(n_out=1):
    return fastnn.Network([2, 4, n_out], output="sigmoid" if n_out == 1 else "softmax", seed=1)


PLANE = np.random.default_rng(0).normal(size=(60, 2))
LABELS = np.arange(60) % 3
CALLS = {
    "network": lambda **ax: plot.network(digits_net(), **ax),
    "history": lambda **ax: plot.history(fastnn.History(loss=[3.0, 2.0, 1.0]), **ax),
    "weights": lambda **ax: plot.weights(digits_net(), **ax),
    "activations": lambda **ax: plot.activations(digits_net(), np.linspace(0, 1, 64), **ax),
    "confusion_matrix": lambda **ax: plot.confusion_matrix([0, 1, 2], [0, 2, 2], **ax),
    "decision_boundary": lambda **ax: plot.decision_boundary(plane_net(), PLANE, LABELS % 2, points=30, **ax),
    "activation_functions": lambda **ax: plot.activation_functions(["relu", "gelu"], **ax),
    "predictions": lambda **ax: plot.predictions([1.0, 2.0], [[1.5], [2.0]], **ax),
}


def test_all_pictures_are_here():
    assert set(CALLS) == set(plot.__all__) - {"save"}


@pytest.mark.parametrize("name", CALLS)
def test_a_picture_draws_into_the_axes_it_gets_and_returns_them(name, tmp_path):
    _, (first, second) = plt.subplots(1, 2)
    figures = plt.get_fignums()
    assert CALLS[name](ax=first) is first
    assert first.has_data() or first.patches
    assert not second.has_data()
    assert plt.get_fignums() == figures
    path = plot.save(first, tmp_path / "picture.png")
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", CALLS)
def test_a_picture_makes_one_figure_where_it_gets_no_axes(name, tmp_path):
    drawn = CALLS[name]()
    assert isinstance(drawn, matplotlib.axes.Axes)
    assert len(plt.get_fignums()) == 1
    assert b"<svg" in plot.save(drawn.figure, tmp_path / "picture.svg").read_bytes()


@pytest.mark.parametrize("name", CALLS)
def test_a_picture_refuses_what_are_no_axes(name):
    with pytest.raises(TypeError, match="must be a matplotlib Axes"):
        CALLS[name](ax=np.empty(2))


@pytest.mark.parametrize("name", CALLS)
def test_ax_is_a_keyword_of_every_picture(name):
    assert inspect.signature(getattr(plot, name)).parameters["ax"].kind is inspect.Parameter.KEYWORD_ONLY


# ---- what is drawn


def test_a_networks_lines_are_its_weights_strongest_on_top():
    net = fastnn.Network.from_weights([[[1.0, -2.0]]], [[0.0, 0.0]], output="identity")
    ax = plot.network(net)
    (lines,) = ax.collections
    weak, strong = lines.get_linewidths()
    assert strong > weak
    assert [style[1] is None for style in lines.get_linestyles()] == [True, False]  # solid positive, dashed negative
    assert not np.array_equal(*lines.get_colors()[:, :3])
    assert len(ax.patches) == 3


def test_large_layers_show_their_strongest_neurons_and_count_the_others():
    net = fastnn.Network([50, 2], output="identity", init="zeros")
    W = np.zeros((50, 2))
    W[[7, 23, 41]] = [[1, 0], [0, -3], [2, 2]]
    net.weights[0] = W
    ax = plot.network(net, most=3)
    told = [text.get_text() for text in ax.texts]
    assert {"7", "23", "41"} <= set(told)
    assert any("47 more" in text for text in told)


def test_neurons_hold_the_activations_of_an_input():
    net = fastnn.Network.from_weights([[[1.0, -2.0]]], [[0.5, 0.0]], output="identity")
    told = [text.get_text() for text in plot.network(net, x=[2.0]).texts]
    assert {"2.00", "2.50", "-4.00"} <= set(told)


def test_history_draws_the_series_of_every_run():
    long = fastnn.History(loss=[3, 2, 1.0], val_loss=[4, 3, 2.0], metrics={"val_accuracy": [0.1, 0.2, 0.3]})
    ax = plot.history(long)
    assert [line.get_ydata().tolist() for line in ax.lines] == [[3, 2, 1], [4, 3, 2]]
    assert ax.lines[0].get_xdata().tolist() == [1, 2, 3]
    ax = plot.history({"a": long, "b": long}, series="val_accuracy")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
    assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle()
    costs = plot.history([0.7, 0.5], every=100, log=True)
    assert costs.lines[0].get_xdata().tolist() == [0, 100]
    assert (costs.get_xlabel(), costs.get_yscale()) == ("iteration", "log")


def test_weights_are_images_of_the_units_on_one_scale():
    net = digits_net()
    ax = plot.weights(net, units=[3, 5])
    for image, unit in zip(ax.images, (3, 5), strict=True):
        np.testing.assert_array_equal(image.get_array(), net.weights[0][:, unit].reshape(8, 8))
    assert ax.images[0].get_clim() == ax.images[1].get_clim()
    assert len(plot.weights(net, layer=2).images) == 1  # no image: 40 numbers of the layer before
    colour = plot.weights(np.random.default_rng(0).normal(size=(48, 2)), shape=(4, 4, 3))
    assert colour.images[0].get_array().shape == (4, 4, 3)


def test_activations_are_those_of_forward():
    net, x = digits_net(), np.linspace(0, 1, 64, dtype=np.float32)
    ax = plot.activations(net, x, labels=["a", "b", "c"])
    layers = net.forward(x[None])
    np.testing.assert_array_equal(ax.images[2].get_array().ravel(), layers[1][0])
    shown = ax.images[1].get_array()
    assert np.ma.masked_invalid(shown).count() == 40
    assert any(text.get_text().startswith("b:") for text in ax.texts)


def test_confusion_matrix_counts():
    ax = plot.confusion_matrix([0, 0, 1, 2, 2, 2], [0, 1, 1, 2, 2, 0])
    told = [text.get_text() for text in ax.texts]
    assert told == ["1", "1", "", "", "1", "", "1", "", "2"]
    assert "66.67 %" in ax.get_title()
    np.testing.assert_allclose(ax.images[0].get_array()[2], [1 / 3, 0, 2 / 3])
    percent = plot.confusion_matrix([0, 0], [0, 1], normalize=True)
    assert percent.texts[0].get_text() == "50.0"


@pytest.mark.parametrize("kind", ["network", "classes", "labels", "probability"])
def test_decision_boundary_takes_networks_and_functions(kind):
    ask = {"network": plane_net(), "classes": plane_net(3), "labels": lambda X: (X[:, 0] > 0).astype(int),
           "probability": lambda X: 1 / (1 + np.exp(-X[:, :1]))}[kind]  # fmt: skip
    ax = plot.decision_boundary(ask, PLANE, LABELS, points=40, labels=["x", "y", "z"])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["x", "y", "z"]
    low, high = ax.get_xlim()
    assert low < PLANE[:, 0].min()
    assert high > PLANE[:, 0].max()


def test_activation_functions_are_those_of_the_kernels():
    ax = plot.activation_functions("tanh", span=(-2, 2))
    value, slope = ax.lines[:2]
    np.testing.assert_allclose(value.get_ydata(), np.tanh(value.get_xdata()), rtol=1e-12)
    np.testing.assert_allclose(slope.get_ydata(), 1 - np.tanh(slope.get_xdata()) ** 2, rtol=1e-9, atol=1e-12)
    assert slope.get_linestyle() == "--"
    assert len(plot.activation_functions("tanh", derivative=False).lines) == 3  # and the two axes


def test_predictions_say_how_well_they_agree():
    y = np.arange(10.0)
    ax = plot.predictions(y, y + 1)
    assert "root mean squared error 1\n" in ax.texts[0].get_text()
    rng = np.random.default_rng(0)
    many = plot.predictions(rng.normal(size=3000), rng.normal(size=3000))
    assert len(many.collections) == 1  # a density


# ---- bad input


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot.history([]), "no epoch was recorded"),
        (lambda: plot.history(fastnn.History(loss=[1.0]), series="val_loss"), "Pass validation_data"),
        (lambda: plot.weights(digits_net(), 4), r"layer must be 1 \.\.\. 3, got 4"),
        (lambda: plot.weights(digits_net(), shape=(8, 9)), "of 64 numbers, got"),
        (lambda: plot.weights(digits_net(), units=[40]), r"some of 0 \.\.\. 39"),
        (lambda: plot.activations(digits_net(), [1.0]), "one input of 64 numbers"),
        (lambda: plot.activations(digits_net(), np.ones(64), labels=["a"]), "the 3 outputs, got 1"),
        (lambda: plot.network(digits_net(), x=[1.0, 2.0]), "one input of 64 numbers"),
        (lambda: plot.confusion_matrix([0, 1], [0.5, 1]), "whole numbers"),
        (lambda: plot.confusion_matrix([0, 1], [0]), "as many labels"),
        (lambda: plot.decision_boundary(digits_net(), PLANE), "takes 64 inputs"),
        (lambda: plot.decision_boundary(plane_net(), np.ones((3, 3))), r"shape \(m, 2\)"),
        (lambda: plot.decision_boundary(lambda X: 1.0, PLANE), "one answer for each"),
        (lambda: plot.decision_boundary(plane_net(), PLANE, [1]), "each point needs one"),
        (lambda: plot.activation_functions("tan"), "Did you mean 'tanh'"),
        (lambda: plot.activation_functions("tanh", span=(1, 1)), r"span\[1\]"),
        (lambda: plot.predictions([1.0], [1.0, 2.0]), "as many entries"),
        (lambda: plot.predictions(np.ones((2, 2)), np.ones((2, 2))), "one output at a time"),
        (lambda: plot.save(plot.history([1.0]), "x.docx"), r"must end in one of .*\.png"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ---- the command line


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = "train --data digits --hidden 6 --epochs 1 --quiet --model m.safetensors --history h.json"
    assert cli.main(words.split()) == 0
    assert cli.main(words.replace("h.json", "h.csv").split()) == 0
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        "network m.safetensors --most 4", "weights m.safetensors", "activations m.safetensors digits --row 2",
        "confusion m.safetensors digits --normalize", "history h.json --log",
        "history h.csv --series loss,val_accuracy", "functions sigmoid,relu",
        "landscape m.safetensors digits --points 5 --relief",
        "weights m.safetensors --layer 2 --out second.svg",
    ],
)  # fmt: skip
def test_fastnn_plot_writes_a_picture(model, words, capsys):
    assert cli.main(["plot", *words.split()]) == 0
    written = model / capsys.readouterr().out.strip()
    assert written.stat().st_size > 1000
    assert not plt.get_fignums()


def test_fastnn_plot_landscape_writes_a_page(model, capsys):
    pytest.importorskip("plotly")
    assert cli.main("plot landscape m.safetensors digits --points 4 --html s.html".split()) == 0
    assert capsys.readouterr().out.split() == ["s.html", "landscape.png"]
    assert (model / "s.html").stat().st_size > 10**6


@pytest.mark.parametrize("kind", ["predictions", "boundary"])
def test_fastnn_plot_of_two_inputs(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    X = np.random.default_rng(0).normal(size=(50, 2))
    y = (X[:, 0] > 0).astype(float) if kind == "boundary" else X[:, 0] * 1.5
    np.savetxt("t.csv", np.c_[X, y], delimiter=",", fmt="%.4f" if kind == "predictions" else ["%.4f", "%.4f", "%d"])
    assert cli.main("train --data t.csv --hidden 3 --epochs 1 --quiet --model t.safetensors".split()) == 0
    assert cli.main(f"plot {kind} t.safetensors t.csv".split()) == 0
    assert (tmp_path / f"{kind}.png").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("predictions m.safetensors digits", "plot confusion"),
        ("activations m.safetensors digits --row 9999", "--row must be"),
        ("history m.safetensors", "no history"),
        ("history empty.json", "it has no losses"),
        ("network nothing.safetensors", "nothing.safetensors"),
        ("network m.safetensors --out no/where.png", "no folder"),
        ("sculpture m.safetensors", "invalid choice"),
    ],
)
def test_fastnn_plot_refuses_in_one_line(model, words, message, capsys):
    (model / "empty.json").write_text(json.dumps({"sizes": [2, 1]}))
    assert cli.main(["plot", *words.split()]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
