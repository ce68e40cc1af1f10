"""The second course's functions: initialisation, regularisation, gradient checking, mini-batches, optimisers.

ReLU layers and a sigmoid, examples in columns.  `model` joins them in one training, in the compiled program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fastnn.kernels.updates import EPSILON, FIRST, LR, N_HYPER, SECOND

from ..arrays import Array
from ..checks import choice, real, truth, whole
from ..parameters import as_dict, as_layers
from .checking import *  # noqa: F403
from .checking import __all__ as _checking
from .columns import as_examples, as_pair, as_targets, generator
from .descent import Batches, descend
from .initial import random_layers, sizes_of
from .optimization import *  # noqa: F403
from .optimization import __all__ as _optimization
from .regularization import *  # noqa: F403
from .regularization import __all__ as _regularization

__all__ = [
    "initialize_parameters_he", "initialize_parameters_random", "initialize_parameters_zeros", "model",
    *_checking, *_optimization, *_regularization,
]  # fmt: skip

RECORD_EVERY = 100  # epochs
REPORT_EVERY = 1000


def initialize_parameters_zeros(layers_dims: Sequence[int]) -> dict[str, Array]:
    """Return parameters of zeros: all units of a layer stay equal, however long they train.

    Examples
    --------
    >>> initialize_parameters_zeros([2, 1])["W1"].tolist()
    [[0.0, 0.0]]
    """
    dims = sizes_of(layers_dims)
    pairs = zip(dims[:-1], dims[1:], strict=True)
    return as_dict([np.zeros((n_out, n_in)) for n_in, n_out in pairs], [np.zeros((n, 1)) for n in dims[1:]])


def initialize_parameters_random(
    layers_dims: Sequence[int], scale: float = 10.0, seed: int | None = None
) -> dict[str, Array]:
    """Return W[l] = scale randn(n_l, n_(l-1)), b[l] = 0; the notes' 10 is meant to be too large.

    Examples
    --------
    >>> initialize_parameters_random([2, 1], seed=3)["W1"].round(4).tolist()
    [[17.8863, 4.3651]]
    """
    return random_layers(layers_dims, real(scale, "scale"), seed)


def initialize_parameters_he(layers_dims: Sequence[int], seed: int | None = None) -> dict[str, Array]:
    """Return W[l] = randn(n_l, n_(l-1)) sqrt(2 / n_(l-1)), b[l] = 0 (He et al. 2015).

    Examples
    --------
    >>> initialize_parameters_he([2, 1], seed=3)["W1"].round(4).tolist()
    [[1.7886, 0.4365]]
    """
    return random_layers(layers_dims, "he", seed)


_STARTS: dict[str, Callable[[Sequence[int], int | None], dict[str, Array]]] = {
    "he": lambda dims, seed: initialize_parameters_he(dims, seed),
    "random": lambda dims, seed: initialize_parameters_random(dims, seed=seed),
    "zeros": lambda dims, seed: initialize_parameters_zeros(dims),
}
_RULES = {"gd": "sgd", "momentum": "momentum", "adam": "adam"}


def model(
    X: Any, Y: Any, layers_dims: Sequence[int], optimizer: str = "gd", learning_rate: float = 0.0007,
    mini_batch_size: int | None = None, beta: float = 0.9, beta1: float = 0.9, beta2: float = 0.999,
    epsilon: float = 1e-8, num_epochs: int = 5000, print_cost: bool = False, decay: Any = None,
    decay_rate: float = 1.0, *, initialization: str = "he", lambd: float = 0.0, keep_prob: float = 1.0,
    seed: int | None = None, batch_seed: int = 10,
) -> tuple[dict[str, Array], list[float]]:  # fmt: skip
    """Train ReLU layers and a sigmoid, in the compiled program.

        minimise  cross-entropy + lambd / (2 m) sum_l |W[l]|^2          m the examples of a batch

    Parameters
    ----------
    X : array-like, shape (n_x, m)
    Y : array-like, shape (n_y, m)
    layers_dims : sequence of int
        n_x, n_1, ..., n_L = n_y.
    optimizer : {"gd", "momentum", "adam"}
        As the functions ``update_parameters_with_...`` do it; ``beta`` is momentum's, the others Adam's.
    learning_rate : float
    mini_batch_size : int or None
        None: all examples; an epoch is then an iteration.
    num_epochs : int
    print_cost : bool
        Print the cost every 1000 epochs.
    decay : callable or None
        `update_lr`, `schedule_lr_decay` or another (learning_rate0, epoch_num, decay_rate) -> rate.  As in the notes
        it is asked at the end of an epoch, so that epochs 0 and 1 have learning_rate0.
    decay_rate : float
    initialization : {"he", "random", "zeros"}
    lambd : float
        Of the L2 penalty, >= 0.
    keep_prob : float
        In (0, 1]: share of each hidden layer's outputs kept.  The masks are the compiled program's own, made anew each
        step; those of `forward_propagation_with_dropout` come from NumPy's generator.
    seed : int or None
        Of the initial values and the masks.
    batch_seed : int
        Epoch i (from 0) is shuffled as ``random_mini_batches(X, Y, mini_batch_size, batch_seed + 1 + i)``.

    Returns
    -------
    parameters : dict
        W1, b1, ..., WL, bL.
    costs : list of float
        Mean over the examples in epochs 0, 100, 200, ..., each batch before its update.

    Raises
    ------
    ValueError
        If X, Y and layers_dims do not fit together, or a setting is out of range.
    DivergenceError
        If the cost stops being finite.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0, 1, 1], [0, 1, 0, 1]])
    >>> parameters, costs = model(X, [[0, 1, 1, 0]], [2, 8, 1], "adam", 0.05, num_epochs=300, seed=1)
    >>> AL, _ = forward_propagation(X, parameters)
    >>> (AL > 0.5).astype(int).tolist()
    [[0, 1, 1, 0]]
    """
    dims = sizes_of(layers_dims)
    X, Y = as_pair(X, Y)
    m = X.shape[1]
    X, Y = as_examples(X, dims[0]), as_targets(Y, dims[-1], m)
    rule = _RULES[choice(optimizer, "optimizer", _RULES)]
    size = m if mini_batch_size is None else min(whole(mini_batch_size, "mini_batch_size", 1), m)
    epochs, show = whole(num_epochs, "num_epochs"), truth(print_cost, "print_cost")
    betas = {
        "sgd": (0.0, 0.0), "momentum": (real(beta, "beta", 0, 1, open_high=True), 0.0),
        "adam": (real(beta1, "beta1", 0, 1, open_high=True), real(beta2, "beta2", 0, 1, open_high=True)),
    }[rule]  # fmt: skip
    start = _STARTS[choice(initialization, "initialization", _STARTS)](dims, seed)
    rates = _rates(real(learning_rate, "learning_rate", 0), epochs, decay, real(decay_rate, "decay_rate", 0))
    batches = _epochs(m, size, rule, (*betas, real(epsilon, "epsilon", 0)), rates, whole(batch_seed, "batch_seed"))
    made = descend(
        *as_layers(start), X, Y, activation="relu", output="sigmoid", batches=batches, rule=rule,
        full=epochs if size == m else 0, penalty=real(lambd, "lambd", 0),
        dropout=1 - real(keep_prob, "keep_prob", 0, 1, open_low=True), seed=seed,
    )  # fmt: skip
    starts = np.arange(0, m, size)
    weights = np.diff(np.append(starts, m)) / m
    means = made.costs.reshape(-1, len(starts)) @ weights
    if show:
        for i in range(0, epochs, REPORT_EVERY):
            print(f"Cost after epoch {i}: {means[i]:.6f}")
    return as_dict(made.weights, made.biases), means[::RECORD_EVERY].tolist()


def _rates(first: float, epochs: int, decay: Any, decay_rate: float) -> list[float]:
    """Return each epoch's learning rate."""
    if decay is None:
        return [first] * epochs
    if not callable(decay):
        raise TypeError(f"decay must be a function such as update_lr, or None, got {decay!r}.")
    later = [real(decay(first, i, decay_rate), f"the rate of decay after epoch {i}", 0) for i in range(epochs - 1)]
    return [first, *later][:epochs]


def _epochs(
    m: int, size: int, rule: str, numbers: tuple[float, float, float], rates: list[float], batch_seed: int
) -> Iterator[Batches]:
    """Yield the batches of each epoch.

    The notes' v <- beta v + (1 - beta) g, W <- W - lr v is, with s = -lr v, the kernels' s <- mu s - a g, W <- W + s
    of a = lr (1 - beta) and mu = beta, times lr / lr_before where the rate changes.
    """
    starts = np.append(np.arange(0, m, size), m)
    order = np.arange(m)
    before = None
    for epoch, rate in enumerate(rates):
        if size < m:
            order = generator(batch_seed + 1 + epoch).permutation(m).astype(np.int64, copy=False)
        hyper = np.zeros((len(starts) - 1, N_HYPER))
        hyper[:, LR], hyper[:, FIRST], hyper[:, SECOND], hyper[:, EPSILON] = rate, *numbers
        if rule == "momentum":
            hyper[:, LR] *= 1 - numbers[0]
            hyper[0, FIRST] *= rate / before if before else 1.0
        before = rate
        yield Batches(order, starts, hyper)
