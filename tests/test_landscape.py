"""The error surface: its values are those of evaluate, its directions what they say, its pictures drawn."""

from __future__ import annotations

import time

import numpy as np
import pytest
from network_common import PAIRS, blobs, problem, tolerance

import fastnn
from fastnn import landscape
from fastnn.landscape import grid

plt = pytest.importorskip("matplotlib.pyplot")
plt.switch_backend("agg")


@pytest.fixture(autouse=True)
def no_window(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *a, **k: pytest.fail("show was called"))
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def trained():
    """Return (network, X, y, checkpoints) of a fit."""
    X, y = blobs(300, 3, 6)
    net = fastnn.Network([6, 10, 8, 3], activation="sigmoid", output="softmax", dtype="float64", seed=3)
    path = fastnn.Checkpoints()
    net.fit(X, y, epochs=8, optimizer=fastnn.Adam(0.02), callbacks=[path])
    return net, X, y, path


def moved(net, theta):
    other = net.copy()
    other.theta = theta
    return other


def assert_evaluates(found, net, X, y, rng, rel, points=10, sample_weight=None):
    """Assert that points of a surface drawn at random hold what evaluate says of the network there."""
    origin = net.theta.astype(np.float64)
    for i, j in zip(rng.integers(0, len(found.a), points), rng.integers(0, len(found.b), points), strict=True):
        theta = origin + found.a[i] * found.directions[0] + found.b[j] * found.directions[1]
        wanted = moved(net, theta).evaluate(X, y, sample_weight)["loss"]
        assert found.loss[i, j] == pytest.approx(wanted, rel=rel)


def test_the_two_weights_of_the_smallest_network():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(40, 1)), rng.normal(size=40)
    net = fastnn.Network([1, 1, 1], activation="tanh", output="tanh", bias=False, dtype="float64", seed=0)
    values = np.arange(-2, 2, 0.05)
    found = landscape.surface(net, x, y, (0, 1), points=(values, values))
    assert found.loss.shape == (80, 80)
    w1, w2 = np.meshgrid(values, values, indexing="ij")
    output = np.tanh(w2[..., None] * np.tanh(w1[..., None] * x[:, 0]))
    direct = np.mean(0.5 * (output - y) ** 2, axis=-1)
    np.testing.assert_allclose(found.loss, direct, rtol=0, atol=1e-12)
    assert found.names == ("W1[0, 0]", "W2[0, 0]")


def test_random_directions_are_as_long_as_each_neurons_weights(trained):
    net, X, y, _ = trained
    found = landscape.surface(net, X, y, points=9, seed=4)
    for D in found.directions:
        direction = moved(net, D)
        for W, DW, Db in zip(net.weights, direction.weights, direction.biases, strict=True):
            np.testing.assert_allclose(np.linalg.norm(DW, axis=0), np.linalg.norm(W, axis=0), rtol=1e-12)
            assert not Db.any()
    assert found.loss[4, 4] == pytest.approx(net.evaluate(X, y)["loss"], rel=1e-12)
    assert_evaluates(found, net, X, y, np.random.default_rng(0), 1e-12)
    again = landscape.surface(net, X, y, points=9, seed=4)
    assert again.loss.tobytes() == found.loss.tobytes()
    assert landscape.surface(net, X, y, points=9, seed=5).loss.tobytes() != found.loss.tobytes()


def test_principal_components_hold_the_path(trained):
    net, X, y, path = trained
    found = landscape.surface(net, X, y, "pca", path=path, points=(7, 9))
    assert found.loss.shape == (7, 9)
    np.testing.assert_allclose(found.directions @ found.directions.T, np.eye(2), atol=1e-10)
    strayed = np.array(path.thetas) - net.theta
    _, lengths, _ = np.linalg.svd(strayed, full_matrices=False)
    np.testing.assert_allclose(found.explained, lengths[:2] ** 2 / (lengths**2).sum(), rtol=1e-9)
    np.testing.assert_allclose(found.path, strayed @ found.directions.T, atol=1e-10)
    np.testing.assert_allclose(found.path[-1], 0, atol=1e-12)
    assert found.path_loss[-1] == pytest.approx(net.evaluate(X, y)["loss"], rel=1e-12)
    assert (found.path[0] >= 0).all()
    assert found.a[0] < found.path[:, 0].min() < found.path[:, 0].max() < found.a[-1]
    assert_evaluates(found, net, X, y, np.random.default_rng(1), 1e-12)
    assert f"({100 * found.explained[0]:.1f} %)" in found.names[0]


def test_given_vectors_and_the_projection_of_a_path(trained):
    net, X, y, path = trained
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(2, net.n_parameters))
    found = landscape.surface(net, X, y, vectors, span=((-0.2, 0.1), (0, 1)), points=4, path=path)
    assert (found.a[0], found.a[-1], found.b[0], found.b[-1]) == (-0.2, 0.1, 0, 1)
    assert_evaluates(found, net, X, y, rng, 1e-12)
    residual = np.array(path.thetas) - net.theta - found.path @ vectors
    np.testing.assert_allclose(residual @ vectors.T, 0, atol=1e-9)


def test_indices_of_a_larger_network(trained):
    net, X, y, path = trained
    found = landscape.surface(net, X, y, (8, 60), span=(-1, 1), points=3, path=path)
    assert found.names == ("W1[0, 8]", "b1[0]")
    theta = net.theta.copy()
    theta[[8, 60]] = 1, -1
    assert found.loss[2, 0] == pytest.approx(moved(net, theta).evaluate(X, y)["loss"], rel=1e-12)
    np.testing.assert_allclose(found.path, np.array(path.thetas)[:, [8, 60]])
    assert found.path_loss[-1] == pytest.approx(net.evaluate(X, y)["loss"], rel=1e-12)


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_every_output_and_loss(output, loss):
    net, X, T = problem(output, loss, m=40)
    found = landscape.surface(net, X, T, points=5, span=(-0.3, 0.3))
    assert_evaluates(found, net, X, T, np.random.default_rng(0), tolerance("float64").one_pass, points=4)


def test_float32_weights_and_many_rows():
    X, y = blobs(3000, 4, 12)
    weight = np.random.default_rng(0).uniform(0, 2, 3000)
    net = fastnn.Network([12, 16, 4], output="softmax", seed=1)
    found = landscape.surface(net, X, y, points=5, sample_weight=weight)
    assert found.loss[2, 2] == pytest.approx(net.evaluate(X, y, weight)["loss"], rel=1e-5)
    assert_evaluates(found, net, X, y, np.random.default_rng(0), 1e-6, sample_weight=weight)
    assert landscape.surface(net, X, y, points=5, num_threads=3).loss.tobytes() == (
        landscape.surface(net, X, y, points=5, num_threads=1).loss.tobytes()
    )


def test_backends_agree(trained):
    net, X, y, _ = trained
    found = {name: landscape.surface(net, X, y, points=5, backend=name).loss for name in fastnn.available_backends()}
    for loss in found.values():
        np.testing.assert_allclose(loss, found["numpy"], rtol=1e-11)


def test_a_surface_changes_neither_network_nor_data(trained):
    net, X, y, path = trained
    before = net.theta.copy(), X.copy(), net.rng.bit_generator.state
    landscape.surface(net, X, y, "pca", path=path, points=4)
    assert net.theta.tobytes() == before[0].tobytes()
    assert X.tobytes() == before[1].tobytes()
    assert net.rng.bit_generator.state == before[2]


def test_interpolation(trained):
    net, X, y, path = trained
    start = moved(net, path.thetas[0])
    found = landscape.interpolate(start, net, X, y, span=(-0.5, 1.5), points=5)
    assert found.t.tolist() == [-0.5, 0, 0.5, 1, 1.5]
    for t, loss in zip(found.t, found.loss, strict=True):
        wanted = moved(net, (1 - t) * start.theta + t * net.theta).evaluate(X, y)["loss"]
        assert loss == pytest.approx(wanted, rel=1e-11)
    ax = found.plot()
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), found.loss)


# ---- limits and bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"directions": "randm"}, "directions must be 'random', 'pca'"),
        ({"directions": "pca"}, "needs path="),
        ({"directions": "pca", "path": fastnn.Checkpoints()}, "path is empty"),
        ({"directions": (0, 0)}, "twice"),
        ({"directions": (0, 10**6)}, r"parameters 0 \.\.\. "),
        ({"directions": (np.ones(3), np.ones(3))}, r"directions\[0\] must have shape"),
        ({"directions": 3}, "directions must be"),
        ({"span": (1, -1)}, "span's high end"),
        ({"span": 3}, "span must be"),
        ({"span": ((1, 2), 3)}, "span must be"),
        ({"points": 1}, "points must be at least 2"),
        ({"points": (3, 4, 5)}, "points must be one number, or two"),
        ({"points": ([1, 0], [0, 1])}, "rising order"),
        ({"time_limit": 0}, "time_limit"),
        ({"points": 3000, "time_limit": 1e-6}, "would take about .* time_limit is 1e-06 s"),
    ],
)
def test_what_cannot_be_made_is_refused(trained, options, message):
    net, X, y, _ = trained
    began = time.perf_counter()
    with pytest.raises(ValueError, match=message):
        landscape.surface(net, X, y, **options)
    assert time.perf_counter() - began < 5


def test_a_path_on_a_line_has_no_two_components(trained):
    net, X, y, path = trained
    with pytest.raises(ValueError, match="lie on a line"):
        landscape.surface(net, X, y, "pca", path=[path.thetas[0], net.theta])
    with pytest.raises(TypeError, match="path must be"):
        landscape.surface(net, X, y, path=3)


def test_a_surface_beyond_the_memory_is_refused_before_it_starts(trained, monkeypatch):
    net, X, y, _ = trained
    monkeypatch.setattr(grid, "physical_memory", lambda: 1 << 20)
    with pytest.raises(MemoryError, match="points takes .* GiB"):
        landscape.surface(net, X, y, points=200)


def test_zero_weights_have_no_random_directions():
    net = fastnn.Network([2, 2, 1], output="sigmoid", init="zeros")
    with pytest.raises(ValueError, match="every weight is zero"):
        landscape.surface(net, [[1.0, 2.0]], [1])


def test_networks_that_differ_are_not_interpolated(trained):
    net, X, y, _ = trained
    other = fastnn.Network([6, 10, 9, 3], activation="sigmoid", output="softmax")
    with pytest.raises(ValueError, match="sizes is"):
        landscape.interpolate(net, other, X, y)
    with pytest.raises(TypeError, match="other must be"):
        landscape.interpolate(net, None, X, y)


def test_progress_counts_rows_times_points(trained, capsys):
    net, X, y, _ = trained
    pytest.importorskip("tqdm")
    landscape.surface(net, X, y, points=4, progress=True)
    assert "surface: 100%" in capsys.readouterr().err


# ---- pictures


@pytest.mark.parametrize("log", [None, True, False])
@pytest.mark.parametrize("kind", ["contour", "relief"])
def test_pictures(trained, kind, log, tmp_path):
    net, X, y, path = trained
    found = landscape.surface(net, X, y, "pca", path=path, points=8)
    ax = getattr(found, kind)(log=log)
    assert ax.get_xlabel() == found.names[0]
    np.testing.assert_array_equal(ax.lines[1].get_data()[0], found.path[:, 0])
    assert getattr(found, kind)(log=log, ax=ax) is ax
    assert fastnn.plot.save(ax, tmp_path / "p.png").stat().st_size > 5000


def test_pictures_of_the_flat_and_of_the_infinite(trained):
    net, X, y, _ = trained
    found = landscape.surface(net, X, y, points=4)
    flat = landscape.Surface(found.a, found.b, np.ones((4, 4)), None, None, None, found.directions, found.names)
    flat.contour()
    holes = found.loss.copy()
    holes[0, 0], holes[1, 1] = np.inf, np.nan
    holed = landscape.Surface(found.a, found.b, holes, None, None, None, found.directions, found.names)
    holed.contour()
    holed.relief()
    nothing = landscape.Surface(found.a, found.b, holes * np.nan, None, None, None, found.directions, found.names)
    with pytest.raises(ValueError, match="no loss of this surface is finite"):
        nothing.contour()
    with pytest.raises(ValueError, match="three dimensions"):
        found.relief(ax=plt.subplots()[1])


@pytest.mark.parametrize("self_contained", [True, False])
def test_the_interactive_page(trained, tmp_path, self_contained):
    pytest.importorskip("plotly")
    net, X, y, path = trained
    found = landscape.surface(net, X, y, "pca", path=path, points=5)
    page = found.html(tmp_path / "s.html", self_contained=self_contained).read_text()
    assert "<html>" in page[:200]
    assert '"type":"surface"' in page
    assert '"type":"scatter3d"' in page
    assert (len(page) > 10**6) == self_contained
    with pytest.raises(ValueError, match=r"must end in \.html"):
        found.html(tmp_path / "s.htm")
