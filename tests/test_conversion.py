"""Network.from_parameters and to_parameters: the notes' dicts of columns."""

from __future__ import annotations

import course_textbook as book
import numpy as np
import pytest

import fastnn
from fastnn.course import deep, logistic, planar

RNG = np.random.default_rng(5)
X = RNG.standard_normal((6, 40))


@pytest.mark.parametrize("hidden", ["relu", "tanh"])
def test_both_ways(hidden):
    parameters = {name: value + 0.1 for name, value in book.random_layers([6, 5, 4, 1], 1, lambda n: 1.0).items()}
    net = fastnn.Network.from_parameters(parameters, activation=hidden)
    assert net.sizes == (6, 5, 4, 1)
    assert net.dtype == np.float64
    np.testing.assert_allclose(net.predict(X.T).T, book.forward(X, parameters, hidden)[0][-1], rtol=1e-12)
    back = net.to_parameters()
    assert list(back) == ["W1", "b1", "W2", "b2", "W3", "b3"]
    for name, value in parameters.items():
        np.testing.assert_array_equal(back[name], value)
    back["W1"][...] = 0
    assert net.weights[0].any()


def test_what_course_trains_serves_as_a_network():
    Y = (X[:1] * X[1:2] > 0).astype(float)
    parameters, costs = deep.L_layer_model(X, Y, [6, 8, 1], 0.5, 201, seed=1)
    net = fastnn.Network.from_parameters(parameters)
    assert net.evaluate(X.T, Y.T)["loss"] < costs[-1]
    tanh = fastnn.Network.from_parameters(planar.nn_model(X, Y, 4, 100, seed=1), activation="tanh")
    moved = planar.forward_propagation(X, tanh.to_parameters())[0]
    np.testing.assert_allclose(tanh.predict(X.T).T, moved, rtol=1e-12)


def test_logistic_regression():
    params, _, _ = logistic.optimize(np.zeros((6, 1)), 0.0, X, X[:1] > 0)
    net = fastnn.Network.from_parameters(params)
    np.testing.assert_allclose(net.predict(X.T).T, book.sigmoid(params["w"].T @ X + params["b"]), rtol=1e-12)


def test_without_biases_and_in_float32():
    net = fastnn.Network.from_parameters({"W1": np.ones((2, 3), np.float32)}, output="identity")
    assert net.dtype == np.float32
    assert not net.bias
    assert list(net.to_parameters()) == ["W1"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"W1": np.ones((4, 3)), "W2": np.ones((4, 2))}, r"layer 2 takes 2.*W2 of shape \(4, 4\) would fit.*W2.T"),
        ({"W1": np.ones((4, 3)), "b1": np.ones((3, 1))}, r"b1 must have shape \(4, 1\)"),
        ({"W1": np.ones(3)}, r"W1 must be a matrix.*W1.reshape\(1, -1\)"),
        ({"W1": np.ones((4, 3)), "W3": np.ones((4, 2))}, "no W2"),
        ({"V": 1}, "it holds V"),
    ],
)  # fmt: skip
def test_wrong_dicts_are_named(parameters, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        fastnn.Network.from_parameters(parameters)
    with pytest.raises(TypeError, match="must be a dict"):
        fastnn.Network.from_parameters([1, 2])
