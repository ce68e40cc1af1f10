"""fit: known minima, reproducibility, what the history says, and every option against a plain equivalent."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from kernels_common import assert_close, same_bits, unmodified
from network_common import PAIRS, blobs, problem, tolerance

import fastnn
from fastnn import Adam, Network
from fastnn.arrays import as_class_weights
from fastnn.kernels.updates import BY_NAME as RULES
from fastnn.optimizers import BY_SHORT_NAME


def make(output="softmax", dtype="float32", sizes=(5, 4, 3), **options):
    return Network(sizes, output=output, dtype=dtype, seed=0, **options)


def fitted(net=None, X=None, y=None, **options):
    """Return a network after a short fit."""
    if X is None:
        X, y = blobs()
    net = net or make()
    net.fit(X, y, **{"epochs": 3, "seed": 1, **options})
    return net


def batches_of(net, X, y, *, epochs=3, batch_size=32, seed=1, shuffle=True):
    """Yield the rows that fit takes, in its order, by its own rule."""
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(X)) if shuffle else np.arange(len(X))
        for start in range(0, len(X), batch_size or len(X)):
            yield order[start : start + (batch_size or len(X))]


# ---- known minima


def test_linear_regression_is_least_squares(backend):
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(60, 3)), rng.normal(size=(60, 2))
    net = make("identity", "float64", (3, 2))
    with fastnn.use_backend(backend.name):
        net.fit(X, T, epochs=800, batch_size=None, optimizer=fastnn.SGD(0.3, momentum=0.5))
    solution = np.linalg.lstsq(np.column_stack([X, np.ones(60)]), T)[0]
    assert_close(net.theta, solution.ravel(), 1e-10)


def test_ridge_is_the_closed_form():
    rng = np.random.default_rng(0)
    X, t, l2 = rng.normal(size=(50, 3)), rng.normal(size=50), 0.7
    net = make("identity", "float64", (3, 1), bias=False)
    net.fit(X, t, epochs=500, batch_size=None, optimizer=fastnn.SGD(0.3, momentum=0.5), l2=l2)
    assert_close(net.theta, np.linalg.solve(X.T @ X / 50 + l2 * np.eye(3), X.T @ t / 50), 1e-10)


def test_logistic_regression_is_newtons():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2))
    y = (X @ [1.0, -2.0] + rng.normal(size=80) > 0).astype(int)
    net = make("sigmoid", "float64", (2, 1))
    net.fit(X, y, epochs=1500, batch_size=None, optimizer=fastnn.SGD(1.0, momentum=0.9))
    design, w = np.column_stack([X, np.ones(80)]), np.zeros(3)
    for _ in range(20):
        p = 1 / (1 + np.exp(-design @ w))
        w -= np.linalg.solve(design.T * (p * (1 - p)) @ design, design.T @ (p - y))
    assert_close(net.theta, w, 1e-8)


@pytest.mark.parametrize(("loss", "value"), [
    ("absolute_error", 3.0), ({"quantile": 0.8}, 7.0), ("squared_error", 4.2), ({"huber": 1e-6}, 3.0),
])  # fmt: skip
def test_a_constant_learns_the_losss_own_centre(loss, value):
    t = np.array([1.0, 2.0, 3.0, 5.0, 10.0] if loss != {"quantile": 0.8} else [1.0, 2.0, 3.0, 7.0, 10.0, 7.0])
    net = make("identity", "float64", (1, 1), loss=loss, init="zeros")
    rate = fastnn.schedules.InverseScaling(1.0, power=0.8)
    if loss == {"huber": 1e-6}:
        rate = fastnn.schedules.InverseScaling(1e6, power=0.8)
    net.fit(np.zeros((len(t), 1)), t, epochs=4000, batch_size=None, optimizer=fastnn.SGD(rate))
    assert net.biases[0][0] == pytest.approx(value, abs=0.02)


def test_every_optimiser_learns(backend):
    X, y = blobs()
    for name in BY_SHORT_NAME:
        net = make()
        with fastnn.use_backend(backend.name):
            history = net.fit(X, y, epochs=30, optimizer=name if "adam" not in name else Adam(0.01))
        assert history.loss[-1] < 0.7 * history.loss[0]
        assert net.evaluate(X, y)["accuracy"] > 0.8


# ---- reproducible, and equal everywhere


def test_same_seed_same_bits_other_seed_others(backend):
    first, again, other = (fitted(seed=s, backend=backend.name, dropout=0.2) for s in (1, 1, 2))
    assert same_bits(first.theta, again.theta)
    assert not np.array_equal(first.theta, other.theta)


def test_no_seed_continues_the_networks_generator():
    X, y = blobs()
    nets = [make() for _ in range(2)]
    for net in nets:
        net.fit(X, y, epochs=1)
        net.fit(X, y, epochs=1)
    once = fitted(seed=None, epochs=1)
    assert same_bits(nets[0].theta, nets[1].theta)
    assert nets[0].rng.bit_generator.state != once.rng.bit_generator.state


@functools.cache
def ten_steps(output, loss, dtype, backend, optimizer):
    net, X, T = problem(output, loss, "tanh", dtype, m=50)
    net.fit(X, T, epochs=2, batch_size=10, seed=3, backend=backend, optimizer=optimizer, l2=0.01, clip_norm=5.0,
            sample_weight=np.linspace(0, 2, 50), dropout=0.1)  # fmt: skip
    return net.theta


@pytest.mark.parametrize(("output", "loss"), [pair for pair in PAIRS if pair[0] in ("softmax", "sigmoid", "identity",
                                                                                  "exp", "gelu")])  # fmt: skip
def test_ten_steps_agree_on_every_backend(backend, dtype, output, loss):
    optimizer = {"softmax": "adam", "sigmoid": "momentum"}.get(output, "adamw")
    found = ten_steps(output, loss, dtype.name, backend.name, optimizer)
    expected = ten_steps(output, loss, dtype.name, "numpy", optimizer)
    start = problem(output, loss, "tanh", dtype)[0].theta
    assert np.linalg.norm(expected - start) > 1e-4 * np.linalg.norm(start)
    assert_close(found, expected, tolerance(dtype).ten_steps)


@pytest.mark.parametrize("optimizer", BY_SHORT_NAME)
def test_fit_is_steps_of_the_gradient_and_the_rule(optimizer):
    X, y = blobs(70)
    net, plain = make(dtype="float64"), make(dtype="float64")
    fitted(net, X, y, optimizer=optimizer, l2=[0.1, 0.2])
    wanted = BY_SHORT_NAME[optimizer]
    record = RULES[wanted.rule]
    s, v = np.zeros(plain.n_parameters), np.zeros(plain.n_parameters)
    for t, rows in enumerate(batches_of(plain, X, y)):
        _, gradient = plain.loss_grad(X[rows], y[rows], l2=[0.1, 0.2])
        hyper = wanted.hyper(t, 1)[0]
        for W in plain.weights:
            W *= 1 - hyper[0] * hyper[1]
        w, s, v = record.rule(plain.theta, gradient, s, v, *record.prepare(hyper, t + 1))
        plain.theta = w
    assert_close(net.theta, plain.theta, 1e-12)


# ---- the history


@pytest.mark.parametrize("weighted", [False, True])
def test_loss_is_the_mean_of_what_was_differentiated(weighted):
    X, y = blobs(70)
    weights = np.linspace(0, 3, 70) if weighted else np.ones(70)
    net, plain = make(dtype="float64"), make(dtype="float64")
    options = {"l2": 0.1, "sample_weight": weights if weighted else None}
    history = net.fit(X, y, epochs=2, seed=1, optimizer=fastnn.SGD(0.1), **options)
    losses, data, totals = [], [], []
    for rows in batches_of(plain, X, y, epochs=2):
        value, gradient = plain.loss_grad(X[rows], y[rows], sample_weight=weights[rows], l2=0.1)
        losses.append(value)
        data.append(plain.loss_grad(X[rows], y[rows], sample_weight=weights[rows])[0])
        totals.append(weights[rows].sum())
        plain.theta = plain.theta - 0.1 * gradient
    for series, found in ((losses, history.loss), (data, history.data_loss)):
        expected = [np.average(series[i : i + 3], weights=totals[i : i + 3]) for i in (0, 3)]
        assert found == pytest.approx(expected, rel=1e-12)
    assert history.epochs == 2
    assert history is net.history
    assert len(history.seconds) == 2
    assert min(history.seconds) > 0
    assert history.stopped_by is None
    assert history.val_loss == []
    assert history.metrics == {}


def test_full_batch_loss_is_evaluates():
    X, y = blobs()
    net = make(dtype="float64")
    before = net.evaluate(X, y)["loss"]
    assert net.fit(X, y, epochs=1, batch_size=None).loss[0] == pytest.approx(before, rel=1e-13)


def test_validation_is_evaluate_after_each_epoch():
    X, y = blobs()
    held, held_y = blobs(60, seed=1)
    weights = np.linspace(0.1, 1, 60)
    seen = []
    net = make()
    history = net.fit(X, y, epochs=3, validation_data=(held, held_y, weights),
                      callbacks=lambda state: seen.append(state.network.evaluate(held, held_y, weights)))  # fmt: skip
    assert history.val_loss == [found["loss"] for found in seen]
    assert history.metrics == {"val_accuracy": [found["accuracy"] for found in seen]}
    assert history.series("val_accuracy") is history.metrics["val_accuracy"]
    assert set(history.as_dict()) == {"loss", "data_loss", "seconds", "val_loss", "val_accuracy"}
    net = make("identity", sizes=(5, 4, 1))
    assert set(net.fit(X, y, epochs=1, validation_data=[held, held_y]).metrics) == {"val_mse", "val_r2"}
    with pytest.raises(ValueError, match="val_accuracy.*there is loss"):
        net.history.series("val_accuracy")


# ---- weights


def test_sample_weights_are_repeated_rows():
    X, y = blobs(40)
    counts = np.random.default_rng(0).integers(0, 4, 40)
    weighted = fitted(make(dtype="float64"), X, y, batch_size=None, sample_weight=counts)
    repeated = fitted(make(dtype="float64"), X.repeat(counts, axis=0), y.repeat(counts), batch_size=None)
    assert_close(weighted.theta, repeated.theta, 1e-12)


def test_class_weight_is_sample_weight_by_label():
    X, y = blobs()
    own = np.linspace(1, 2, 200)
    by_class = fitted(class_weight={0: 2, 2: 0.5}, sample_weight=own)
    by_row = fitted(sample_weight=own * np.array([2, 1, 0.5])[y])
    assert same_bits(by_class.theta, by_row.theta)
    X, y = X[y > 0][:50], y[y > 0][:50]
    y[:10] = 2
    counts = np.bincount(y)
    balanced = fitted(None, X, y, class_weight="balanced")
    by_row = fitted(None, X, y, sample_weight=(50 / (2 * counts.clip(1)))[y])
    assert same_bits(balanced.theta, by_row.theta)
    weights = as_class_weights("balanced", y, np.empty(0), 3, "f8")
    assert weights.sum() == pytest.approx(50)
    assert np.bincount(y, weights)[1:] == pytest.approx([25, 25])
    one = fitted(make("sigmoid", sizes=(5, 1)), X, y == 1, class_weight={1: 3.0})
    by_row = fitted(make("sigmoid", sizes=(5, 1)), X, y == 1, sample_weight=np.where(y == 1, 3.0, 1.0))
    assert same_bits(one.theta, by_row.theta)


# ---- penalties, dropout, clipping, schedules


def test_l2_is_per_layer_and_spares_biases():
    X, y = blobs()
    plain, penalised = fitted(optimizer="sgd", epochs=30), fitted(optimizer="sgd", epochs=30, l2=[0.0, 5.0])
    assert np.abs(penalised.weights[1]).max() < 0.2 * np.abs(plain.weights[1]).max()
    assert np.abs(penalised.weights[0]).max() > 0.2 * np.abs(plain.weights[0]).max()
    assert np.abs(penalised.biases[1]).max() > 0.01
    assert same_bits(fitted(l2=0.1).theta, fitted(l2=[0.1, 0.1]).theta)
    assert same_bits(fitted(l2=0.1).theta, fitted(l2=np.array([0.1, 0.1])).theta)


def test_dropout_drops_and_rescales():
    net = Network([1, 4000, 1], activation="identity", output="identity", bias=False, init={"constant": 1.0},
                  dtype="float64", seed=0)  # fmt: skip
    history = net.fit([[1.0]], [0.0], epochs=1, batch_size=None, dropout=0.25, optimizer=fastnn.SGD(0.0))
    kept = np.sqrt(2 * history.loss[0]) * 0.75  # how many units passed: the loss is (kept / 0.75)^2 / 2
    assert kept == pytest.approx(round(kept), abs=1e-6)
    assert 2900 < kept < 3100
    assert net.predict([[1.0]]).item() == 4000  # none is dropped when asked
    assert not np.array_equal(fitted(dropout=0.5).theta, fitted().theta)
    assert same_bits(fitted(dropout=0.0).theta, fitted(dropout=[0.0]).theta)


def test_clip_norm_bounds_the_step():
    X, y = blobs()
    net = make(dtype="float64")
    start = net.theta.copy()
    fitted(net, X, y, epochs=1, batch_size=None, clip_norm=1e-3, optimizer=fastnn.SGD(1.0))
    assert np.linalg.norm(net.theta - start) == pytest.approx(1e-3)
    assert same_bits(fitted(clip_norm=1e9).theta, fitted().theta)


@pytest.mark.parametrize("schedule", [
    fastnn.schedules.Step(0.1, every=2, factor=0.5), fastnn.schedules.Exponential(0.1, 0.5, unit="epoch"),
    fastnn.schedules.Cosine(0.1), fastnn.schedules.OneCycle(0.1), fastnn.schedules.InverseScaling(0.1),
], ids=lambda s: type(s).__name__)  # fmt: skip
def test_a_schedule_sets_the_rate_of_every_step(backend, schedule):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(8, 1))
    net = Network([1, 1], output="identity", loss="absolute_error", bias=False, init="zeros", dtype="float64")
    thetas = [0.0]
    for batch in range(6):  # the steps of a step-by-step twin: |gradient| is the mean of sign(r - t) x
        rate = schedule.rates(np.array([batch]), 3, 6)[0]
        rows = slice(batch % 3 * 3, batch % 3 * 3 + 3)
        thetas.append(thetas[-1] + rate * X[rows].mean())
    net.fit(X, np.full(8, 100.0), epochs=2, batch_size=3, shuffle=False, optimizer=fastnn.SGD(schedule),
            backend=backend.name)  # fmt: skip
    assert net.theta[0] == pytest.approx(thetas[-1], rel=1e-12)


# ---- batches


@pytest.mark.parametrize(("size", "same"), [(None, 200), (1000, None), (32, np.int64(32)), (10**30, None)])
def test_batch_sizes_that_mean_the_same(size, same):
    assert same_bits(fitted(batch_size=size).theta, fitted(batch_size=same).theta)


@pytest.mark.parametrize("batch_size", [1, 7, 64, 199])
def test_short_last_batch_counts_its_own_rows(batch_size):
    X, y = blobs()
    net, plain = make(dtype="float64"), make(dtype="float64")
    net.fit(X, y, epochs=1, seed=1, batch_size=batch_size, optimizer=fastnn.SGD(0.1))
    for rows in batches_of(plain, X, y, epochs=1, batch_size=batch_size):
        plain.theta = plain.theta - 0.1 * plain.loss_grad(X[rows], y[rows])[1]
    assert_close(net.theta, plain.theta, 1e-12)


def test_without_shuffling_rows_come_in_order():
    X, y = blobs(70)
    net, plain = make(dtype="float64"), make(dtype="float64")
    net.fit(X, y, epochs=2, shuffle=False, optimizer=fastnn.SGD(0.1))
    for rows in batches_of(plain, X, y, epochs=2, shuffle=False):
        plain.theta = plain.theta - 0.1 * plain.loss_grad(X[rows], y[rows])[1]
    assert_close(net.theta, plain.theta, 1e-12)


def test_no_epochs_change_nothing():
    net = make()
    X, y = blobs()
    with unmodified(net.theta):
        history = net.fit(X, y, epochs=0, callbacks=[fastnn.EarlyStopping(1, monitor="loss"), fastnn.TimeLimit(1)])
    assert history.epochs == 0
    assert history.loss == []


# ---- going on


@pytest.mark.parametrize("optimizer", BY_SHORT_NAME)
def test_resume_equals_one_long_fit(optimizer):
    X, y = blobs()
    long, parts = make(), make()
    long.fit(X, y, epochs=4, optimizer=optimizer)
    parts.fit(X, y, epochs=1, optimizer=optimizer)
    parts.fit(X, y, epochs=3, optimizer=optimizer, resume=True)
    assert same_bits(long.theta, parts.theta)
    assert parts.history.epochs == 3


def test_a_state_passed_on_equals_one_long_fit():
    X, y = blobs()
    long, parts = make(), make()
    long.fit(X, y, epochs=4, optimizer="adam")
    trainer = parts.trainer("adam")
    for epochs in (1, 3):
        parts.fit(X, y, epochs=epochs, optimizer=trainer.optimizer)
    assert same_bits(long.theta, parts.theta)
    assert trainer.optimizer.steps == 4 * 7
    fresh = make()
    fresh.fit(X, y, epochs=1)
    fresh.fit(X, y, epochs=3)
    assert not np.array_equal(fresh.theta, long.theta)  # each fit by name starts a fresh optimiser


def test_resume_takes_new_settings_of_the_same_rule():
    X, y = blobs()
    net = make()
    net.fit(X, y, epochs=1, optimizer=Adam(0.1), resume=True)  # nothing to resume yet: fresh
    theta = net.theta.copy()
    net.fit(X, y, epochs=1, optimizer=Adam(0.0), resume=True)
    assert same_bits(net.theta, theta)
    with unmodified(net.theta), pytest.raises(ValueError, match="cannot become SGD"):
        net.fit(X, y, optimizer="sgd", resume=True)


# ---- refused


@pytest.mark.parametrize("name", ["shuffle", "resume"])
def test_flags_are_true_or_false(name):
    net, (X, y) = make(), blobs()
    with unmodified(net.theta), pytest.raises(TypeError, match=f"{name} must be True or False, got 'no'"):
        net.fit(X, y, **{name: "no"})
    assert same_bits(fitted(**{name: np.bool_(False)}).theta, fitted(**{name: False}).theta)


def test_a_read_only_theta_is_not_trained():
    net, (X, y) = make(), blobs()
    trainer = net.trainer("sgd")
    net.theta.flags.writeable = False
    for train in (lambda: net.fit(X, y), lambda: trainer.step(X, y), lambda: trainer.apply_gradient(net.theta)):
        with unmodified(net.theta), pytest.raises(ValueError, match=r"net.theta is read-only.*net.theta.flags"):
            train()
    assert net.predict(X).shape == (200, 3)
    net.copy().fit(X, y, epochs=1)
    net.theta.flags.writeable = True
    net.fit(X, y, epochs=1)
