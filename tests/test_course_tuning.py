"""fastnn.course.tuning equals the textbook: regularisation, dropout, gradient checking, mini-batches, optimisers."""

from __future__ import annotations

import course_textbook as book
import numpy as np
import pytest

from fastnn.course import tuning
from fastnn.kernels.dropout import keep

RNG = np.random.default_rng(6)
X = RNG.standard_normal((5, 50))
Y = (RNG.random((1, 50)) < 0.5).astype(float)
DIMS = [5, 6, 4, 1]


def start(seed=3):
    return book.random_layers(DIMS, seed, lambda n: np.sqrt(2 / n))


def same_dict(found, wanted, tolerance=1e-12):
    assert set(found) == set(wanted)
    for name in wanted:
        assert found[name].shape == wanted[name].shape
        np.testing.assert_allclose(found[name], wanted[name], rtol=tolerance, atol=tolerance, err_msg=name)


def near(found, wanted, tolerance=1e-8):
    assert set(found) == set(wanted)
    for name in wanted:
        assert np.linalg.norm(found[name] - wanted[name]) <= tolerance * max(np.linalg.norm(wanted[name]), 1e-3), name


def test_initial_values():
    same_dict(tuning.initialize_parameters_he(DIMS, seed=3), start())
    same_dict(tuning.initialize_parameters_random(DIMS, seed=3), book.random_layers(DIMS, 3, lambda n: 10))
    assert not any(value.any() for value in tuning.initialize_parameters_zeros(DIMS).values())


@pytest.mark.parametrize("lambd", [0.0, 0.7])
def test_l2_forms(lambd):
    parameters = start()
    AL, cache = tuning.forward_propagation(X, parameters)
    A, Z = book.forward(X, parameters)
    for layer in range(1, 4):
        for found, wanted in zip(
            cache[4 * layer - 4 : 4 * layer], (Z[layer], A[layer], parameters[f"W{layer}"], parameters[f"b{layer}"]),
            strict=True,
        ):  # fmt: skip
            np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
    squares = sum(np.sum(parameters[f"W{layer}"] ** 2) for layer in (1, 2, 3))
    wanted = book.cost(AL, Y) + lambd / 100 * squares
    assert tuning.compute_cost_with_regularization(AL, Y, parameters, lambd) == pytest.approx(wanted, rel=1e-12)
    assert tuning.compute_cost(AL, Y) == pytest.approx(book.cost(AL, Y), rel=1e-12)
    grads = tuning.backward_propagation_with_regularization(X, Y, cache, lambd)
    direct = book.gradients(A, Z, Y, parameters, lambd=lambd)
    same_dict({name: grads[name] for name in direct}, direct)
    np.testing.assert_allclose(grads["dZ3"], A[3] - Y, rtol=1e-12, atol=1e-12)
    assert set(grads) == set(direct) | {"dZ1", "dZ2", "dZ3", "dA1", "dA2"}


def test_dropout_forms():
    parameters = start()
    AL, cache = tuning.forward_propagation_with_dropout(X, parameters, 0.7, seed=1)
    random = np.random.RandomState(1)
    masks = [(random.rand(n, 50) < 0.7) / 0.7 for n in DIMS[1:-1]]
    A, Z = book.forward(X, parameters, masks=masks)
    np.testing.assert_allclose(AL, A[-1], rtol=1e-12)
    np.testing.assert_array_equal(cache[1], masks[0] > 0)
    grads = tuning.backward_propagation_with_dropout(X, Y, cache, 0.7)
    direct = book.gradients(A, Z, Y, parameters, masks=masks)
    same_dict({name: grads[name] for name in direct}, direct)
    whole, cache = tuning.forward_propagation_with_dropout(X, parameters, 1.0)
    np.testing.assert_array_equal(whole, tuning.forward_propagation(X, parameters)[0])
    with pytest.raises(ValueError, match="same forward function"):
        tuning.backward_propagation(X, Y, cache)


def test_vectors_and_dictionaries():
    parameters = start()
    theta, keys = tuning.dictionary_to_vector(parameters)
    np.testing.assert_array_equal(theta[:, 0], np.concatenate([value.ravel() for value in parameters.values()]))
    assert keys[:31] == ["W1"] * 30 + ["b1"]
    same_dict(tuning.vector_to_dictionary(theta, parameters), parameters, 0)
    gradients = {f"d{name}": 2 * value for name, value in parameters.items()}
    np.testing.assert_array_equal(tuning.gradients_to_vector(gradients, parameters), 2 * theta)
    with pytest.raises(ValueError, match="theta must have"):
        tuning.vector_to_dictionary(theta[1:], parameters)


def test_gradient_check():
    # Biases of zero would put examples that silence a whole layer exactly on the next layer's kinks.
    parameters = {name: value + 0.1 for name, value in start().items()}
    AL, cache = tuning.forward_propagation(X, parameters)
    gradients = tuning.backward_propagation(X, Y, cache)
    found = tuning.gradient_check_n(parameters, gradients, X, Y)
    theta, _ = tuning.dictionary_to_vector(parameters)
    approximate = []
    for i in range(theta.size):
        values = []
        for sign in (1, -1):
            moved = theta.copy()
            moved[i] += sign * 1e-7
            values.append(book.cost(book.forward(X, tuning.vector_to_dictionary(moved, parameters))[0][-1], Y))
        approximate.append((values[0] - values[1]) / 2e-7)
    d = tuning.gradients_to_vector(gradients, parameters)[:, 0]
    wanted = np.linalg.norm(d - approximate) / (np.linalg.norm(d) + np.linalg.norm(approximate))
    assert found < 1e-7
    assert wanted < 1e-7
    gradients["dW2"] *= 2
    d = tuning.gradients_to_vector(gradients, parameters)[:, 0]
    wanted = np.linalg.norm(d - approximate) / (np.linalg.norm(d) + np.linalg.norm(approximate))
    assert tuning.gradient_check_n(parameters, gradients, X, Y) == pytest.approx(wanted, rel=1e-6)
    assert wanted > 1e-2
    assert tuning.gradient_check(2, 4) < 1e-7


def test_random_mini_batches():
    batches = tuning.random_mini_batches(X, Y, 16, seed=0)
    order = np.random.RandomState(0).permutation(50)
    assert [x.shape for x, _ in batches] == [(5, 16)] * 3 + [(5, 2)]
    np.testing.assert_array_equal(np.hstack([x for x, _ in batches]), X[:, order])
    np.testing.assert_array_equal(np.hstack([y for _, y in batches]), Y[:, order])


def momentum(parameters, grads, v, beta, rate):
    for name in parameters:
        v[f"d{name}"] = beta * v[f"d{name}"] + (1 - beta) * grads[f"d{name}"]
    return {name: value - rate * v[f"d{name}"] for name, value in parameters.items()}


def adam(parameters, grads, v, s, t, rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
    moved = {}
    for name, value in parameters.items():
        g = grads[f"d{name}"]
        v[f"d{name}"] = beta1 * v[f"d{name}"] + (1 - beta1) * g
        s[f"d{name}"] = beta2 * s[f"d{name}"] + (1 - beta2) * g**2
        corrected = s[f"d{name}"] / (1 - beta2**t)
        moved[name] = value - rate * v[f"d{name}"] / (1 - beta1**t) / (np.sqrt(corrected) + epsilon)
    return moved


def test_update_rules():
    parameters = start()
    grads = {f"d{name}": RNG.standard_normal(value.shape) for name, value in parameters.items()}
    v = tuning.initialize_velocity(parameters)
    book_v = {name: value.copy() for name, value in v.items()}
    for _ in range(3):
        wanted = momentum(parameters, grads, book_v, 0.8, 0.1)
        found, v = tuning.update_parameters_with_momentum(parameters, grads, v, 0.8, 0.1)
        same_dict(found, wanted)
        same_dict(v, book_v)
    v, s = tuning.initialize_adam(parameters)
    book_v, book_s = ({name: value.copy() for name, value in v.items()} for _ in range(2))
    for t in (1, 2, 3):
        wanted = adam(parameters, grads, book_v, book_s, t, 0.1, epsilon=1e-2)
        found, v, s = tuning.update_parameters_with_adam(parameters, grads, v, s, t, 0.1, epsilon=1e-2)
        same_dict(found, wanted)
        same_dict(s, book_s)
    gd = tuning.update_parameters_with_gd(parameters, grads, 0.1)
    same_dict(gd, {name: value - 0.1 * grads[f"d{name}"] for name, value in parameters.items()})
    with pytest.raises(ValueError, match="v has no dW1"):
        tuning.update_parameters_with_momentum(parameters, grads, {}, 0.9, 0.1)


def test_learning_rate_decay():
    assert tuning.update_lr(0.5, 3, 2) == 0.5 / 7
    assert tuning.schedule_lr_decay(0.5, 1999, 2, 1000) == 0.5 / 3


@pytest.mark.parametrize("decay", [None, tuning.update_lr])
@pytest.mark.parametrize("size", [None, 16, 64])
@pytest.mark.parametrize("optimizer", ["gd", "momentum", "adam"])
def test_model_with_an_optimizer(optimizer, size, decay):
    rate, epochs = {"gd": 0.05, "momentum": 0.05, "adam": 0.01}[optimizer], 120
    found, costs = tuning.model(
        X, Y, DIMS, optimizer, rate, size, 0.8, num_epochs=epochs, decay=decay, decay_rate=0.1, seed=3
    )
    parameters = start()
    v, s = ({f"d{name}": np.zeros_like(value) for name, value in parameters.items()} for _ in range(2))
    t, now, wanted_costs = 0, rate, []
    for epoch in range(epochs):
        total = 0
        batch = 50 if size is None else size
        order = np.random.RandomState(11 + epoch).permutation(50)
        for pick in (order[at : at + batch] for at in range(0, 50, batch)):
            A, Z = book.forward(X[:, pick], parameters)
            total += book.cost(A[-1], Y[:, pick]) * len(pick)
            grads = book.gradients(A, Z, Y[:, pick], parameters)
            t += 1
            if optimizer == "gd":
                parameters = {name: value - now * grads[f"d{name}"] for name, value in parameters.items()}
            elif optimizer == "momentum":
                parameters = momentum(parameters, grads, v, 0.8, now)
            else:
                parameters = adam(parameters, grads, v, s, t, now)
        wanted_costs.append(total / 50)
        now = rate if decay is None else rate / (1 + 0.1 * epoch)
    near(found, parameters)
    np.testing.assert_allclose(costs, wanted_costs[::100], rtol=1e-9)


def test_model_with_a_penalty(capsys):
    found, costs = tuning.model(X, Y, DIMS, learning_rate=0.1, num_epochs=150, lambd=0.7, seed=3, print_cost=True)
    parameters, wanted = start(), []
    for _ in range(150):
        A, Z = book.forward(X, parameters)
        squares = sum(np.sum(parameters[f"W{layer}"] ** 2) for layer in (1, 2, 3))
        wanted.append(book.cost(A[-1], Y) + 0.7 / 100 * squares)
        grads = book.gradients(A, Z, Y, parameters, lambd=0.7)
        parameters = {name: value - 0.1 * grads[f"d{name}"] for name, value in parameters.items()}
    near(found, parameters)
    np.testing.assert_allclose(costs, wanted[::100], rtol=1e-10)
    assert capsys.readouterr().out == f"Cost after epoch 0: {wanted[0]:.6f}\n"


def test_model_with_dropout():
    found, _ = tuning.model(X, Y, DIMS, learning_rate=0.1, num_epochs=30, keep_prob=0.75, seed=3)
    parameters, key = start(), int(np.random.RandomState(3).randint(2**31))
    for t in range(30):
        masks = [keep(key, t, layer, np.arange(50), DIMS[layer], 0.25, np.float64).T for layer in (1, 2)]
        assert 0.6 < np.mean(masks[0] > 0) < 0.9
        A, Z = book.forward(X, parameters, masks=masks)
        grads = book.gradients(A, Z, Y, parameters, masks=masks)
        parameters = {name: value - 0.1 * grads[f"d{name}"] for name, value in parameters.items()}
    near(found, parameters)


def test_more_features_than_examples_with_momentum():
    """In the coordinates of the examples' span, momentum and mini-batches of all give what the textbook gives."""
    rng = np.random.default_rng(0)
    wide = rng.standard_normal((80, 20))
    found, _ = tuning.model(wide, Y[:, :20], [80, 6, 1], "momentum", 0.05, None, 0.8, num_epochs=200, seed=3)
    parameters = book.random_layers([80, 6, 1], 3, lambda n: np.sqrt(2 / n))
    v = {f"d{name}": np.zeros_like(value) for name, value in parameters.items()}
    for _ in range(200):
        A, Z = book.forward(wide, parameters)
        parameters = momentum(parameters, book.gradients(A, Z, Y[:, :20], parameters), v, 0.8, 0.05)
    near(found, parameters)


def test_many_short_epochs():
    _, costs = tuning.model(X, Y, DIMS, learning_rate=0.1, num_epochs=1500, seed=3)
    assert len(costs) == 15
    assert costs[-1] < costs[0]


def test_zeros_keep_all_hidden_units_equal():
    zeros, _ = tuning.model(X, Y, DIMS, learning_rate=0.5, num_epochs=300, initialization="zeros")
    for name in ("W1", "W2", "b1", "b2"):
        assert (zeros[name] == zeros[name][:1]).all()
    he, _ = tuning.model(X, Y, DIMS, learning_rate=0.5, num_epochs=300, initialization="he", seed=1)
    assert not (he["W1"] == he["W1"][:1]).all()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"optimizer": "sgdd"}, ValueError), ({"beta": 1.0, "optimizer": "momentum"}, ValueError),
        ({"keep_prob": 0.0}, ValueError), ({"lambd": -1.0}, ValueError), ({"initialization": "one"}, ValueError),
        ({"decay": 0.5}, TypeError), ({"mini_batch_size": 0}, ValueError), ({"print_cost": 1}, TypeError),
    ],
)  # fmt: skip
def test_settings_are_checked(change, error):
    with pytest.raises(error):
        tuning.model(X, Y, DIMS, num_epochs=1, **change)
