"""Each addition to scikit-learn's estimators has an effect, and the right one."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pytest
from estimators_common import OURS, TASKS, quiet_fit, sparse, standardised
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.class_weight import compute_sample_weight

import fastnn
from fastnn import MLPRegressor, schedules

X = standardised()


def net(task="binary", **parameters):
    usual = {"hidden_layer_sizes": (6,), "max_iter": 8, "random_state": 0, "learning_rate_init": 0.02}
    return OURS[TASKS[task].kind](**{**usual, **TASKS[task].extra, **parameters})


def fit(task="binary", *, fit_parameters=None, **parameters):
    return quiet_fit(net(task, **parameters), X, TASKS[task].y, **(fit_parameters or {}))


def same(a, b):
    return all(np.array_equal(p, q) for p, q in zip(a.coefs_, b.coefs_, strict=True))


# ---- class_weight


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("given", ["balanced", {"yes": 5.0}])
def test_class_weight_is_sample_weight(solver, given):
    y = TASKS["binary"].y
    by_rows = fit(solver=solver, fit_parameters={"sample_weight": compute_sample_weight(given, y)})
    assert same(fit(solver=solver, class_weight=given), by_rows)
    assert not same(fit(solver=solver), by_rows)


def test_class_weight_multiplies_sample_weight_and_moves_the_decision():
    y = np.where(X[:, 0] > 1.0, 1, 0)  # few ones
    weights = np.linspace(1, 2, len(y))
    a = quiet_fit(net(class_weight={1: 3.0}), X, y, sample_weight=weights)
    b = quiet_fit(net(), X, y, sample_weight=np.where(y == 1, 3.0, 1.0) * weights)
    assert same(a, b)
    noise = X + 1.5 * np.random.RandomState(0).standard_normal(X.shape)
    plain, balanced = (quiet_fit(net(max_iter=60, class_weight=w), noise, y) for w in (None, "balanced"))
    assert (balanced.predict(noise) == 1).sum() > (plain.predict(noise) == 1).sum()


def test_balanced_is_refused_for_partial_fit():
    with pytest.raises(ValueError, match="not supported for partial_fit"):
        net(class_weight="balanced").partial_fit(X, TASKS["binary"].y, classes=["no", "yes"])
    weighted = net(class_weight={"yes": 9.0}).partial_fit(X, TASKS["binary"].y, classes=["no", "yes"])
    assert not same(weighted, net().partial_fit(X, TASKS["binary"].y, classes=["no", "yes"]))


# ---- dropout


def test_dropout_drops_its_share_while_training_only():
    est = fit("one output", dropout=0.5)
    again = fit("one output", dropout=0.5)
    assert same(est, again)
    assert not same(est, fit("one output"))
    np.testing.assert_array_equal(est.predict(X), est.predict(X))
    np.testing.assert_allclose(est.predict(X), est.network_.predict(X)[:, 0])


def test_dropout_has_the_mean_and_variance_of_its_rate():
    """At rest, the training losses average (error^2 + rate / (1 - rate) sum_i (h_i v_i)^2) / 2."""
    rate, y = 0.4, TASKS["one output"].y
    est = fit("one output", solver="sgd", learning_rate_init=1e-12, alpha=0.0, dropout=rate, max_iter=3000, tol=0,
              n_iter_no_change=10**6)  # fmt: skip
    hidden, _ = est.network_.forward(X)
    error = est.predict(X) - y
    spread = rate / (1 - rate) * np.square(hidden * est.coefs_[1][:, 0]).sum(axis=1)
    assert np.mean(est.loss_curve_) == pytest.approx(np.mean(np.square(error) + spread) / 2, rel=0.01)
    assert spread.mean() > 0.05 * np.square(error).mean()


def test_dropout_per_layer():
    rates = fit(hidden_layer_sizes=(6, 5), dropout=[0.0, 0.4])
    assert not same(rates, fit(hidden_layer_sizes=(6, 5)))
    assert not same(rates, fit(hidden_layer_sizes=(6, 5), dropout=0.4))
    assert same(fit(hidden_layer_sizes=(6, 5), dropout=[0.0, 0.0]), fit(hidden_layer_sizes=(6, 5)))
    with pytest.raises(ValueError, match="one per hidden layer \\(2\\)"):
        fit(hidden_layer_sizes=(6, 5), dropout=[0.1])


# ---- activations


@pytest.mark.parametrize("name", ["leaky_relu", "elu", "softplus", "silu", "gelu", "swish", "sigmoid", "linear"])
def test_additional_activations(name):
    est = fit("one output", activation=name)
    net = fastnn.Network.from_weights(est.coefs_, est.intercepts_, output="identity", activation=name)
    np.testing.assert_allclose(est.predict(X), net.predict(X)[:, 0], rtol=1e-12)
    assert est.loss_curve_[-1] < est.loss_curve_[0]


def test_sigmoid_is_logistic_and_linear_is_identity():
    assert same(fit(activation="sigmoid"), fit(activation="logistic"))
    assert same(fit(activation="linear"), fit(activation="identity"))


def test_one_activation_per_hidden_layer():
    est = fit("one output", hidden_layer_sizes=(5, 4), activation=["tanh", "gelu"])
    net = fastnn.Network.from_weights(est.coefs_, est.intercepts_, output="identity", activation=["tanh", "gelu"])
    np.testing.assert_allclose(est.predict(X), net.predict(X)[:, 0], rtol=1e-12)
    assert est.network_.activations == ("tanh", "gelu")
    one = {"hidden_layer_sizes": (5, 4)}
    assert same(fit(activation=["tanh", "tanh"], **one), fit(activation="tanh", **one))
    with pytest.raises(ValueError, match="one per hidden layer \\(2\\)"):
        fit(activation=["tanh"], **one)


# ---- solvers, schedules, clipping: against a Network's own fit with the same start, order and penalty

OPTIMIZERS = {
    "adamw": (fastnn.AdamW(0.02, epsilon=1e-12, weight_decay=0.3), {"weight_decay": 0.3, "epsilon": 1e-12}),
    "rmsprop": (fastnn.RMSprop(0.02, rho=0.8), {"rho": 0.8}),
}


def by_network(est, y, optimizer, **parameters):
    """Train a Network from the same initial weights on the whole batch."""
    start = net_before(est, y)
    start.fit(X, y, epochs=8, batch_size=None, shuffle=False, optimizer=optimizer, **parameters)
    return start


def net_before(est, y):
    from sklearn.base import clone

    first = clone(est).set_params(learning_rate_init=1e-300, max_iter=1, solver="sgd", learning_rate="constant")
    return quiet_fit(first, X, y).network_.copy()


@pytest.mark.parametrize("solver", OPTIMIZERS)
def test_solvers(solver):
    optimizer, parameters = OPTIMIZERS[solver]
    est = fit("one output", solver=solver, shuffle=False, batch_size=90, alpha=0.0, **parameters)
    expected = by_network(est, TASKS["one output"].y, optimizer)
    np.testing.assert_allclose(est.network_.theta, expected.theta, rtol=1e-6)  # a Network adds epsilon elsewhere
    assert not np.allclose(est.network_.theta, fit("one output", solver="adam").network_.theta)


def test_a_schedule_sets_the_rate_of_every_step():
    schedule = schedules.Exponential(0.05, factor=0.7)
    est = fit("one output", solver="sgd", momentum=0, learning_rate=schedule, shuffle=False, batch_size=90, alpha=0.0)
    expected = by_network(est, TASKS["one output"].y, fastnn.SGD(schedule))
    np.testing.assert_allclose(est.network_.theta, expected.theta, rtol=1e-9)
    assert est._optimizer.learning_rate == pytest.approx(0.05 * 0.7**7)


@pytest.mark.parametrize("schedule", [schedules.Cosine(0.05), schedules.OneCycle(0.05), schedules.Step(0.05, every=3)])
def test_schedules_for_adam(schedule):
    scheduled = fit("one output", learning_rate=schedule)
    assert not same(scheduled, fit("one output", learning_rate_init=0.05))
    assert same(scheduled, fit("one output", learning_rate=schedule, learning_rate_init=0.5))
    assert scheduled.loss_curve_[-1] < scheduled.loss_curve_[0]


def test_clip_norm_bounds_the_step():
    limit, rate = 1e-3, 0.1
    plain = {"solver": "sgd", "momentum": 0, "batch_size": 90, "max_iter": 1}
    est = fit("one output", clip_norm=limit, learning_rate_init=rate, **plain)
    start = net_before(est, TASKS["one output"].y)
    step = np.linalg.norm(est.network_.theta - start.theta)
    assert step == pytest.approx(limit * rate, rel=1e-6)
    assert same(fit("one output", clip_norm=1e9), fit("one output"))


# ---- losses


def test_quantile_estimates_the_quantile():
    rng = np.random.RandomState(0)
    inputs = np.zeros((2000, 1))
    y = rng.standard_normal(2000)
    for q in (0.1, 0.5, 0.9):
        est = MLPRegressor("quantile", (2,), quantile=q, max_iter=200, learning_rate_init=0.02, alpha=0, random_state=0)
        quiet_fit(est, inputs, y)
        assert est.predict(inputs[:1])[0] == pytest.approx(np.quantile(y, q), abs=0.06)


def test_absolute_error_estimates_the_median_and_huber_lies_between():
    y = np.concatenate([np.zeros(60), np.full(40, 10.0)])
    inputs = np.zeros((100, 1))
    found = {}
    for loss, extra in (("squared_error", {}), ("huber", {"huber_delta": 1.0}), ("absolute_error", {})):
        est = MLPRegressor(loss, (2,), learning_rate=schedules.Cosine(0.05), max_iter=400, tol=0, alpha=0,
                           n_iter_no_change=1000, random_state=0, **extra)  # fmt: skip
        found[loss] = quiet_fit(est, inputs, y).predict(inputs[:1])[0]
    assert found["squared_error"] == pytest.approx(4.0, abs=0.05)
    assert found["absolute_error"] == pytest.approx(0.0, abs=0.05)
    assert found["huber"] == pytest.approx(2 / 3, abs=0.05)  # 60 m = 40: where both pulls are equal


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "quantile"])
def test_printed_loss_is_the_loss(loss):
    est = fit("several outputs", loss=loss, solver="lbfgs", alpha=0.3, huber_delta=0.5, quantile=0.3, max_iter=30)
    e = TASKS["several outputs"].y - est.predict(X)
    elements = {
        "absolute_error": np.abs(e),
        "huber": np.where(np.abs(e) <= 0.5, e**2 / 2, 0.5 * (np.abs(e) - 0.25)),
        "quantile": np.maximum(0.3 * e, -0.7 * e),
    }[loss]
    penalty = 0.3 / 2 * sum(np.square(W).sum() for W in est.coefs_) / len(X)
    assert est.loss_ == pytest.approx(elements.sum(axis=1).mean() + penalty, rel=1e-9)


# ---- validation data, monitor, callbacks


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "one output", "several outputs", "poisson"])
def test_validation_data_is_scored_and_not_trained_on(task):
    y = TASKS[task].y
    est = fit(task, fit_parameters={"validation_data": (X[:30], y[:30])})
    assert same(est, fit(task))
    assert len(est.validation_scores_) == len(est.validation_loss_curve_) == est.n_iter_
    assert est.validation_scores_[-1] == pytest.approx(est.score(X[:30], y[:30]))
    if task != "several outputs":  # the printed loss of which is the mean over outputs
        encoded = est._encoded(np.asarray(y[:30]), float)
        encoded = encoded[:, 0].astype(int) if task == "multiclass" else encoded
        expected = est.network_.evaluate(X[:30], encoded)["loss"]
        expected += float(np.mean([v * np.log(v) - v if v else 0.0 for v in y[:30]])) if task == "poisson" else 0.0
        assert est.validation_loss_curve_[-1] == pytest.approx(expected)


def test_validation_data_takes_the_place_of_a_split():
    y, weights = TASKS["one output"].y, np.linspace(0, 1, 30)
    given = (X[:30], y[:30], weights)
    est = fit("one output", early_stopping=True, fit_parameters={"validation_data": given}, max_iter=40)
    assert max(est.validation_scores_) == est.best_validation_score_ == pytest.approx(est.score(*given))
    assert est.loss_curve_[0] == fit("one output").loss_curve_[0]  # all rows were trained on
    with pytest.raises(ValueError, match="validation_data must be"):
        fit("one output", fit_parameters={"validation_data": X})
    with pytest.raises(ValueError, match="classes that fit has not seen"):
        fit(fit_parameters={"validation_data": (X[:2], ["yes", "perhaps"])})
    with pytest.raises(ValueError, match="needs a stochastic solver"):
        fit("one output", solver="lbfgs", fit_parameters={"validation_data": given})


def test_stopping_on_loss_keeps_the_weights_of_the_lowest_loss():
    y, given = TASKS["one output"].y, (X[:30], TASKS["one output"].y[:30])
    rng = np.random.RandomState(0)
    est = net("one output", early_stopping=True, monitor="loss", max_iter=300, learning_rate_init=0.05, tol=0,
              hidden_layer_sizes=(60,), n_iter_no_change=5)  # fmt: skip
    est.fit(X[30:], y[30:] + rng.standard_normal(60), validation_data=given)
    assert est.n_iter_ < 300
    assert est.best_validation_loss_ == min(est.validation_loss_curve_)
    mean = np.square(est.predict(given[0]) - given[1]).mean() / 2
    assert mean == pytest.approx(est.best_validation_loss_)
    assert len(est.validation_loss_curve_) - 1 - np.argmin(est.validation_loss_curve_) == 6


def test_stopping_on_loss_differs_from_stopping_on_score():
    parameters = {"early_stopping": True, "max_iter": 200, "learning_rate_init": 0.1, "n_iter_no_change": 3}
    epochs = {monitor: fit("multiclass", monitor=monitor, **parameters).n_iter_ for monitor in ("score", "loss")}
    assert epochs["score"] != epochs["loss"]


def test_validation_loss_of_a_split():
    est = fit("multiclass", early_stopping=True)
    assert len(est.validation_loss_curve_) == est.n_iter_
    assert est.validation_loss_curve_[-1] < est.validation_loss_curve_[0]
    assert fit("multiclass").validation_loss_curve_ is None


def test_callbacks_see_the_fit_and_stop_it():
    seen = []

    def third(state):
        seen.append((state.epoch, state.history.loss[-1], state.network.theta.copy()))
        return state.epoch == 3

    est = fit(fit_parameters={"callbacks": [third]})
    assert est.n_iter_ == 3
    assert [loss for _, loss, _ in seen] == est.loss_curve_
    np.testing.assert_array_equal(seen[-1][2], est.network_.theta)
    snapshots = fastnn.Checkpoints()
    fit(fit_parameters={"callbacks": snapshots})
    assert len(snapshots.thetas) == 9
    stopper = fastnn.EarlyStopping(2, monitor="val_accuracy")
    y = TASKS["binary"].y
    est = fit(max_iter=200, fit_parameters={"callbacks": [stopper], "validation_data": (X[:20], y[:20])})
    assert est.n_iter_ < 200
    assert est.score(X[:20], y[:20]) == pytest.approx(stopper.best)


def test_callbacks_of_lbfgs():
    losses = []
    est = net("one output", solver="lbfgs", max_iter=50)

    def fourth(state):
        losses.append(state.history.loss[-1])
        return state.epoch == 4

    est.fit(X, TASKS["one output"].y, callbacks=[fourth])
    assert len(losses) == est.n_iter_ == 4
    assert losses == sorted(losses, reverse=True)
    assert est.loss_ == pytest.approx(losses[-1])


# ---- resume, time limit, progress, threads, input gradient


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_resume_goes_on_as_if_never_stopped(solver):
    y = TASKS["multiclass"].y
    parameters = {"solver": solver, "shuffle": False, "learning_rate_init": 0.05}
    whole = fit("multiclass", max_iter=6, **parameters)
    half = fit("multiclass", max_iter=3, resume=True, **parameters)
    quiet_fit(half, X, y)
    assert same(whole, half)
    warm = fit("multiclass", max_iter=3, warm_start=True, **parameters)
    quiet_fit(warm, X, y)
    assert not same(whole, warm)
    assert half.loss_curve_ == whole.loss_curve_


def test_time_limit_stops_and_says_so():
    rows = np.random.RandomState(0).standard_normal((4000, 50))
    est = MLPRegressor(hidden_layer_sizes=(100,), time_limit=0.2, max_iter=10**6, tol=0, n_iter_no_change=10**6)
    began = time.perf_counter()
    with pytest.warns(ConvergenceWarning, match="time_limit=0.2 s reached in iteration"):
        est.fit(rows, rows[:, 0])
    assert 0.2 <= time.perf_counter() - began < 5
    assert len(est.loss_curve_) == est.n_iter_ > 0


def test_verbose_bar_shows_progress(capsys):
    fit(verbose="bar")
    shown = capsys.readouterr()
    assert "8/8" in shown.err
    assert "Iteration" not in shown.out


def test_num_threads_does_not_change_the_bits():
    rows = np.random.RandomState(0).standard_normal((300, 40))
    ests = [MLPRegressor(hidden_layer_sizes=(64,), max_iter=3, random_state=0, num_threads=n) for n in (1, 3, None)]
    fits = [quiet_fit(est, rows, rows[:, 0]) for est in ests]
    if fastnn.get_backend() == "cython":
        assert same(fits[0], fits[1])
        assert same(fits[0], fits[2])
    for est in fits:
        np.testing.assert_allclose(est.coefs_[0], fits[0].coefs_[0], rtol=1e-9)


@pytest.mark.parametrize("task", ["binary", "multiclass", "several outputs", "poisson"])
def test_input_gradient_against_a_central_difference(task):
    est = fit(task, activation="tanh", max_iter=3)
    outputs = (lambda rows: est.predict_proba(rows)[:, -1]) if task == "binary" else (
        (lambda rows: est.predict_proba(rows)[:, 1]) if task == "multiclass" else
        lambda rows: est.predict(rows).reshape(len(rows), -1)[:, -1])  # fmt: skip
    index = {"binary": 0, "multiclass": 1, "several outputs": 2, "poisson": 0}[task]
    found = est.input_gradient(X[:5], index)
    for j in range(X.shape[1]):
        step = np.eye(X.shape[1])[j] * 1e-5
        expected = (outputs(X[:5] + step) - outputs(X[:5] - step)) / 2e-5
        np.testing.assert_allclose(found[:, j], expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(est.input_gradient(sparse(X)[:5]), est.input_gradient(sparse(X)[:5].toarray()))


def test_additions_that_lbfgs_has_not_are_refused():
    for parameters in ({"dropout": 0.1}, {"clip_norm": 1.0}):
        with pytest.raises(ValueError, match="needs a stochastic solver"):
            fit(solver="lbfgs", **parameters)


def test_wrong_additions_are_told():
    for parameters in ({"activation": "tan"}, {"solver": "adan"}, {"monitor": "r2"}, {"clip_norm": 0},
                       {"verbose": "no"}, {"num_threads": 0}, {"dropout": 1.0}, {"class_weight": "even"},
                       {"time_limit": -1}):  # fmt: skip
        with pytest.raises(ValueError, match=next(iter(parameters))):
            fit(**parameters)
    with pytest.raises(TypeError, match="callbacks must be"):
        fit(fit_parameters={"callbacks": 3})


def test_additions_do_nothing_unless_asked():
    """With the defaults, the parity tests hold; here, that no default adds a warning either."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        net().fit(X, TASKS["binary"].y)
