"""Online training: one step at a time on whatever rows have arrived."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from . import backends
from .arrays import Array, aligned, vector
from .backends import SERIAL_WORK, threads_for
from .checks import whole
from .engine import Data, encode
from .errors import DivergenceError
from .model import Model
from .optimizers import Optimizer, OptimizerState, is_schedule

__all__ = ["Trainer"]

LOSS_NOT_FINITE, THETA_NOT_FINITE = 1, 2  # what a step came to, as ``Kernels.stepper`` tells it


class Trainer:
    """Train a network step by step; made by `Network.trainer`.

    A step is what one batch of ``fit`` is: gradient of the weighted mean loss of the rows given, penalty, clipping,
    update.  The trainer keeps the optimiser's state and its work space; the network is updated in place.  Pickling a
    trainer keeps its network with it, so that both go on together.  Threads may share one: their steps are taken one
    after the other.

    Attributes
    ----------
    network : Network
        Cannot be assigned: make another trainer.
    optimizer : OptimizerState
        Settings, slots and steps; may be handed to ``fit(optimizer=...)``.  Cannot be assigned; its settings can.

    Examples
    --------
    >>> import numpy as np, fastnn
    >>> net = fastnn.Network([2, 3, 1], output="sigmoid", seed=0)
    >>> trainer = net.trainer("sgd")
    >>> loss = trainer.step(np.zeros((1, 2)), [1])
    >>> round(loss, 4)  # log 2, as all biases are zero
    0.6931
    """

    def __init__(
        self,
        network: Model,
        optimizer: str | Optimizer | OptimizerState = "adam",
        l2: Any = 0.0,
        clip_norm: float | None = None,
        *,
        dropout: Any = 0.0,
        backend: str | None = None,
        num_threads: int | None = None,
    ) -> None:
        self._network = network
        self._optimizer = OptimizerState.of(optimizer, network.n_parameters, network.dtype)
        self._optimizer.optimizer.hyper(0, 1)  # a schedule that needs an end or epochs says so now
        self._const = network.const(l2=l2, dropout=dropout, clip_norm=clip_norm)
        self._backend = backend
        self._num_threads = None if num_threads is None else whole(num_threads, "num_threads", 1)
        self._key = int(network.rng.integers(2**63)) if np.any(dropout) else 0
        self._prepare()

    @property
    def network(self) -> Model:
        """The network that is trained."""
        return self._network

    @property
    def optimizer(self) -> OptimizerState:
        """The optimiser's state."""
        return self._optimizer

    def _prepare(self) -> None:
        self._lock = threading.Lock()  # the buffers below are one step's at a time
        self._kernels = backends.kernels(self._backend)
        self._grad = aligned(self.network.n_parameters, self.network.dtype)
        self._losses = np.empty((1, 2))
        self._rows = -1
        self._settings: Optimizer | None = None  # whose row of hyper is kept
        self._stepper = None
        if (stepper := self._kernels.stepper) is not None:
            network = self._network
            classes = network.output == "softmax" or (network.output == "sigmoid" and network.sizes[-1] > 1)
            self._stepper = stepper(
                network.plan, self._const, network.loss_code, self._optimizer.rule, self._grad, self._key, classes,
                network.domain, int(SERIAL_WORK / (6.0 * network.n_parameters)), self._num_threads or 0,
                self._threads_for,
            )  # fmt: skip

    def _threads_for(self, rows: int) -> int:
        return threads_for(6.0 * self._network.n_parameters * rows, self._num_threads)

    def _make_room(self, rows: int) -> None:
        network = self.network
        self._threads = self._threads_for(rows)
        self._work = aligned(self._kernels.work_size("train", network.plan, rows, self._threads), network.dtype)
        self._order = np.arange(rows, dtype=np.int64)
        self._starts = np.array([0, rows], np.int64)
        self._rows = rows

    def step(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Take one optimiser step on the rows given.

        Parameters
        ----------
        X : array-like or CSR, shape (m, n_in)
        y : array-like
            Targets as in ``fit``.
        sample_weight : array-like, shape (m,), optional

        Returns
        -------
        float
            The loss before the step, penalty included: what was differentiated.

        Raises
        ------
        ValueError, TypeError
            For rows, columns or values that do not fit; nothing is changed.
        DivergenceError
            If the loss is not finite; nothing is changed.  If a parameter is not finite after the step.
        """
        network = self._network
        if self._stepper is not None and sample_weight is None:
            network.check_writable()
            with self._lock:
                state = self._optimizer
                loss = self._stepper(X, y, self._hyper(state), state.steps, network.theta, state.slots)
                if loss is not None:
                    return self._told(loss, self._stepper.outcome, self._stepper.is_matrix)
        data = encode(network, X, y, sample_weight)
        network.check_writable()
        with self._lock:
            return self._step(data)

    def _hyper(self, state: OptimizerState) -> Array:
        """Return the next step's row of hyper; it is the same one until the settings change, but for a schedule."""
        settings = state.optimizer
        if settings is not self._settings:
            self._row = settings.hyper(state.steps, 1)
            self._settings = None if is_schedule(settings.learning_rate) else settings
        return self._row

    def _step(self, data: Data) -> float:
        network, state = self._network, self._optimizer
        if data.X.rows != self._rows:
            self._make_room(data.X.rows)
        finished = self._kernels.train(
            network.plan, self._const, network.loss_code, state.rule, state.optimizer.hyper(state.steps, 1),
            state.steps, network.theta, self._grad, state.slots, *data.X[:3], data.targets.T, data.weights,
            self._order, self._starts, self._key, self._work, self._losses, self._threads,
        )  # fmt: skip
        loss = float(self._losses[0, 0] + self._losses[0, 1])
        outcome = LOSS_NOT_FINITE if not finished else 0 if self._is_finite() else THETA_NOT_FINITE
        return self._told(loss, outcome, data.targets.multilabel)

    def _is_finite(self) -> bool:
        return bool(np.isfinite(self._network.theta).all())

    def _told(self, loss: float, outcome: int, multilabel: bool) -> float:
        """Count a step and return its loss, or raise what it came to: see ``Kernels.stepper``."""
        network, state = self._network, self._optimizer
        if outcome == LOSS_NOT_FINITE:
            remedy = "Try a smaller learning rate, clip_norm=1.0, or standardised inputs."
            if not self._is_finite():
                remedy = "Its parameters were not finite before: put finite ones back, net.theta = copy."
            raise DivergenceError(
                f"step {state.steps + 1}: the loss is {loss:g}; the network is unchanged. {remedy}"
            )
        network.multilabel = bool(multilabel)
        self._stepped(outcome != THETA_NOT_FINITE)
        return loss

    def _stepped(self, is_finite: bool) -> None:
        """Count the step; raise where it took a parameter beyond its dtype. To undo it would take a copy per step."""
        state = self._optimizer
        state.steps += 1
        if not is_finite:
            raise DivergenceError(
                f"step {state.steps}: a parameter is no longer finite, and the step is not undone. Put parameters that "
                "you kept back (net.theta = copy), make a new trainer, and try a smaller learning rate, clip_norm=1.0, "
                "or standardised inputs."
            )

    def apply_gradient(self, g: Any) -> None:
        """Take one optimiser step with a gradient of the caller's, for instance one summed over processes.

        No penalty and no clipping is added: the gradient is taken as it is.

        Parameters
        ----------
        g : array-like, shape (n_parameters,)
            In the order of ``net.theta``.

        Raises
        ------
        ValueError
            If the shape differs or an entry is not finite; nothing is changed.
        DivergenceError
            If a parameter is not finite after the step.
        """
        network, state = self._network, self._optimizer
        gradient = vector(g, "g", network.n_parameters, network.dtype)
        network.check_writable()
        with self._lock:
            self._grad[...] = gradient
            hyper = state.optimizer.hyper(state.steps, 1)[0]
            self._kernels.update(
                network.plan, state.rule, hyper, state.steps, network.theta, self._grad, state.slots
            )
            self._stepped(self._is_finite())

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without buffers, kernels and lock."""
        kept = ("_network", "_optimizer", "_const", "_key", "_backend", "_num_threads")
        return {name: getattr(self, name) for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Rebuild the buffers; joblib may have mapped the const table read-only from a file."""
        self.__dict__.update(state)
        self._const = np.array(self._const)
        self._prepare()

    def __repr__(self) -> str:
        """Return the optimiser and the network."""
        return f"Trainer({self.network!r}, {self.optimizer!r})"

