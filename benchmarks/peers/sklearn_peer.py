"""scikit-learn's MLPClassifier, spared its checks of the data."""

from __future__ import annotations

import time
import warnings

import numpy as np

from ..networks import BETA_1, BETA_2, EPSILON, Task, orders, start, training_data
from .base import Layers, Peer, Trained, Unavailable

NAMES = {"sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}


class ScikitLearn(Peer):
    """``MLPClassifier.fit`` with warm_start, so that it goes on from given weights."""

    schedules = ("constant",)

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        try:
            import sklearn
            from sklearn.neural_network import MLPClassifier
        except ImportError as error:
            raise Unavailable("scikit-learn is not installed") from error
        # What can be spared of its overhead: it checks values and parameters in every call.
        sklearn.set_config(assume_finite=True, skip_parameter_validation=True)
        self.estimator = MLPClassifier

    def begin(self, task: Task) -> float:
        """Make the classifier, let it see every class once, and put the start in place of its own."""
        self.task = task
        self.X, self.y = training_data(task)
        self.model = self.estimator(
            task.sizes[1:-1], activation=NAMES[task.activation], solver=task.optimizer, learning_rate_init=task.rate,
            momentum=0.0, nesterovs_momentum=False, alpha=0.0, batch_size=task.batch, beta_1=BETA_1, beta_2=BETA_2,
            epsilon=EPSILON, tol=0.0, n_iter_no_change=10**9, warm_start=True, random_state=0,
        )  # fmt: skip
        classes = np.arange(task.sizes[-1])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.model.set_params(batch_size=len(classes))
            self.model.partial_fit(np.resize(self.X, (len(classes), self.X.shape[1])), classes, classes=classes)
            self.model.set_params(batch_size=task.batch)
        for mine, theirs in zip(start(task), zip(self.model.coefs_, self.model.intercepts_, strict=True), strict=True):
            for a, b in zip(mine, theirs, strict=True):
                b[...] = a
        return 0.0

    def train(self, epochs: int, seed: int) -> Trained:
        """Train in its own order; one call for all epochs, which are timed together."""
        self.model.set_params(max_iter=epochs, shuffle=True, random_state=seed)
        seconds = self._fit(self.X[: self.task.rows], self.y[: self.task.rows])
        return Trained(list(self.model.loss_curve_[-epochs:]), [seconds / epochs] * epochs, seconds)

    def _fit(self, X: np.ndarray, y: np.ndarray) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            began = time.perf_counter()
            self.model.fit(X, y)
            return time.perf_counter() - began

    def curve(self, task: Task, epochs: int) -> tuple[list[float], list[np.ndarray]]:
        """Return losses and parameters after training in everyone's orders: the rows are laid out in them.

        Each epoch is a fit of its own, which starts a fresh optimiser: with Adam only one epoch compares.
        """
        self.begin(task)
        draw, losses = orders(task, 0), []
        self.model.set_params(max_iter=1, shuffle=False)
        for _ in range(epochs):
            order = draw()
            self._fit(self.X[order], self.y[order])
            losses.append(float(self.model.loss_curve_[-1]))
        return losses, [array for layer in self.layers() for array in layer]

    def layers(self) -> Layers:
        """Return the parameters."""
        return list(zip(self.model.coefs_, self.model.intercepts_, strict=True))

    def begin_predict(self, task: Task, rows: int, form: str) -> float:
        """Bind the rows."""
        self.begin(task)
        X, ask = self.X[: max(rows, 1)], self.model.predict_proba
        self.call = lambda: ask(X)
        return 0.0


PEER = ScikitLearn
