"""Mini-batches and the update rules of the notes: gradient descent, momentum, Adam, learning-rate decay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..arrays import Array
from ..checks import real, whole
from ..functional.inputs import floating
from ..parameters import as_dict, as_layers
from .columns import as_pair, generator
from .deep import update_parameters
from .initial import check_grads

__all__ = [
    "initialize_adam", "initialize_velocity", "random_mini_batches", "schedule_lr_decay", "update_lr",
    "update_parameters_with_adam", "update_parameters_with_gd", "update_parameters_with_momentum",
]  # fmt: skip

update_parameters_with_gd = update_parameters


def random_mini_batches(
    X: Any, Y: Any, mini_batch_size: int = 64, seed: int | None = None
) -> list[tuple[Array, Array]]:
    """Return the examples, shuffled, as a list of (X_batch, Y_batch); the last may be shorter.

    Parameters
    ----------
    X : array-like, shape (n_x, m)
    Y : array-like, shape (n_y, m)
    mini_batch_size : int
    seed : int or None
        As ``np.random.seed(seed)`` before ``np.random.permutation(m)``; None goes on with NumPy's global generator.

    Raises
    ------
    ValueError
        If X and Y do not have one column per example.

    Examples
    --------
    >>> import numpy as np
    >>> batches = random_mini_batches(np.arange(10.0).reshape(1, 10), np.zeros((1, 10)), 4, seed=0)
    >>> [x.shape[1] for x, _ in batches], batches[0][0].tolist()
    ([4, 4, 2], [[2.0, 8.0, 4.0, 9.0]])
    """
    X, Y = as_pair(X, Y)
    size = whole(mini_batch_size, "mini_batch_size", 1)
    order = generator(seed).permutation(X.shape[1])
    picks = [order[at : at + size] for at in range(0, len(order), size)]
    return [(X[:, pick], Y[:, pick]) for pick in picks]


def initialize_velocity(parameters: Mapping[str, Any]) -> dict[str, Array]:
    """Return v of zeros: dW1, db1, ... of the parameters' shapes.

    Examples
    --------
    >>> initialize_velocity({"W1": [[1.0, 2.0]]})
    {'dW1': array([[0., 0.]])}
    """
    return {f"d{name}": np.zeros_like(value) for name, value in as_dict(*as_layers(parameters)).items()}


def initialize_adam(parameters: Mapping[str, Any]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return v and s of zeros, the running means of gradients and of their squares."""
    return initialize_velocity(parameters), initialize_velocity(parameters)


def update_parameters_with_momentum(
    parameters: Mapping[str, Any], grads: Mapping[str, Any], v: Mapping[str, Any], beta: float, learning_rate: float
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the parameters and v after a step with momentum, in new arrays.

        v <- beta v + (1 - beta) dW,   W <- W - learning_rate v          (fastnn.SGD has no factor 1 - beta)

    Parameters
    ----------
    parameters, grads : dict
    v : dict
        From `initialize_velocity` or the last step.
    beta : float
        In [0, 1).
    learning_rate : float

    Examples
    --------
    >>> W, v = update_parameters_with_momentum({"W1": [[1.0]]}, {"dW1": [[2.0]]}, {"dW1": [[0.0]]}, 0.75, 1.0)
    >>> W["W1"].tolist(), v["dW1"].tolist()
    ([[0.5]], [[0.5]])
    """
    beta, rate = real(beta, "beta", 0, 1, open_high=True), real(learning_rate, "learning_rate", 0)
    moved, kept = {}, {}
    for name, value, slope in check_grads(parameters, grads):
        kept[f"d{name}"] = beta * _running(v, name, value, "v") + (1 - beta) * slope
        moved[name] = value - rate * kept[f"d{name}"]
    return moved, kept


def update_parameters_with_adam(
    parameters: Mapping[str, Any], grads: Mapping[str, Any], v: Mapping[str, Any], s: Mapping[str, Any], t: int,
    learning_rate: float = 0.01, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8,
) -> tuple[dict[str, Array], dict[str, Array], dict[str, Array]]:  # fmt: skip
    """Return the parameters, v and s after a step of Adam, in new arrays.

        v <- beta1 v + (1 - beta1) dW,   s <- beta2 s + (1 - beta2) dW^2
        W <- W - learning_rate v / (1 - beta1^t) / (sqrt(s / (1 - beta2^t)) + epsilon)

    Parameters
    ----------
    parameters, grads : dict
    v, s : dict
        From `initialize_adam` or the last step.
    t : int
        Number of this step, from 1.
    learning_rate, beta1, beta2, epsilon : float

    Examples
    --------
    >>> v, s = initialize_adam({"W1": [[1.0]]})
    >>> W, v, s = update_parameters_with_adam({"W1": [[1.0]]}, {"dW1": [[-3.0]]}, v, s, 1, learning_rate=0.5)
    >>> W["W1"].round(6).tolist()
    [[1.5]]
    """
    beta1, beta2 = real(beta1, "beta1", 0, 1, open_high=True), real(beta2, "beta2", 0, 1, open_high=True)
    rate, epsilon, t = real(learning_rate, "learning_rate", 0), real(epsilon, "epsilon", 0), whole(t, "t", 1)
    moved, means, squares = {}, {}, {}
    for name, value, slope in check_grads(parameters, grads):
        mean = beta1 * _running(v, name, value, "v") + (1 - beta1) * slope
        square = beta2 * _running(s, name, value, "s") + (1 - beta2) * np.square(slope)
        moved[name] = value - rate * (mean / (1 - beta1**t)) / (np.sqrt(square / (1 - beta2**t)) + epsilon)
        means[f"d{name}"], squares[f"d{name}"] = mean, square
    return moved, means, squares


def _running(kept: Mapping[str, Any], name: str, value: Array, which: str) -> Array:
    if f"d{name}" not in kept:
        raise ValueError(f"{which} has no d{name}; make it with initialize_velocity or initialize_adam.")
    array = floating(kept[f"d{name}"], f"{which}['d{name}']")
    if array.shape != value.shape:
        raise ValueError(f"{which}['d{name}'] must have the shape of {name}, {value.shape}, got {array.shape}.")
    return array


def update_lr(learning_rate0: float, epoch_num: int, decay_rate: float) -> float:
    """Return the rate of an epoch, learning_rate0 / (1 + decay_rate epoch_num).

    Examples
    --------
    >>> update_lr(0.5, 2, 1)
    0.16666666666666666
    """
    return real(learning_rate0, "learning_rate0", 0) / (
        1 + real(decay_rate, "decay_rate", 0) * whole(epoch_num, "epoch_num")
    )


def schedule_lr_decay(learning_rate0: float, epoch_num: int, decay_rate: float, time_interval: int = 1000) -> float:
    """Return the rate of an epoch, falling in steps.

        learning_rate0 / (1 + decay_rate floor(epoch_num / time_interval))

    Examples
    --------
    >>> schedule_lr_decay(0.5, 100, 1, time_interval=100)
    0.25
    """
    return update_lr(
        learning_rate0, whole(epoch_num, "epoch_num") // whole(time_interval, "time_interval", 1), decay_rate
    )
