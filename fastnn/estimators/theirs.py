"""The state of fitted estimators between scikit-learn's classes and fastnn's: nothing is lost on the way."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
from sklearn.neural_network import _multilayer_perceptron as home
from sklearn.neural_network import _stochastic_optimizers as optimizers
from sklearn.utils.validation import check_is_fitted

from fastnn.kernels.updates import BY_NAME

from ..arrays import Array
from .parameters import INNER
from .solvers import Solver

__all__ = ["ORIGINALS", "take", "to_sklearn"]

ORIGINALS: dict[str, Any] = {"MLPClassifier": home.MLPClassifier, "MLPRegressor": home.MLPRegressor}
CHOICES = {
    "activation": ("identity", "logistic", "tanh", "relu"),
    "solver": ("lbfgs", "sgd", "adam"),
    "learning_rate": ("constant", "invscaling", "adaptive"),
    "loss": ("squared_error", "poisson", "log_loss"),
}
# of an estimator's state, what is converted and not copied
CONVERTED = {*INNER, "_best_theta", "_optimizer"}


def take(made: Any, state: dict[str, Any]) -> None:
    """Give an estimator the state that one of scikit-learn's has."""
    own = made.get_params(deep=False)
    optimizer = state.pop("_optimizer", None)
    best = [*state.pop("_best_coefs", []), *state.pop("_best_intercepts", [])]
    for name in ("_coef_indptr", "_intercept_indptr", "_sklearn_version"):
        state.pop(name, None)
    fitted = {name: value for name, value in state.items() if name not in own and name != "loss"}
    made._unpickle(fitted)
    if "out_activation_" not in state:
        return
    net = made._adopted()
    made._exposed = False
    for name in ("validation_loss_curve_", "best_validation_loss_"):
        if made.solver != "lbfgs":
            setattr(made, name, None)
    if made.early_stopping and made.solver != "lbfgs":
        made.validation_loss_curve_, made.best_validation_loss_ = [], np.inf
    arrays = [*net.weights, *net.biases]
    same = len(best) == len(arrays) and all(np.array_equal(a, b) for a, b in zip(best, arrays, strict=True))
    made._best_theta = _flat(best, len(best) // 2, net.dtype) if best and not same else None
    if optimizer is not None:
        made._optimizer = _solver(made, optimizer, net)


def _flat(arrays: list[Array], layers: int, dtype: Any) -> Array:
    """Return coefs + intercepts in theta's order, W1, b1, W2, b2, ..."""
    pairs = zip(arrays[:layers], arrays[layers:], strict=True)
    return np.concatenate([part.ravel() for pair in pairs for part in pair]).astype(dtype)


def _solver(made: Any, optimizer: Any, net: Any) -> Solver:
    """Return fastnn's solver for one of scikit-learn's."""
    solver = Solver(made, net.n_parameters, net.dtype)
    solver.learning_rate_init = optimizer.learning_rate_init
    if isinstance(optimizer, optimizers.AdamOptimizer):
        solver.beta_1, solver.beta_2 = optimizer.beta_1, optimizer.beta_2
        solver.epsilon, solver.steps = optimizer.epsilon, optimizer.t
        kept = [optimizer.ms, optimizer.vs]
    else:
        solver.schedule, solver.power_t = optimizer.lr_schedule, optimizer.power_t
        solver.momentum, solver.nesterov = optimizer.momentum, optimizer.nesterov
        solver.learning_rate = optimizer.learning_rate
        kept = [optimizer.velocities]
    for slot, arrays in zip(solver.slots, kept[: len(solver.slots)], strict=True):
        slot[...] = _flat(arrays, net.n_layers, net.dtype)
    return solver


def to_sklearn(est: Any) -> Any:
    """Return scikit-learn's estimator for a fitted one of fastnn; the method of that name has the contract."""
    check_is_fitted(est)
    mine = est.get_params(deep=False)
    for name, known in CHOICES.items():
        value = mine.get(name, known[0])
        if not isinstance(value, str) or value not in known:
            matters = name in ("activation", "loss")
            hint = "" if matters else f" What is fitted can be converted after set_params({name}={known[0]!r})."
            raise ValueError(f"scikit-learn has no {name}={value!r}, only {', '.join(known)}.{hint}")
    name = "MLPClassifier" if hasattr(est, "classes_") else "MLPRegressor"
    original = ORIGINALS[name]
    accepted = original._get_param_names()
    defaults = type(est)().get_params(deep=False)
    lost = [key for key in mine if key not in accepted and repr(mine[key]) != repr(defaults.get(key))]
    if lost:
        warnings.warn(
            f"scikit-learn's {name} has no {', '.join(lost)}: it predicts the same, and further training goes without.",
            stacklevel=3,
        )
    made = original(**copy.deepcopy({key: mine[key] for key in accepted}))
    net = est._current()
    state = {key: value for key, value in est.__dict__.items() if key not in mine and key not in CONVERTED}
    for key in ("validation_loss_curve_", "best_validation_loss_"):
        state.pop(key, None)
    made.__dict__.update(copy.deepcopy(state))
    made.coefs_ = [np.array(W) for W in net.weights]
    made.intercepts_ = [np.array(b) for b in net.biases]
    best = est.__dict__.get("_best_theta")
    made._best_coefs, made._best_intercepts = (
        _unflat(best, net) if best is not None else (made.coefs_, made.intercepts_)
    )
    solver = est.__dict__.get("_optimizer")
    if isinstance(solver, Solver):
        made._optimizer = _optimizer(solver, net)
    return made


def _unflat(theta: Array, net: Any) -> tuple[list[Array], list[Array]]:
    """Return (coefs, intercepts) of a vector in theta's order."""
    other = net.copy()
    other._theta[...] = theta
    return [np.array(W) for W in other.weights], [np.array(b) for b in other.biases]


def _optimizer(solver: Solver, net: Any) -> Any:
    """Return scikit-learn's optimiser for a solver."""
    zeros = _unflat(np.zeros(net.n_parameters, net.dtype), net)
    slots = [sum(_unflat(slot, net), []) for slot in solver.slots]
    if solver.rule == BY_NAME["adam"].code:
        made = optimizers.AdamOptimizer(
            sum(zeros, []), solver.learning_rate_init, solver.beta_1, solver.beta_2, solver.epsilon
        )
        made.t, made.ms, made.vs, made.learning_rate = solver.steps, slots[0], slots[1], solver.learning_rate
        return made
    made = optimizers.SGDOptimizer(
        sum(zeros, []), solver.learning_rate_init, solver.schedule, solver.momentum, solver.nesterov, solver.power_t
    )
    made.learning_rate = solver.learning_rate
    if slots:
        made.velocities = slots[0]
    return made
