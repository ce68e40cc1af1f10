"""The runs that the demo compares: each backend, NumPy by hand, scikit-learn."""

from __future__ import annotations

import contextlib
import gc
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from ..arrays import Array
from ..backends import use_backend
from ..callbacks import History
from ..datasets.dataset import Dataset
from ..errors import FastNNError
from ..network import Network
from ..optimizers import SGD
from .by_hand import ByHand

__all__ = [
    "AGREEMENT",
    "STEPS",
    "BackendRun",
    "HandRun",
    "Result",
    "Settings",
    "check_agreement",
    "one_blas_thread",
    "run_sklearn",
]

#: How far two backends' parameters may be apart after ten steps: norm of the difference per array over its norm.
AGREEMENT = 1e-4
STEPS = 10
ONE_ROW_SECONDS = 0.3  # spent on timing one row
ONE_ROW_CALLS = 20  # between two looks at the clock


@dataclass(frozen=True)
class Settings:
    """What every run shares."""

    sizes: tuple[int, ...] = (784, 16, 16, 10)
    epochs: int = 10
    batch_size: int = 32
    rate: float = 0.05
    momentum: float = 0.9
    seed: int = 0

    @property
    def optimizer(self) -> SGD:
        """The optimiser."""
        return SGD(self.rate, momentum=self.momentum)

    def network(self) -> Network:
        """Return the network at its start."""
        return Network(self.sizes, activation="sigmoid", output="softmax", seed=self.seed)


@dataclass
class Result:
    """What one run showed; ``epoch`` is the median of ``seconds``, ``one_row`` the time of one prediction."""

    name: str
    compile: float = 0.0
    seconds: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    test_loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    one_row: float = 0.0

    @property
    def epoch(self) -> float:
        """Median seconds of an epoch."""
        return statistics.median(self.seconds)


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS on one thread where threadpoolctl is installed, as it is with scikit-learn.

    The products of this network are so small that a second thread only costs; that would flatter what uses no BLAS.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        yield
        return
    with threadpool_limits(1, user_api="blas"):
        yield


def time_one_row(predict: Callable[[Array], Any], row: Array) -> float:
    """Return the median time of predict(row) in seconds."""
    samples = []
    gc.collect()
    with one_blas_thread():
        predict(row)
        end = time.perf_counter() + ONE_ROW_SECONDS
        while (began := time.perf_counter()) < end:
            for _ in range(ONE_ROW_CALLS):
                predict(row)
            samples.append((time.perf_counter() - began) / ONE_ROW_CALLS)
    return statistics.median(samples)


class BackendRun:
    """One backend's training, an epoch at a time, so that several can be interleaved."""

    def __init__(self, backend: str, settings: Settings, data: Dataset) -> None:
        self.backend, self.settings, self.data = backend, settings, data
        self.result = Result(backend)
        first, self.after_ten_steps = self._warm_up()
        second, _ = self._warm_up()
        self.result.compile = max(0.0, first - second)
        self.network = settings.network()

    def _warm_up(self) -> tuple[float, Network]:
        """Return the seconds of ten steps and of every other thing that is timed later, and the network after them."""
        network, data = self.settings.network(), self.data
        rows = slice(STEPS * self.settings.batch_size)
        began = time.perf_counter()
        self._fit(network, data.X_train[rows], data.y_train[rows], data.X_test[:1], data.y_test[:1])
        network.predictor(backend=self.backend)(data.X_test[0])
        return time.perf_counter() - began, network

    def _fit(self, network: Network, X: Array, y: Array, X_test: Array, y_test: Array) -> History:
        """Train for one epoch, going on with the optimiser's state."""
        with use_backend(self.backend):
            return network.fit(
                X, y, epochs=1, batch_size=self.settings.batch_size, optimizer=self.settings.optimizer,
                validation_data=(X_test, y_test), progress=False, resume=True,
            )  # fmt: skip

    def epoch(self) -> None:
        """Train for one epoch and look at the test part."""
        history = self._fit(self.network, *self.data)
        self.result.seconds.append(history.seconds[0])
        self.result.loss.append(history.loss[0])
        self.result.test_loss.append(history.val_loss[0])
        self.result.accuracy.append(history.metrics["val_accuracy"][0])

    def finish(self) -> Result:
        """Time one row and return the result."""
        self.result.one_row = time_one_row(self.network.predictor(backend=self.backend), self.data.X_test[0])
        return self.result


class HandRun:
    """The loop in plain NumPy, from the same start and in the same order of rows."""

    def __init__(self, settings: Settings, data: Dataset) -> None:
        self.settings, self.data = settings, data
        self.result = Result("NumPy by hand")
        start = settings.network()
        self.rng = start.rng
        self.model = ByHand(start.weights, start.biases)
        self.Y = np.eye(settings.sizes[-1], dtype=np.float32)[data.y_train]

    def epoch(self) -> None:
        """Train for one epoch and look at the test part."""
        settings, data = self.settings, self.data
        with np.errstate(over="ignore"):  # exp(-z) of a very negative z is infinite, and the sigmoid then rightly 0
            began = time.perf_counter()
            order = self.rng.permutation(len(data.X_train))
            self.model.train_epoch(data.X_train, self.Y, order, settings.batch_size, settings.rate, settings.momentum)
            self.result.seconds.append(time.perf_counter() - began)
            guesses = self.model.predict(data.X_test).argmax(axis=1)
        self.result.accuracy.append(float(np.mean(guesses == data.y_test)))

    def finish(self) -> Result:
        """Time one row and return the result."""
        with np.errstate(over="ignore"):
            self.result.one_row = time_one_row(self.model.predict, self.data.X_test[:1])
        return self.result


def run_sklearn(settings: Settings, data: Dataset) -> Result:
    """Train scikit-learn's MLPClassifier as often; its epochs are timed together.

    Raises ImportError where scikit-learn is not installed.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        settings.sizes[1:-1], activation="logistic", solver="sgd", learning_rate_init=settings.rate,
        momentum=settings.momentum, nesterovs_momentum=False, alpha=0.0, batch_size=settings.batch_size,
        max_iter=settings.epochs, n_iter_no_change=settings.epochs + 1, random_state=settings.seed,
    )  # fmt: skip
    with warnings.catch_warnings(), one_blas_thread():
        warnings.simplefilter("ignore", ConvergenceWarning)
        began = time.perf_counter()
        model.fit(data.X_train, data.y_train)
        seconds = time.perf_counter() - began
    accuracy = float(model.score(data.X_test, data.y_test))
    result = Result("scikit-learn", seconds=[seconds / settings.epochs] * settings.epochs, accuracy=[accuracy])
    result.one_row = time_one_row(model.predict_proba, data.X_test[:1])
    return result


def check_agreement(runs: list[BackendRun]) -> list[tuple[str, str, float]]:
    """Return, for each pair of backends, the largest relative difference of a parameter array after ten steps.

    Raises
    ------
    FastNNError
        If one is beyond AGREEMENT.
    """
    found = []
    for one, other in combinations(runs, 2):
        a, b = one.after_ten_steps, other.after_ten_steps
        arrays = [*zip(a.weights, b.weights, strict=True), *zip(a.biases, b.biases, strict=True)]
        names = [f"{letter}{layer}" for letter in "Wb" for layer in range(1, a.n_layers + 1)]
        differences = [float(np.linalg.norm(x - y) / np.linalg.norm(y)) for x, y in arrays]
        worst = int(np.argmax(differences))
        if not differences[worst] <= AGREEMENT:
            raise FastNNError(
                f"the backends {one.backend} and {other.backend} disagree: after {STEPS} steps {names[worst]} differs "
                f"by {differences[worst]:.1e} of its norm (allowed: {AGREEMENT:.0e}). Do not trust their results; "
                "please report this with the output of: fastnn info"
            )
        found.append((one.backend, other.backend, differences[worst]))
    return found
