"""What is trained and asked in `train`, `predict`, `accuracy` and `threads`: networks, their data and their start.

Everything follows from a `Task`, which is small: each peer's process draws the same rows, labels, first weights and
orders from it, so nothing but the task has to travel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

#: Constants of Adam, the same for everyone (Kingma & Ba 2015; PyTorch's place for epsilon).
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Task:
    """A network, its data and how it is trained.

    Parameters
    ----------
    sizes, activation, batch
        Hidden activation: sigmoid, tanh or relu; the output is a softmax with cross-entropy, without penalty.
    rows : int
        Rows that are trained on: the first so many of the data.
    total : int
        Rows of random data that are drawn; 0: as many as are trained on.
    data : {"random", "digits", "mnist"}
        Random rows have their labels from a linear teacher, so that the loss falls and a wrong step shows.
    optimizer : {"sgd", "adam"}
    rate, schedule : float, {"constant", "one_cycle"}
        Peak of the learning rate and its course over ``epochs``.
    seed : int
        Of the first weights and of the orders.
    """

    sizes: tuple[int, ...]
    activation: str
    batch: int
    rows: int
    data: str = "random"
    optimizer: str = "sgd"
    rate: float = 0.1
    schedule: str = "constant"
    epochs: int = 1
    seed: int = 0
    total: int = 0

    @property
    def name(self) -> str:
        """The sizes, joined by dashes."""
        return "-".join(map(str, self.sizes))

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return -(-self.rows // self.batch)

    @property
    def parameters(self) -> int:
        """How many weights and biases there are."""
        return sum((n_in + 1) * n_out for n_in, n_out in zip(self.sizes, self.sizes[1:], strict=False))

    @property
    def epoch_flops(self) -> float:
        """Floating-point operations of an epoch's products; the first layer needs no gradient of its input."""
        pairs = list(zip(self.sizes, self.sizes[1:], strict=False))
        return 2.0 * self.rows * (3 * sum(a * b for a, b in pairs) - pairs[0][0] * pairs[0][1])

    def with_rows(self, rows: int) -> Task:
        """Return the task trained on the first so many rows of the same data, so that only the orders are shorter."""
        return replace(self, rows=min(rows, self.rows), total=self.total or self.rows)


#: The five networks of the comparison: from one that is all overhead to one that is all arithmetic.
NETWORKS = (
    Task((784, 16, 16, 10), "sigmoid", 32, 60_000),
    Task((784, 30, 10), "sigmoid", 10, 60_000),
    Task((8, 64, 64, 4), "tanh", 64, 60_000),
    Task((784, 512, 512, 10), "relu", 128, 20_000),
    Task((784, 2048, 2048, 10), "relu", 512, 5_120),
)


def networks(toy: bool) -> tuple[Task, ...]:
    """Return the five networks; in the toy mode three small ones, one per activation."""
    if not toy:
        return NETWORKS
    small = {0: ((20, 6, 5, 4), 75), 2: ((8, 9, 9, 4), 72), 4: ((40, 32, 32, 10), 128)}
    return tuple(
        replace(NETWORKS[i], sizes=sizes, batch=max(8, NETWORKS[i].batch // 8), rows=rows)
        for i, (sizes, rows) in small.items()
    )


@lru_cache(maxsize=1)
def _drawn(n_in: int, n_out: int, rows: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(20)
    X = rng.random((rows, n_in), dtype=np.float32)
    X -= np.float32(0.5)  # around zero: from rows around 1/2 the relu networks take steps so wild that rounding decides
    teacher = rng.standard_normal((n_in, n_out), dtype=np.float32)
    y = (X @ teacher).argmax(axis=1).astype(np.int64)
    y[:n_out] = np.arange(n_out)  # every class occurs, however few rows there are: scikit-learn insists
    return X, y


@lru_cache(maxsize=1)
def _images(name: str) -> Any:
    from fastnn import datasets

    return datasets.load_mnist() if name == "mnist" else datasets.load_digits()


def training_data(task: Task) -> tuple[Array, Array]:
    """Return X (n, n_in) float32, small numbers, and labels (n,) int64; the first ``rows`` are trained on."""
    if task.data == "random":
        return _drawn(task.sizes[0], task.sizes[-1], task.total or task.rows)
    found = _images(task.data)
    return found.X_train, np.asarray(found.y_train, np.int64)


def test_data(task: Task) -> tuple[Array, Array]:
    """Return the rows and labels that a real data set keeps for testing."""
    found = _images(task.data)
    return found.X_test, np.asarray(found.y_test, np.int64)


test_data.__test__ = False  # type: ignore[attr-defined]  # not pytest's


def start(task: Task) -> list[tuple[Array, Array]]:
    """Return the first (W (n_in, n_out), b (n_out,)) of each layer, float32: He's normal for relu, else Glorot's."""
    rng = np.random.default_rng([7, task.seed])
    made = []
    for n_in, n_out in zip(task.sizes, task.sizes[1:], strict=False):
        scale = np.sqrt(2 / n_in) if task.activation == "relu" else np.sqrt(2 / (n_in + n_out))
        made.append(((scale * rng.standard_normal((n_in, n_out))).astype(np.float32), np.zeros(n_out, np.float32)))
    return made


def orders(task: Task, seed: int) -> Any:
    """Return the function that gives the next epoch's order of the rows; a fit of fastnn with this seed draws these."""
    rng = np.random.default_rng(seed)
    return lambda: rng.permutation(task.rows)


def rates(task: Task) -> Array:
    """Return the learning rate of every step of a whole fit, shape (epochs, steps)."""
    total = task.epochs * task.steps
    if task.schedule == "constant":
        return np.full((task.epochs, task.steps), task.rate)
    from fastnn.schedules import OneCycle

    return OneCycle(task.rate).rates(np.arange(total), task.steps, total).reshape(task.epochs, task.steps)


def probabilities(task: Task, parameters: list[tuple[Array, Array]], X: Array) -> Array:
    """Return the network's output for X in float64: what every prediction is compared with."""
    A = X.astype(np.float64)
    for i, (W, b) in enumerate(parameters):
        Z = A @ W.astype(np.float64) + b
        if i < len(parameters) - 1:
            A = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh, "sigmoid": lambda z: 1 / (1 + np.exp(-z))}[
                task.activation
            ](Z)
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    result: Array = E / E.sum(axis=1, keepdims=True)
    return result
