"""fastnn.course equals an independent textbook: single functions to 1e-12, whole trainings to 1e-8 in norm."""

from __future__ import annotations

import course_textbook as book
import numpy as np
import pytest

import fastnn
from fastnn.course import deep, descent, logistic, planar

RNG = np.random.default_rng(5)
X = RNG.standard_normal((6, 40))
Y = (RNG.random((1, 40)) < 0.5).astype(float)
Y3 = np.eye(3)[RNG.integers(3, size=40)].T


def same(found, wanted, tolerance=1e-12):
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape
    assert found.dtype == np.float64 or found.dtype.kind in "bif"
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


def same_dict(found, wanted, tolerance=1e-12):
    assert set(found) == set(wanted)
    for name in wanted:
        same(found[name], wanted[name], tolerance)


def near(found, wanted, tolerance=1e-8):
    """Equal in norm, key by key."""
    assert set(found) == set(wanted)
    for name in wanted:
        assert np.linalg.norm(found[name] - wanted[name]) <= tolerance * max(np.linalg.norm(wanted[name]), 1e-3), name


# ---- logistic


def test_sigmoid_of_any_shape():
    for z in (0.0, [1.0, -2.0], X, np.array([800.0, -800.0])):
        with np.errstate(over="ignore"):
            same(logistic.sigmoid(z), book.sigmoid(np.asarray(z)))


def test_propagate():
    w, b = RNG.standard_normal((6, 1)), 0.3
    grads, cost = logistic.propagate(w, b, X, Y)
    A = book.sigmoid(w.T @ X + b)
    same(cost, book.cost(A, Y))
    same(grads["dw"], X @ (A - Y).T / 40)
    same(grads["db"], np.sum(A - Y) / 40)
    same(logistic.loss(A, Y), -(Y * np.log(A) + (1 - Y) * np.log(1 - A)))
    same(logistic.cost(A, Y), book.cost(A, Y))
    same(logistic.predict(w, b, X), (A > 0.5).astype(float))


def test_the_first_cost_is_log_2():
    w, b = logistic.initialize_with_zeros(6)
    _, cost = logistic.propagate(w, b, X, Y)
    assert round(cost, 3) == 0.693
    same(cost, np.log(2))


@pytest.mark.parametrize("iterations", [1, 2, 150, 400])
def test_optimize(iterations):
    w, b = np.zeros((6, 1)), 0.0
    params, grads, costs = logistic.optimize(w, b, X, Y, iterations, 0.1)
    parameters, wanted = book.train(X, Y, {"W1": w.T, "b1": np.zeros((1, 1))}, 0.1, iterations)
    near({"w": params["w"], "b": params["b"]}, {"w": parameters["W1"].T, "b": parameters["b1"].item()})
    same(costs, wanted[::100], 1e-10)
    before, _ = book.train(X, Y, {"W1": w.T, "b1": np.zeros((1, 1))}, 0.1, iterations - 1)
    A, Z = book.forward(X, before)
    near(grads, {"dw": book.gradients(A, Z, Y, before)["dW1"].T, "db": float(np.sum(A[-1] - Y)) / 40})
    assert not w.any()


def test_model_of_the_notes(capsys):
    made = logistic.model(X[:, :30], Y[:, :30], X[:, 30:], Y[:, 30:], 200, 0.1, True)
    assert set(made) == {"costs", "Y_prediction_test", "Y_prediction_train", "w", "b", "learning_rate",
                         "num_iterations"}  # fmt: skip
    assert made["Y_prediction_test"].shape == (1, 10)
    assert len(made["costs"]) == 2
    told = capsys.readouterr().out
    assert told.splitlines()[0] == "Cost after iteration 0: 0.693147"
    right = 100 * np.mean(made["Y_prediction_test"] == Y[:, 30:])
    assert f"test accuracy: {right:.2f} %" in told


# ---- planar


def test_planar_steps():
    parameters = planar.initialize_parameters(6, 4, 1, seed=2)
    same_dict(parameters, book.random_layers([6, 4, 1], 2, lambda n: 0.01))
    parameters = {name: value + 0.5 for name, value in parameters.items()}
    A2, cache = planar.forward_propagation(X, parameters)
    A, Z = book.forward(X, parameters, "tanh")
    same_dict(cache, {"Z1": Z[1], "A1": A[1], "Z2": Z[2], "A2": A[2]})
    same(A2, A[2])
    same(planar.compute_cost(A2, Y), book.cost(A[2], Y))
    same(planar.compute_cost(A2, Y, parameters), book.cost(A[2], Y))
    grads = planar.backward_propagation(parameters, cache, X, Y)
    wanted = book.gradients(A, Z, Y, parameters, "tanh")
    same_dict(grads, wanted)
    same_dict(
        planar.update_parameters(parameters, grads), {n: v - 1.2 * wanted[f"d{n}"] for n, v in parameters.items()}
    )
    same(planar.predict(parameters, X), A[2] > 0.5)
    assert planar.layer_sizes(X, Y) == (6, 4, 1)


def test_planar_backward_takes_a_foreign_cache():
    parameters = book.random_layers([6, 4, 1], 1, lambda n: 1.0)
    cache = {"A1": RNG.standard_normal((4, 40)), "A2": RNG.standard_normal((1, 40))}
    dZ2 = cache["A2"] - Y
    dZ1 = parameters["W2"].T @ dZ2 * (1 - cache["A1"] ** 2)
    wanted = {"dW2": dZ2 @ cache["A1"].T / 40, "db2": dZ2.sum(1, keepdims=True) / 40, "dW1": dZ1 @ X.T / 40,
              "db1": dZ1.sum(1, keepdims=True) / 40}  # fmt: skip
    same_dict(planar.backward_propagation(parameters, cache, X, Y), wanted)


def test_planar_model(capsys):
    found = planar.nn_model(X, Y, 4, 300, True, seed=3)
    wanted, costs = book.train(X, Y, book.random_layers([6, 4, 1], 3, lambda n: 0.01), 1.2, 300, "tanh")
    near(found, wanted)
    assert capsys.readouterr().out == f"Cost after iteration 0: {costs[0]:.6f}\n"


# ---- deep


@pytest.mark.parametrize("name", ["sigmoid", "relu", "tanh", "leaky_relu", "softmax"])
def test_activations_and_their_backward_steps(name):
    A, cache = getattr(deep, name)(X)
    same(A, book.FORWARD[name](X))
    same(cache, X)
    dA = RNG.standard_normal(X.shape)
    same(getattr(deep, f"{name}_backward")(dA, cache), book.backward(name, dA, X))


def test_initial_values_follow_numpys_generator():
    dims = [5, 4, 3, 1]
    for scale, factor in (
        (0.01, lambda n: 0.01),
        ("fan_in", lambda n: 1 / np.sqrt(n)),
        ("he", lambda n: np.sqrt(2 / n)),
    ):
        wanted = book.random_layers(dims, 3, factor)
        same_dict(deep.initialize_parameters_deep(dims, scale, seed=3), wanted)
        np.random.seed(3)  # noqa: NPY002
        same_dict(deep.initialize_parameters_deep(dims, scale), wanted)
    same_dict(deep.initialize_parameters(5, 4, 3, seed=1), book.random_layers([5, 4, 3], 1, lambda n: 0.01))


def test_a_seed_leaves_the_global_generator_alone():
    np.random.seed(0)  # noqa: NPY002
    wanted = np.random.rand()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    deep.initialize_parameters(5, 4, 3, seed=1)
    assert np.random.rand() == wanted  # noqa: NPY002


@pytest.mark.parametrize("name", ["sigmoid", "relu", "tanh", "leaky_relu", "softmax"])
def test_one_layer(name):
    W, b = RNG.standard_normal((3, 6)), RNG.standard_normal((3, 1))
    Z, cache = deep.linear_forward(X, W, b)
    same(Z, W @ X + b)
    assert [part.shape for part in cache] == [(6, 40), (3, 6), (3, 1)]
    A, (linear, kept) = deep.linear_activation_forward(X, W, b, name)
    same(A, book.FORWARD[name](W @ X + b))
    same(kept, W @ X + b)
    dZ = RNG.standard_normal((3, 40))
    for found, wanted in zip(deep.linear_backward(dZ, cache), (W.T @ dZ, dZ @ X.T / 40, dZ.sum(1, keepdims=True) / 40),
                             strict=True):  # fmt: skip
        same(found, wanted)
    dZ = book.backward(name, dZ, kept)
    given = RNG.standard_normal((3, 40))
    dZ = book.backward(name, given, kept)
    found = deep.linear_activation_backward(given, (linear, kept), name)
    for one, wanted in zip(found, (W.T @ dZ, dZ @ X.T / 40, dZ.sum(1, keepdims=True) / 40), strict=True):
        same(one, wanted)


def test_all_layers():
    parameters = book.random_layers([6, 5, 4, 1], 4, lambda n: 0.7)
    AL, caches = deep.L_model_forward(X, parameters)
    A, Z = book.forward(X, parameters)
    same(AL, A[-1])
    for layer, ((A_prev, W, b), kept) in enumerate(caches, start=1):
        same(A_prev, A[layer - 1])
        same(W, parameters[f"W{layer}"])
        same(b, parameters[f"b{layer}"])
        same(kept, Z[layer])
    same(deep.compute_cost(AL, Y), book.cost(AL, Y))
    grads = deep.L_model_backward(AL, Y, caches)
    same_dict(grads, book.backward_as_in_the_notes(AL, Y, caches))
    direct = book.gradients(A, Z, Y, parameters)
    same_dict({name: grads[name] for name in direct}, direct, 1e-10)
    moved = deep.update_parameters(parameters, grads, 0.3)
    same_dict(moved, {name: value - 0.3 * grads[f"d{name}"] for name, value in parameters.items()})


def test_backward_of_an_AL_that_is_no_probability_and_of_foreign_caches():
    AL = RNG.standard_normal((1, 40)) * 3
    assert (AL < 0).any()
    assert (AL > 1).any()
    caches = [((RNG.standard_normal((6, 40)), RNG.standard_normal((4, 6)), RNG.standard_normal((4, 1))),
               RNG.standard_normal((4, 40))),
              ((RNG.standard_normal((4, 40)), RNG.standard_normal((1, 4)), RNG.standard_normal((1, 1))),
               RNG.standard_normal((1, 40)))]  # fmt: skip
    same_dict(deep.L_model_backward(AL, Y, caches), book.backward_as_in_the_notes(AL, Y, caches))


def test_softmax_output():
    parameters = book.random_layers([6, 5, 3], 4, lambda n: 0.7)
    A, Z = book.forward(X, parameters, output="softmax")
    AL, caches = deep.L_model_forward(X, parameters, output="softmax")
    same(AL, A[-1])
    same(deep.compute_cost(AL, Y3, output="softmax"), -np.sum(Y3 * np.log(AL)) / 40)
    grads = deep.L_model_backward(AL, Y3, caches, output="softmax")
    direct = book.gradients(A, Z, Y3, parameters)
    same_dict({name: grads[name] for name in direct}, direct, 1e-10)
    found, costs = deep.L_layer_model(X, Y3, [6, 5, 3], 0.1, 150, seed=2, output="softmax")
    start = book.random_layers([6, 5, 3], 2, lambda n: 1 / np.sqrt(n))
    wanted, all_costs = book.train(X, Y3, start, 0.1, 150, output="softmax")
    near(found, wanted)
    same(costs, all_costs[::100], 1e-10)


@pytest.mark.parametrize("shape", [(6, 40), (100, 20)], ids=["more examples", "more features"])
def test_whole_models(shape, capsys):
    rng = np.random.default_rng(0)
    X, Y = rng.random(shape), (rng.random((1, shape[1])) < 0.4).astype(float)
    dims = [shape[0], 7, 5, 1]
    found, costs = deep.L_layer_model(X, Y, dims, 0.05, 350, True, seed=1)
    wanted, all_costs = book.train(X, Y, book.random_layers(dims, 1, lambda n: 1 / np.sqrt(n)), 0.05, 350)
    near(found, wanted)
    same(costs, all_costs[::100], 1e-10)
    assert len(capsys.readouterr().out.splitlines()) == 4
    found, costs = deep.two_layer_model(X, Y, (shape[0], 4, 1), 0.0075, 350, seed=1)
    wanted, all_costs = book.train(X, Y, book.random_layers([shape[0], 4, 1], 1, lambda n: 0.01), 0.0075, 350)
    near(found, wanted)
    same(costs, all_costs[::100], 1e-10)
    made = logistic.model(X, Y, X, Y, 350, 0.05)
    wanted, _ = book.train(X, Y, {"W1": np.zeros((1, shape[0])), "b1": np.zeros((1, 1))}, 0.05, 350)
    near({"w": made["w"], "b": made["b"]}, {"w": wanted["W1"].T, "b": wanted["b1"].item()})


def test_predict_prints_the_accuracy(capsys):
    parameters = book.random_layers([6, 3, 1], 4, lambda n: 0.7)
    found = deep.predict(X, Y, parameters)
    A, _ = book.forward(X, parameters)
    same(found, (A[-1] > 0.5).astype(float))
    assert capsys.readouterr().out == f"Accuracy: {float(np.mean(found == Y))}\n"


# ---- the coordinates of the examples' span


@pytest.mark.parametrize("case", ["random", "dependent", "nearly dependent", "zero", "one"])
def test_orthonormal_coordinates(case):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((300, 70))
    if case == "dependent":
        X[:, 40:] = X[:, :30] @ rng.standard_normal((30, 30))
    elif case == "nearly dependent":
        X[:, 1:] = X[:, :1] + 1e-9 * X[:, 1:]
    elif case == "zero":
        X[...] = 0
    elif case == "one":
        X = X[:, :1]
    Q, R = descent.orthonormal(X)
    assert len(Q) == len(R) <= 70
    assert np.linalg.norm(Q @ Q.T - np.eye(len(Q))) < 1e-13
    assert np.linalg.norm(Q.T @ R - X) <= 1e-14 * np.linalg.norm(X)
    if case == "dependent":
        assert len(Q) < 60


def test_coordinates_are_taken_where_they_pay(monkeypatch):
    asked = []
    true = descent.orthonormal
    monkeypatch.setattr(descent, "orthonormal", lambda X: asked.append(X.shape) or true(X))
    rng = np.random.default_rng(0)
    wide, Y = rng.random((60, 10)), np.tile([0.0, 1.0], (1, 5))
    deep.two_layer_model(wide, Y, (60, 3, 1), num_iterations=3)
    assert asked == []
    deep.two_layer_model(wide, Y, (60, 3, 1), num_iterations=100)
    assert asked == [(60, 10)]
    deep.two_layer_model(wide[:15], Y, (15, 3, 1), num_iterations=100)
    assert asked == [(60, 10)]


def test_larger_data_is_read_where_it_is(monkeypatch):
    copied, _ = deep.L_layer_model(X, Y, [6, 4, 1], num_iterations=50, seed=1)
    monkeypatch.setattr(descent, "WORKING_BYTES", 0)
    in_place, _ = deep.L_layer_model(X, Y, [6, 4, 1], num_iterations=50, seed=1)
    same_dict(in_place, copied, 0)


# ---- promises


def test_nothing_given_is_changed_and_any_memory_order_serves():
    parameters = deep.initialize_parameters_deep([6, 4, 1], "he", seed=1)
    kept = {name: value.copy() for name, value in parameters.items()}
    turned = np.asfortranarray(X)
    turned.flags.writeable = False
    AL, caches = deep.L_model_forward(turned, parameters)
    grads = deep.L_model_backward(AL, Y, caches)
    deep.update_parameters(parameters, grads, 0.1)
    same_dict(parameters, kept, 0)
    a, _ = deep.L_layer_model(turned, Y, [6, 4, 1], num_iterations=50, seed=1)
    b, _ = deep.L_layer_model(X[::1], Y, [6, 4, 1], num_iterations=50, seed=1)
    near(a, b, 1e-12)


def test_float32_stays_float32_in_steps():
    W, b = np.ones((2, 6), np.float32), np.zeros((2, 1), np.float32)
    Z, _ = deep.linear_forward(X.astype(np.float32), W, b)
    assert Z.dtype == np.float32
    assert deep.linear_forward(X.astype(np.float32), W, np.zeros((2, 1)))[0].dtype == np.float64


@pytest.mark.parametrize("backend", fastnn.available_backends())
def test_every_backend_trains_the_same(backend):
    wanted, _ = book.train(X, Y, book.random_layers([6, 4, 1], 1, lambda n: 1 / np.sqrt(n)), 0.05, 120)
    with fastnn.use_backend(backend):
        found, _ = deep.L_layer_model(X, Y, [6, 4, 1], 0.05, 120, seed=1)
    near(found, wanted)


def test_no_iteration_returns_the_start():
    found, costs = deep.L_layer_model(X, Y, [6, 4, 1], num_iterations=0, seed=1)
    near(found, book.random_layers([6, 4, 1], 1, lambda n: 1 / np.sqrt(n)), 1e-15)
    assert costs == []


# ---- exact 0 and 1, wrong input


def test_a_probability_of_0_or_1_gives_a_finite_cost():
    AL, Y = np.array([[0.0, 1.0, 0.0, 1.0, 0.25]]), np.array([[1.0, 0.0, 0.0, 1.0, 1.0]])
    wanted = -(np.log(np.nextafter(0, 1)) + np.log(1 - np.nextafter(1, 0)) + np.log(0.25)) / 5
    same(deep.compute_cost(AL, Y), wanted)
    same(planar.compute_cost(AL, Y), wanted)
    same(logistic.cost(AL, Y), wanted)
    caches = [((np.ones((1, 5)), np.ones((1, 1)), np.zeros((1, 1))), np.zeros((1, 5)))]
    grads = deep.L_model_backward(np.array([[0.25, 1.0, 2.0, -1.0, 0.5]]), np.zeros((1, 5)), caches)
    moved = np.array([[0.25, np.nextafter(1, 0), 2.0, -1.0, 0.5]])
    same_dict(grads, book.backward_as_in_the_notes(moved, np.zeros((1, 5)), caches))
    assert AL[0, 0] == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: planar.nn_model(X.T, Y.T, 4), r"examples are in rows.*use X.T and Y.T"),
        (lambda: deep.L_layer_model(X.T, Y, [6, 1]), r"X.T would fit"),
        (lambda: deep.L_layer_model(X, Y.T, [6, 1]), r"Y.T would fit"),
        (lambda: deep.L_layer_model(X, Y, [7, 1]), r"X has 6 rows.*layer 1 takes 7 inputs"),
        (lambda: deep.L_layer_model(X, Y, [6, 3]), r"Y must have shape \(3, 40\)"),
        (lambda: deep.L_model_forward(X.T, deep.initialize_parameters_deep([6, 1])), r"in rows.*use X.T"),
        (lambda: logistic.propagate(np.zeros((6, 1)), 0, X.T, Y), r"in rows.*use X.T"),
        (lambda: logistic.propagate(np.zeros((6, 1)), 0, X, Y.T), r"Y has shape \(40, 1\).*in rows.*use Y.T"),
        (lambda: logistic.propagate(np.zeros((1, 6)), 0, X, Y), r"w.T would fit"),
        (lambda: logistic.propagate(np.zeros((5, 1)), 0, X, Y), r"w of shape \(6, 1\) would fit"),
        (lambda: logistic.propagate(np.zeros((6, 1)), 0, X, Y[0]), r"Y.reshape\(1, -1\)"),
        (lambda: deep.linear_forward(X, np.zeros((3, 5)), np.zeros((3, 1))), r"W of shape \(3, 6\).*would fit"),
        (lambda: deep.linear_forward(X, np.zeros((3, 6)), np.zeros((2, 1))), r"b must have shape \(3, 1\)"),
        (lambda: deep.L_model_forward(X, {"W1": np.zeros((4, 6)), "b1": np.zeros((4, 1)), "W2": np.zeros((1, 5)),
                                          "b2": np.zeros((1, 1))}),
         r"layer 2 takes 5 inputs, W2 \(1, 5\); layer 1 has 4 units.*W2 of shape \(1, 4\) would fit"),
        (lambda: deep.L_model_forward(X, {"W1": np.zeros((4, 6))} | {"W3": np.zeros((1, 4))}), r"no W2, but W3"),
        (lambda: deep.L_model_forward(X, {}), r"must hold W1, b1"),
        (lambda: deep.L_model_forward(X, {"W1": np.zeros((4, 6)), "b1": np.zeros((4, 1)), "W2": np.zeros((1, 4))}),
         r"no b2"),
        (lambda: deep.compute_cost([[1.5]], [[1]]), r"AL\[0, 0\] is 1.5; the cost takes probabilities"),
        (lambda: deep.compute_cost([[np.nan]], [[1]]), r"AL\[0, 0\] is nan"),
        (lambda: deep.L_layer_model(X * np.where(np.arange(40) == 7, np.nan, 1), Y, [6, 1]), r"X\[0, 7\] is nan"),
        (lambda: deep.update_parameters({"W1": [[1.0]]}, {}, 0.1), r"grads has no dW1"),
        (lambda: deep.update_parameters({"W1": [[1.0]]}, {"dW1": [1.0]}, 0.1), r"dW1 must have the shape of W1"),
        (lambda: deep.two_layer_model(X, Y, [6, 3, 2, 1]), r"Use L_layer_model"),
        (lambda: deep.initialize_parameters_deep([6, 1], "large"), r"scale must be"),
        (lambda: deep.initialize_parameters_deep([6]), r"at least two"),
        (lambda: planar.predict(deep.initialize_parameters_deep([6, 3, 2, 1]), X), r"Use fastnn.course.deep"),
        (lambda: deep.linear_activation_forward(X, np.ones((1, 6)), [[0.0]], "sigmod"), r"Did you mean 'sigmoid'"),
    ],
)  # fmt: skip
def test_wrong_input_is_named(call, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        call()


def test_divergence_is_told():
    with pytest.raises(fastnn.DivergenceError, match="iteration [0-9]+: .*smaller learning rate"):
        deep.L_layer_model(X * 1e200, Y, [6, 4, 1], 1e200, 50, seed=1)


# ---- what the notes show


def flower(m=400, seed=1):
    """Return points on the petals r = 4 sin(4 t), each half turn a class of its own."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 2 * np.pi, m) + rng.normal(0, 0.2, m)
    r = 4 * np.sin(4 * t) + rng.normal(0, 0.2, m)
    return np.array([r * np.sin(t), r * np.cos(t)]), (np.arange(m) >= m // 2).astype(float).reshape(1, m)


def test_the_flower_with_four_hidden_units():
    X, Y = flower()
    parameters = planar.nn_model(X, Y, 4, 10000, seed=2)
    assert np.mean(planar.predict(parameters, X) == Y) >= 0.9


def test_xor():
    X, Y = np.array([[0.0, 0, 1, 1], [0, 1, 0, 1]]), np.array([[0, 1, 1, 0]])
    parameters = planar.nn_model(X, Y, 4, 10000, seed=0)
    assert (planar.predict(parameters, X) == Y).all()


# ---- cats, where their pictures are


def test_cats_as_in_the_notes():
    try:
        data = fastnn.datasets.load_catvnoncat(raw=True)
    except (FileNotFoundError, fastnn.MissingDependencyError) as error:
        pytest.skip(str(error))
    X, X_test = (data.X_train / 255.0).T, (data.X_test / 255.0).T
    Y, Y_test = data.y_train.reshape(1, -1), data.y_test.reshape(1, -1)
    made = logistic.model(X, Y, X_test, Y_test, 2000, 0.005)
    found = [100 * np.mean(made["Y_prediction_train"] == Y), 100 * np.mean(made["Y_prediction_test"] == Y_test)]
    for train, dims in ((deep.two_layer_model, (12288, 7, 1)), (deep.L_layer_model, (12288, 20, 7, 5, 1))):
        parameters, _ = train(X, Y, dims, 0.0075, 2500, seed=1)
        for inputs, labels in ((X, Y), (X_test, Y_test)):
            AL, _ = deep.L_model_forward(inputs, parameters)
            found.append(100 * np.mean((AL > 0.5) == labels))
    assert np.round(found, 2).tolist() == [99.04, 70.0, 100.0, 72.0, 98.56, 80.0]
