"""The same data, parameters and random_state give the same network in scikit-learn and in fastnn."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from estimators_common import (
    OURS,
    TASKS,
    THEIRS,
    TOLERANCE,
    assert_close,
    assert_same_fit,
    both,
    near_a_threshold,
    quiet_fit,
    sample_weights,
    sparse,
    standardised,
)

ACTIVATIONS = ("identity", "logistic", "tanh", "relu")
SOLVERS = {
    "plain": {"solver": "sgd", "momentum": 0.0},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd"},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.3},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "n_iter_no_change": 1, "tol": 0.05},
    "adam": {"solver": "adam"},
}
COMMON = {"hidden_layer_sizes": (6, 5), "max_iter": 10, "batch_size": 25, "learning_rate_init": 0.02, "alpha": 0.05}
WAYS = list(itertools.product((False, True), (False, True), (False, True)))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_stochastic_solvers(solver, activation, task):
    """Dense and sparse, with and without sample weights, with and without early stopping."""
    for is_sparse, weighted, early in WAYS:
        X = sparse(standardised()) if is_sparse else standardised()
        parameters = {**COMMON, **SOLVERS[solver], "activation": activation, "early_stopping": early}
        weights = sample_weights() if weighted else None
        theirs, ours = both(TASKS[task], X, weights, **parameters)
        assert np.abs(theirs.loss_curve_[0]) > 0
        assert_same_fit(theirs, ours)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_lbfgs(activation, task):
    for is_sparse, weighted in itertools.product((False, True), (False, True)):
        X = sparse(standardised()) if is_sparse else standardised()
        weights = sample_weights() if weighted else None
        theirs, ours = both(
            TASKS[task], X, weights, hidden_layer_sizes=(6,), solver="lbfgs", activation=activation, alpha=1.0,
            max_iter=80,
        )  # fmt: skip
        if task == "several outputs":  # scikit-learn gives SciPy another loss than the gradient's: ours goes as low
            assert differentiated(ours, X, weights) <= differentiated(theirs, X, weights) * 1.02
        else:
            assert abs(ours.loss_ - theirs.loss_) <= TOLERANCE.lbfgs_loss * abs(theirs.loss_)


def differentiated(est, X, weights):
    """Return the loss of several outputs whose gradient both libraries compute: the sum over outputs."""
    w = np.ones(X.shape[0]) if weights is None else weights
    squares = np.square(est.predict(X) - TASKS["several outputs"].y).sum(axis=1)
    penalty = est.alpha * sum(np.square(W).sum() for W in est.coefs_)
    return (w @ squares + penalty) / 2 / w.sum()


@pytest.mark.parametrize("task", ["binary", "multiclass", "several outputs"])
def test_without_shuffle_it_stops_when_theirs_does(task):
    for early in (False, True):
        theirs, ours = both(
            TASKS[task], standardised(), hidden_layer_sizes=(4,), solver="adam", batch_size=80, shuffle=False,
            learning_rate_init=0.05, max_iter=300, tol=1e-2, n_iter_no_change=3, early_stopping=early,
        )  # fmt: skip
        assert near_a_threshold(theirs) or 3 < theirs.n_iter_ < 300
        assert_same_fit(theirs, ours, 1e-6)


@pytest.mark.parametrize("task", TASKS)
def test_predictions(task):
    X = standardised()
    theirs, ours = both(TASKS[task], X, **{**COMMON, "solver": "adam"})
    assert np.asarray(ours.predict(X)).dtype == np.asarray(theirs.predict(X)).dtype
    if TASKS[task].kind == "regressor":
        assert_close(ours.predict(X), theirs.predict(X), TOLERANCE.array, "predict")
        return
    assert (ours.predict(X) == theirs.predict(X)).all()
    for method in ("predict_proba", "predict_log_proba"):
        a, b = getattr(ours, method)(X), getattr(theirs, method)(X)
        assert_close(a, b, TOLERANCE.array, method)
    assert ours.score(X, TASKS[task].y) == theirs.score(X, TASKS[task].y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("given", [np.float32, np.float64, np.float16, np.int64, np.uint8])
def test_dtype_of_predictions(dtype, given):
    X = (standardised() * 3 + 9).astype(dtype)
    theirs, ours = both(TASKS["multiclass"], X, hidden_layer_sizes=(4,), max_iter=2)
    a, b = ours.predict_proba(X.astype(given)), theirs.predict_proba(X.astype(given))
    assert a.dtype == b.dtype
    assert_close(a, b, 1e-4 if np.float32 in (dtype, a.dtype.type) else 1e-12, "predict_proba")


def test_lbfgs_of_float32_keeps_its_parameters_in_float64():
    theirs, ours = both(TASKS["one output"], standardised().astype(np.float32), solver="lbfgs", max_iter=20, alpha=1.0)
    assert ours.coefs_[0].dtype == theirs.coefs_[0].dtype == np.float64
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-3)
    assert ours.predict(standardised()).dtype == theirs.predict(standardised()).dtype


def test_float32_stays_close():
    X = standardised().astype(np.float32)
    for task in ("binary", "multiclass", "one output"):
        theirs, ours = both(TASKS[task], X, **COMMON)
        assert_same_fit(theirs, ours, 1e-4)


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_clipped_probabilities_in_the_loss(task):
    """Where the network is sure and wrong, scikit-learn prints the loss of a clipped probability."""
    for solver in ("sgd", "lbfgs") if task == "multiclass" else ("sgd",):
        theirs, ours = both(
            TASKS[task], 200 * standardised(), hidden_layer_sizes=(8,), activation="relu", solver=solver, max_iter=1,
            learning_rate_init=1e-6, momentum=0.0,
        )  # fmt: skip
        # near a probability of 1 scikit-learn's 1 - p keeps few digits: its number is off by that, not ours
        assert_close([ours.loss_], [theirs.loss_], 1e-6, solver)
    assert theirs.loss_ > 1


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("task", ["multiclass", "one output"])
def test_partial_fit_and_warm_start_go_on_as_theirs_do(solver, task):
    X, y = standardised(), TASKS[task].y
    pair = both(TASKS[task], X, hidden_layer_sizes=(5,), solver=solver, max_iter=3, warm_start=True, random_state=1)
    for est in pair:
        est.partial_fit(X[:40], y[:40])
        est.partial_fit(X[40:], y[40:], sample_weights(50))
    assert_same_fit(*pair)
    theirs, ours = pair
    assert (ours.t_, ours._no_improvement_count) == (theirs.t_, theirs._no_improvement_count)
    assert ours._optimizer.learning_rate == pytest.approx(theirs._optimizer.learning_rate, rel=1e-12)


@pytest.mark.parametrize("first", [2, 6])
def test_warm_start_with_early_stopping(first):
    """Twice: the second fit may not improve, and scikit-learn then keeps what it has just trained."""
    X, y = standardised(), TASKS["binary"].y
    pair = both(TASKS["binary"], X, max_iter=first, warm_start=True, early_stopping=True, learning_rate_init=0.05)
    for est in pair:
        est.set_params(max_iter=4)
        with pytest.warns(Warning, match="Maximum iterations"):
            est.fit(X, y)
    assert_same_fit(*pair)


def test_as_many_numbers_are_drawn():
    """A RandomState that is passed in comes out as from scikit-learn."""
    task, left = TASKS["multiclass"], []
    for classes in (THEIRS, OURS):
        rng = np.random.RandomState(4)
        quiet_fit(classes[task.kind](random_state=rng, early_stopping=True, **COMMON), standardised(), task.y)
        left.append(rng.randint(1 << 30, size=3).tolist())
    assert left[0] == left[1]
