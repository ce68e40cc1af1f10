"""Data, tasks and tolerances of the estimators' tests."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")

from scipy.sparse import csr_matrix  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.neural_network import MLPClassifier, MLPRegressor  # noqa: E402

import fastnn  # noqa: E402

ROWS, FEATURES = 90, 7
THEIRS = {"classifier": MLPClassifier, "regressor": MLPRegressor}
OURS = {"classifier": fastnn.MLPClassifier, "regressor": fastnn.MLPRegressor}


class Tolerance(NamedTuple):
    """The one table of tolerances, float64: of what the largest entry of scikit-learn's array is multiplied by.

    ``stopping`` is how near a stopping test may come to its threshold and the number of iterations still count.
    """

    array: float = 1e-7  # coefs_, intercepts_, loss_curve_ after ten epochs
    score: float = 1e-9  # validation_scores_
    lbfgs_loss: float = 1e-6  # the final loss
    stopping: float = 1e-6


TOLERANCE = Tolerance()


class Task(NamedTuple):
    """What is learned: the kind of estimator, its targets, and what else its constructor takes."""

    kind: str
    y: np.ndarray
    extra: dict


def standardised(seed=0, rows=ROWS, features=FEATURES):
    X = np.random.RandomState(seed).standard_normal((rows, features))
    return (X - X.mean(axis=0)) / X.std(axis=0)


def tasks():
    """Return {name: Task} on `standardised` data."""
    X, rng = standardised(), np.random.RandomState(1)
    signal = X[:, 0] + np.sin(2 * X[:, 1]) + 0.3 * rng.standard_normal(ROWS)
    several = np.stack([signal, X[:, 2] * X[:, 3], rng.standard_normal(ROWS)], axis=1)
    return {
        "binary": Task("classifier", np.where(signal > 0, "yes", "no"), {}),
        "multiclass": Task("classifier", np.digitize(signal, [-0.7, 0.7]) * 10, {}),
        "multilabel": Task("classifier", (several > 0).astype(int), {}),
        "one output": Task("regressor", signal, {}),
        "several outputs": Task("regressor", several, {}),
        "poisson": Task("regressor", rng.poisson(np.exp(0.4 * signal)).astype(float), {"loss": "poisson"}),
    }


TASKS = tasks()


def sample_weights(rows=ROWS, seed=2):
    weights = np.random.RandomState(seed).uniform(0.2, 2.0, rows)
    weights[::11] = 0
    return weights


def sparse(X):
    """Return X as CSR with two thirds of its entries away, and what it is as a dense array."""
    thin = np.where(np.random.RandomState(3).uniform(size=X.shape) < 1 / 3, X, 0)
    return csr_matrix(thin)


def quiet_fit(est, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return est.fit(*args, **kwargs)


def both(task, X, sample_weight=None, **parameters):
    """Return (scikit-learn's estimator, ours), fitted on the same task with the same parameters."""
    parameters = {"random_state": 5, **task.extra, **parameters}
    return tuple(
        quiet_fit(classes[task.kind](**parameters), X, task.y, sample_weight=sample_weight)
        for classes in (THEIRS, OURS)
    )


def assert_close(ours, theirs, tolerance, what):
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape, what
    largest = np.abs(theirs).max(initial=0)
    error = np.abs(ours - theirs).max(initial=0)
    assert error <= tolerance * largest, f"{what}: {error:g} of {largest:g}"


def assert_same_fit(theirs, ours, tolerance=TOLERANCE.array):
    """Assert that two fits of a stochastic solver are the same."""
    if not near_a_threshold(theirs):
        assert ours.n_iter_ == theirs.n_iter_
    for name in ("coefs_", "intercepts_"):
        for layer, (a, b) in enumerate(zip(getattr(ours, name), getattr(theirs, name), strict=True)):
            assert a.dtype == b.dtype
            assert_close(a, b, tolerance, f"{name}[{layer}]")
    assert_close(ours.loss_curve_, theirs.loss_curve_, tolerance, "loss_curve_")
    if theirs.validation_scores_ is not None:
        assert_close(ours.validation_scores_, theirs.validation_scores_, TOLERANCE.score, "validation_scores_")


def near_a_threshold(est):
    """Return whether a stopping test of a fit came so near that rounding may have decided it."""
    if est.validation_scores_ is not None:
        values, bests = np.array(est.validation_scores_), np.maximum.accumulate([-np.inf, *est.validation_scores_])[:-1]
        gaps = np.abs(values - (bests + est.tol))
    else:
        values, bests = np.array(est.loss_curve_), np.minimum.accumulate([np.inf, *est.loss_curve_])[:-1]
        gaps = np.abs(values - (bests - est.tol))
    return bool((gaps < TOLERANCE.stopping).any())
