"""The network: construction, parameters and their views, outputs, metrics.  Copies: test_network_copies."""

from __future__ import annotations

import numpy as np
import pytest
from kernels_common import assert_close, same_bits, unmodified
from network_common import PAIRS, blobs, problem, tolerance

import fastnn
from fastnn import SGD, Network, engine
from fastnn.initializers import INITIALIZERS
from fastnn.kernels.activations import ALIASES, BY_NAME

# ---- construction


def test_sizes_and_parameters():
    net = Network([784, 16, 16, 10], activation="sigmoid", output="softmax", seed=0)
    assert net.sizes == (784, 16, 16, 10)
    assert net.n_parameters == 784 * 16 + 16 + 16 * 16 + 16 + 16 * 10 + 10 == 13002
    assert net.n_layers == 3
    assert net.theta.shape == (13002,)
    assert net.theta.dtype == np.float32
    assert net.activations == ("sigmoid", "sigmoid")
    assert (net.output, net.loss) == ("softmax", "categorical_cross_entropy")
    assert "784" in repr(net)
    assert "softmax" in repr(net)


@pytest.mark.parametrize("sizes", [(2, 3), np.array([2, 3]), [2.0, np.int8(3)], range(2, 4)])
def test_sizes_in_any_sequence(sizes):
    assert Network(sizes, output="identity", seed=0).sizes == (2, 3)


def test_first_loss_is_the_default():
    firsts = {}
    for output, loss in PAIRS:
        firsts.setdefault(output, loss)
    for output, loss in firsts.items():
        assert Network([2, 3, 2], output=output, seed=0).loss == loss
    assert firsts["softmax"] == "categorical_cross_entropy"
    assert firsts["sigmoid"] == "binary_cross_entropy"
    assert firsts["identity"] == firsts["tanh"] == "squared_error"
    assert firsts["exp"] == "poisson"


def test_aliases():
    for alias, name in ALIASES.items():
        assert Network([2, 3, 1], activation=alias, output="identity", seed=0).activations == (name,)
    assert Network([2, 1], output="linear", loss="mse", seed=0).output == "identity"
    assert Network([2, 1], output="identity", loss="mae", seed=0).loss == "absolute_error"


def test_one_activation_per_hidden_layer():
    net = Network([2, 3, 4, 1], activation=["relu", "swish"], output="identity", seed=0)
    assert net.activations == ("relu", "silu")


def test_loss_parameters():
    assert Network([2, 1], output="identity", loss={"huber": 2.5}, seed=0).loss_parameter == 2.5
    assert Network([2, 1], output="identity", loss="huber", seed=0).loss_parameter == 1.0
    net = Network([1, 1], output="identity", loss={"quantile": 0.9}, init="zeros", dtype="float64")
    assert net.evaluate([[0.0]], [2.0])["loss"] == pytest.approx(1.8)
    assert net.evaluate([[0.0]], [-2.0])["loss"] == pytest.approx(0.2)


@pytest.mark.parametrize("dtype", ["float32", np.float32, ">f4", np.dtype("<f4")])
def test_dtype_in_any_spelling_is_native(dtype):
    net = Network([2, 1], output="identity", dtype=dtype, seed=0)
    assert net.dtype == np.dtype(np.float32)
    assert net.dtype.isnative
    assert net.predict([[1.0, 2.0]]).dtype == np.float32


# ---- seeds and initial weights


def test_seed_draws_layer_by_layer_weights_then_biases():
    net = Network([4, 3, 2], output="identity", init={"normal": 0.5, "bias": 0.25}, dtype="float64", seed=7)
    rng = np.random.default_rng(7)
    expected = [rng.normal(0, s, shape) for s, shape in ((0.5, (4, 3)), (0.25, 3), (0.5, (3, 2)), (0.25, 2))]
    assert same_bits(net.theta, np.concatenate([part.ravel() for part in expected]))


@pytest.mark.parametrize("init", [None, *INITIALIZERS, {"normal": 0.1, "bias": 1.0}, {"uniform": 0.5}])
def test_float32_starts_where_rounded_float64_does(init):
    nets = [Network([5, 4, 3], output="softmax", init=init, dtype=d, seed=3) for d in ("float64", "float32")]
    assert same_bits(nets[0].theta.astype(np.float32), nets[1].theta)
    assert nets[0].rng.bit_generator.state == nets[1].rng.bit_generator.state


def test_default_scales():
    net = Network([400, 300, 200], activation="relu", output="softmax", dtype="float64", seed=0)
    assert net.weights[0].std() == pytest.approx(np.sqrt(2 / 400), rel=0.02)  # He, normal
    bound = np.sqrt(6 / (300 + 200))  # Glorot, uniform
    assert 0.99 * bound < np.abs(net.weights[1]).max() <= bound
    assert not net.biases[0].any()
    assert not net.biases[1].any()


@pytest.mark.parametrize(("name", "variance"), [
    ("he_normal", 2 / 300), ("he_uniform", 2 / 300), ("glorot_normal", 2 / 500), ("glorot_uniform", 2 / 500),
    ("lecun_normal", 1 / 300), ("lecun_uniform", 1 / 300), ("orthogonal", 1 / 300), ("zeros", 0.0),
])  # fmt: skip
def test_named_initialisers_have_their_variance(name, variance):
    W = Network([300, 200], output="identity", init=name, dtype="float64", seed=0).weights[0]
    assert W.var() == pytest.approx(variance, rel=0.03)
    if name == "orthogonal":
        assert np.abs(W.T @ W - np.eye(200)).max() < 1e-12


def test_every_initialiser_is_tested():
    listed = next(m for m in test_named_initialisers_have_their_variance.pytestmark).args[1]
    assert {name for name, _ in listed} == set(INITIALIZERS)


def test_init_of_each_kind():
    def ones(rng, n_in, n_out):
        return np.ones((n_in, n_out), np.int8)

    net = Network([3, 2, 2, 2], output="identity", init=[ones, {"constant": -2}, "zeros"], seed=0)
    assert [float(W.mean()) for W in net.weights] == [1.0, -2.0, 0.0]


def test_fresh_entropy_is_recorded_and_repeats():
    first, second = (Network([3, 2], output="identity") for _ in range(2))
    assert first.seed != second.seed
    assert same_bits(Network([3, 2], output="identity", seed=first.seed).theta, first.theta)


# ---- theta, weights, biases


@pytest.mark.parametrize("bias", [True, False])
def test_layout_of_theta(bias):
    net = Network([3, 4, 2], output="identity", bias=bias, seed=0)
    parts = [a for W, b in zip(net.weights, net.biases, strict=True) for a in (W.ravel(), b)]
    assert same_bits(np.concatenate(parts), net.theta)
    assert [b.size for b in net.biases] == ([4, 2] if bias else [0, 0])
    assert net.n_parameters == 3 * 4 + 4 * 2 + (6 if bias else 0)


def test_weights_are_live_views():
    net = Network([3, 4, 2], output="identity", seed=0)
    assert all(np.shares_memory(a, net.theta) for a in (*net.weights, *net.biases))
    net.theta[...] = 0
    net.weights[1][...] = 5
    net.biases[0][2] = 7
    assert net.theta.sum() == 4 * 2 * 5 + 7
    net.weights[0] = np.ones((3, 4))
    net.biases[1] = [1, 2]
    net.weights[1] += 1
    assert net.theta.sum() == 12 + 3 + 48 + 7
    assert len(net.weights) == 2
    assert [W.shape for W in net.weights[:]] == [(3, 4), (4, 2)]
    assert net.weights[-1].shape == (4, 2)
    assert "(3, 4)" in repr(net.weights)


def test_assigning_theta_copies():
    net = Network([2, 1], output="identity", seed=0)
    before, given = net.theta, np.array([1.0, 2.0, 3.0])
    net.theta = given
    assert net.theta is before
    given[0] = 9
    assert net.theta.tolist() == [1, 2, 3]
    net.theta = np.array([3, 2, 1])[::-1]
    assert net.theta.tolist() == [1, 2, 3]


@pytest.mark.parametrize("bad", [np.zeros(4), np.zeros((3, 1)), [0, np.nan, 0], [0, 1e300, 0], ["a", "b", "c"]])
def test_refused_assignment_changes_nothing(bad):
    net = Network([2, 1], output="identity", seed=0)
    with unmodified(net.theta), pytest.raises((ValueError, TypeError), match="theta"):
        net.theta = bad
    with unmodified(net.theta), pytest.raises((ValueError, TypeError), match=r"biases\[0\]"):
        net.biases[0] = [np.inf]
    with unmodified(net.theta), pytest.raises((ValueError, TypeError), match=r"weights\[0\]"):
        net.weights[0] = np.zeros((2, 2))
    with unmodified(net.theta), pytest.raises(TypeError, match="one layer at a time"):
        net.weights[:] = [np.zeros((2, 1))]
    with pytest.raises(IndexError, match=r"no weights\[5\]: this network has 1 layers"):
        net.weights[5]
    with pytest.raises(IndexError, match=r"biases\[-3\]"):
        net.biases[-3] = [0.0]


def test_a_missing_output_names_the_network():
    with pytest.raises(TypeError, match=r"^Network\(\) missing .* 'output'"):
        Network([4, 3])


# ---- config, from_weights


def test_config_rebuilds():
    net = Network([3, 4, 2], activation="elu", output="identity", loss={"huber": 0.5}, bias=False, dtype="float64",
                  seed=5, input_scale=0.25)  # fmt: skip
    config = net.config()
    assert config == {
        "sizes": [3, 4, 2], "activation": ["elu"], "output": "identity", "loss": {"huber": 0.5}, "bias": False,
        "dtype": "float64", "seed": 5, "input_scale": 0.25, "multilabel": False,
    }  # fmt: skip
    again = Network.from_config(config, net.theta)
    assert again.config() == config
    assert same_bits(again.theta, net.theta)
    assert not np.shares_memory(again.theta, net.theta)


def test_from_weights():
    W, b = [np.arange(6.0).reshape(2, 3), np.ones((3, 1))], [np.zeros(3), np.ones((1, 1))]
    net = Network.from_weights(W, b, activation="identity", output="identity")
    assert net.dtype == np.float64
    assert net.predict([[1.0, 1.0]]).item() == (0 + 3) + (1 + 4) + (2 + 5) + 1
    assert not np.shares_memory(net.theta, W[0])
    single = Network.from_weights([w.astype(np.float32) for w in W], None, activation="identity", output="identity")
    assert single.dtype == np.float32
    assert not single.bias
    assert single.predict([[1.0, 1.0]]).item() == 15
    assert Network.from_weights(W, b, output="identity", dtype="float32").dtype == np.float32


# ---- describe


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_describe_names_everything(output, loss):
    text = Network([3, 4, 2], activation="gelu", output=output, loss=loss, seed=11).describe()
    for word in ("3x4", "4x2", "gelu", output, loss, "seed 11", "16", "10", "26", "Z1 = X W1 + b1", "Z2 = A1 W2"):
        assert word in text


def test_describe_names_the_learning_rule_of_the_last_fit():
    net = Network([2, 3, 1], output="sigmoid", seed=0)
    assert "learning rule: not trained yet" in net.describe()
    net.fit([[0.0, 1.0]], [1], epochs=1, optimizer=SGD(0.25, momentum=0.5))
    assert "learning rule: SGD(learning_rate=0.25, momentum=0.5" in net.describe()
    assert "v <- mu v - lr g;  w <- w + v" in net.describe()
    assert "learning rule: SGD" in net.copy().describe()


def test_describe_without_bias():
    text = Network([3, 2], output="identity", loss={"huber": 0.5}, bias=False, seed=0).describe()
    assert "+ b1" not in text
    assert "parameter 0.5" in text


# ---- outputs


def reference_outputs(net, X):
    """Return every layer's output, by the formulas of the activations and NumPy's products, in float64."""
    A, outputs = np.asarray(X, np.float64) * net.input_scale, []
    for layer, (W, b) in enumerate(zip(net.weights, net.biases, strict=True)):
        Z = A @ W.astype(np.float64) + (b.astype(np.float64) if b.size else 0)
        name = net.activations[layer] if layer < len(net.activations) else net.output
        if name == "softmax":
            A = np.exp(Z - Z.max(axis=1, keepdims=True))
            A /= A.sum(axis=1, keepdims=True)
        else:
            A = np.exp(Z) if name == "exp" else BY_NAME[name].f(Z)
        outputs.append(A)
    return outputs


@pytest.mark.parametrize("output", dict.fromkeys(output for output, _ in PAIRS))
def test_forward_and_predict(backend, dtype, output):
    loss = next(loss for name, loss in PAIRS if name == output)
    net, X, _ = problem(output, loss, ["gelu", "elu"], dtype, (4, 6, 5, 3), input_scale=0.5)
    X = X.astype(dtype)
    expected = reference_outputs(net, X)
    with fastnn.use_backend(backend.name), unmodified(X, net.theta):
        found = net.forward(X)
        predicted = net.predict(X)
    assert [a.shape for a in found] == [(7, 6), (7, 5), (7, 3)]
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == dtype
        assert_close(a, b, tolerance(dtype).one_pass)
    assert_close(predicted, expected[-1], tolerance(dtype).one_pass)
    assert predicted.dtype == dtype


@pytest.mark.parametrize("m", [0, 1, 5, 700])
def test_predict_into_out(backend, dtype, m):
    net, _, _ = problem("softmax", "categorical_cross_entropy", dtype=dtype)
    X = np.random.default_rng(0).normal(size=(m, 4)).astype(dtype)
    expected = net.predict(X, backend=backend.name)
    out = np.full((m, 3), np.nan, dtype)
    assert net.predict(X, out=out, backend=backend.name) is out
    assert same_bits(out, expected)
    spread = np.full((m, 6), np.nan, dtype)[:, ::-2]
    net.predict(X, out=spread, backend=backend.name)
    assert np.array_equal(spread, expected)
    assert expected.shape == (m, 3)
    assert net.classify(X).shape == (m,)
    assert [a.shape for a in net.forward(X)] == [(m, 5), (m, 3)]


@pytest.mark.parametrize("form", ["dense", "sparse", "uint8"])
def test_many_rows_are_many_calls_and_one_answer(backend, monkeypatch, form):
    """Rows go to the kernels in spans, so that Ctrl-C is heard; the answer is that of one call."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, (900, 4)).astype(np.uint8)
    y, weights = rng.integers(0, 3, 900), rng.uniform(0, 1, 900)
    if form == "sparse":
        X = pytest.importorskip("scipy.sparse").csr_array(X.astype(np.float32))
    X = X.astype(np.float32) if form == "dense" else X
    net, _, _ = problem("softmax", "categorical_cross_entropy")
    with fastnn.use_backend(backend.name):
        outputs, result = net.predict(X), net.evaluate(X, y, weights)
        monkeypatch.setattr(engine, "CALL_FLOPS", 1.0)
        assert len(list(engine._spans(net, 900))) == 4
        assert_close(net.predict(X), outputs, 1e-14)
        assert net.evaluate(X, y, weights) == pytest.approx(result, rel=1e-13)
        assert net.evaluate(X, np.eye(3)[y]) == pytest.approx(net.evaluate(X, y), rel=1e-13)


def test_predict_into_its_own_input(backend, dtype):
    net, X, _ = problem("identity", "squared_error", dtype=dtype, sizes=(4, 4), m=300)
    X = X.astype(dtype)
    expected = net.predict(X)
    room = np.zeros((301, 4), dtype)
    room[1:] = X
    net.predict(room[1:], out=room[:-1], backend=backend.name)
    assert_close(room[:-1], expected, tolerance(dtype).one_pass)
    assert same_bits(room[-1], X[-1])  # what out does not cover stays


def test_classify_of_every_kind():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 4))
    net = Network([4, 3], output="softmax", seed=0)
    assert np.array_equal(net.classify(X), net.predict(X).argmax(axis=1))
    one = Network([4, 1], output="sigmoid", seed=0)
    labels = one.classify(X)
    assert np.array_equal(labels, one.predict(X)[:, 0] >= 0.5)
    assert 0 < labels.sum() < 50
    many = Network([4, 3], output="sigmoid", seed=0)
    assert np.array_equal(many.classify(X), many.predict(X).argmax(axis=1))
    assert labels.dtype == net.classify(X).dtype == many.classify(X).dtype == np.int64


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_classify_and_evaluate_take_a_backend(output, backend, monkeypatch):
    X, y = blobs()
    net = Network([5, 3], output=output, seed=0)
    expected = net.classify(X), net.evaluate(X, y)
    monkeypatch.setenv("FASTNN_BACKEND", "none")  # so that only the argument can name one
    assert np.array_equal(net.classify(X, backend=backend.name), expected[0])
    assert net.evaluate(X, y, backend=backend.name) == pytest.approx(expected[1], rel=1e-5)
    with pytest.raises(ValueError, match="unknown backend 'nympy'"):
        net.classify(X, backend="nympy")


def test_sigmoid_outputs_with_labels_and_with_a_matrix():
    X, y = blobs(k=3)
    one_hot = np.eye(3)[y]
    nets = [Network([5, 3], output="sigmoid", seed=0) for _ in range(3)]
    nets[0].fit(X, y, epochs=3)
    nets[1].fit(X, one_hot, epochs=3)
    nets[2].fit(X, one_hot * 0.8 + 0.1, epochs=3)
    assert same_bits(nets[0].theta, nets[1].theta)  # labels are one-hot rows
    assert [net.multilabel for net in nets] == [False, True, True]  # a matrix means so, whatever its values
    assert nets[0].classify(X).shape == (200,)
    assert nets[2].classify(X).shape == (200, 3)
    matrix = nets[1].classify(X)
    assert matrix.shape == (200, 3)
    assert np.array_equal(matrix, nets[1].predict(X) >= 0.5)
    assert nets[1].copy().classify(X).shape == (200, 3)
    right = (matrix == one_hot).all(axis=1).mean()
    assert nets[1].evaluate(X, one_hot)["accuracy"] == pytest.approx(right)
    assert nets[1].evaluate(X, y)["accuracy"] == pytest.approx((nets[0].classify(X) == y).mean())
    assert set(nets[2].evaluate(X, one_hot * 0.8 + 0.1)) == {"loss", "mse", "r2"}
    nets[1].fit(X, y, epochs=1)
    assert nets[1].classify(X).shape == (200,)


# ---- evaluate


@pytest.mark.parametrize("weighted", [False, True])
def test_metrics_are_scikit_learns(weighted):
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    X, y = blobs()
    weights = rng.uniform(0, 2, 200) if weighted else None
    net = Network([5, 3], output="softmax", seed=0, dtype="float64")
    found = net.evaluate(X, y, weights)
    assert set(found) == {"loss", "accuracy"}
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(y, net.classify(X), sample_weight=weights))
    assert found["loss"] == pytest.approx(metrics.log_loss(y, net.predict(X), sample_weight=weights))
    T = rng.normal(size=(200, 2)) * [1, 5]
    net = Network([5, 2], output="identity", seed=0, dtype="float64")
    found, Y = net.evaluate(X, T, weights), net.predict(X)
    assert set(found) == {"loss", "mse", "r2"}
    assert found["mse"] == pytest.approx(metrics.mean_squared_error(T, Y, sample_weight=weights))
    assert found["r2"] == pytest.approx(metrics.r2_score(T, Y, sample_weight=weights))
    assert found["loss"] == pytest.approx(found["mse"])  # half the square, summed over two outputs


def test_metrics_by_hand():
    net = Network.from_weights([[[1.0]]], [[0.0]], output="identity")
    found = net.evaluate([[1.0], [2.0]], [1.0, 4.0])
    assert found == {"loss": 1.0, "mse": 2.0, "r2": pytest.approx(1 - 4 / 4.5)}
    assert net.evaluate([[1.0], [2.0]], [[1.0], [4.0]], [1.0, 0.0])["loss"] == 0.0
    assert net.evaluate([[3.0], [3.0]], [3.0, 3.0])["r2"] == 1.0  # a constant target that is met
    assert net.evaluate([[2.0], [3.0]], [3.0, 3.0])["r2"] == 0.0  # and one that is not


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_loss_is_that_of_loss_grad(backend, output, loss):
    net, X, T = problem(output, loss)
    weights = np.arange(1.0, 8.0)
    with fastnn.use_backend(backend.name):
        found = net.evaluate(X, T, weights)["loss"]
        value, _ = net.loss_grad(X, T, sample_weight=weights)
    assert value == pytest.approx(found, rel=1e-12)
    assert abs(value) > 0.01
