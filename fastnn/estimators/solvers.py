"""The stochastic solvers: scikit-learn's words for an update rule, its learning rate and when it changes.

A `Solver` is what `estimator._optimizer` is there: it lives from one ``partial_fit`` to the next.  It lays out the rows
of ``hyper`` for the kernels, where scikit-learn's names become those of ``kernels/updates.py``:

=============  ====================  ====================================================================
solver         rule                  columns
=============  ====================  ====================================================================
sgd            sgd, momentum,        LR = the rate, FIRST = momentum
               nesterov
adam, adamw    adam, adamw           LR, FIRST = beta_1, SECOND = beta_2,
                                     EPSILON = epsilon / sqrt(1 - beta_2^t): scikit-learn adds epsilon before the
                                     bias correction; adamw also DECAY = weight_decay
rmsprop        rmsprop               LR, FIRST = rho, EPSILON = epsilon
=============  ====================  ====================================================================
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.kernels.updates import BY_NAME, DECAY, EPSILON, FIRST, LR, N_HYPER, SECOND

from ..arrays import Array, aligned
from ..schedules import Schedule

__all__ = ["STOCHASTIC", "Solver"]

STOCHASTIC = ("sgd", "adam", "adamw", "rmsprop")
SMALLEST_RATE = 1e-6  # an adaptive rate at or below this ends the fit
AT_A_TIME = 2048  # steps for which epsilons are made at least, where the fit has as many
NONE_READY: tuple[tuple[float, float], int, Array] = (0.0, 0.0), 0, np.empty(0)


def rule_of(solver: str, momentum: float, nesterov: bool) -> str:
    """Return the update rule that a solver's settings stand for."""
    if solver != "sgd":
        return solver
    if momentum == 0:
        return "sgd"  # what Nesterov's rule becomes then
    return "nesterov" if nesterov else "momentum"


class Solver:
    """A stochastic solver at work on one network: settings, slots, steps done and the current rate.

    Parameters
    ----------
    estimator : BaseMLP
        Its settings are read once.
    n_parameters : int
    dtype : dtype
        Of the network.

    Attributes
    ----------
    learning_rate : float
        The rate of the next step (sgd, rmsprop), or of the last one with its bias correction (adam, adamw).
    slots : ndarray, shape (n_slots, n_parameters)
        Velocities or moments, in the order of theta.
    steps : int
        Updates done.
    """

    def __init__(self, estimator: Any, n_parameters: int, dtype: Any) -> None:
        self.name: str = estimator.solver
        self.learning_rate_init = estimator.learning_rate_init
        self.schedule = estimator.learning_rate
        self.power_t = estimator.power_t
        self.momentum = float(estimator.momentum)
        self.nesterov = bool(estimator.nesterovs_momentum)
        self.beta_1, self.beta_2 = float(estimator.beta_1), float(estimator.beta_2)
        self.epsilon, self.rho = float(estimator.epsilon), float(estimator.rho)
        self.weight_decay = float(estimator.weight_decay)
        self._rate = float(self.learning_rate_init)
        self.steps = 0
        update = BY_NAME[rule_of(self.name, self.momentum, self.nesterov)]
        self.rule: int = update.code
        self.slots: Array = aligned((update.slots, n_parameters), dtype, np.zeros)
        self._ready = NONE_READY  # epsilon and beta_2, the step from which on there are epsilons, and these

    def fits(self, estimator: Any, n_parameters: int) -> bool:
        """Return whether this state can go on under the estimator's present settings."""
        rule = rule_of(estimator.solver, float(estimator.momentum), bool(estimator.nesterovs_momentum))
        return BY_NAME[rule].code == self.rule and self.slots.shape[1] == n_parameters

    @property
    def learning_rate(self) -> float:
        """The current rate."""
        if self.name in ("adam", "adamw") and self.steps:
            root = np.sqrt(1 - self.beta_2**self.steps)
            return float(self._rate * root / (1 - self.beta_1**self.steps))
        return self._rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._rate = float(value)

    def _epsilons(self, n: int, total: int) -> Array:
        """Return the epsilons of the next n steps, epsilon / sqrt(1 - beta_2^t); made for several epochs at a time."""
        made_of = self.epsilon, self.beta_2
        ready, start, epsilons = self._ready
        if ready != made_of or not start <= self.steps <= start + len(epsilons) - n:
            start, count = self.steps, max(n, min(AT_A_TIME, total - self.steps))
            epsilons = self.epsilon / np.sqrt(1 - self.beta_2 ** np.arange(start + 1.0, start + 1.0 + count))
            self._ready = made_of, start, epsilons
        return epsilons[self.steps - start :][:n]

    def hyper(self, n: int, steps_per_epoch: int, total: int) -> Array:
        """Return the rows of ``hyper`` for the next n steps, shape (n, N_HYPER).

        ``total`` is the number of steps at the end of the fit, which a schedule may want.
        """
        table = np.zeros((n, N_HYPER))
        if isinstance(self.schedule, Schedule):
            table[:, LR] = self.schedule.rates(np.arange(self.steps, self.steps + n), steps_per_epoch, total)
            self._rate = float(table[-1, LR]) if n else self._rate
        else:
            table[:, LR] = self._rate
        if self.name == "sgd":
            table[:, FIRST] = self.momentum
        elif self.name == "rmsprop":
            table[:, FIRST], table[:, EPSILON], table[:, DECAY] = self.rho, self.epsilon, 0.0
        else:
            table[:, FIRST], table[:, SECOND] = self.beta_1, self.beta_2
            table[:, EPSILON] = self._epsilons(n, total)
            table[:, DECAY] = self.weight_decay if self.name == "adamw" else 0.0
        return table

    def iteration_ends(self, time_step: int) -> None:
        """Set the rate for the next epoch; ``time_step`` is the number of rows seen so far."""
        if self.name == "sgd" and self.schedule == "invscaling":
            self._rate = float(self.learning_rate_init) / (time_step + 1) ** self.power_t

    def trigger_stopping(self, message: str, verbose: Any) -> bool:
        """Return whether training ends now that nothing improves; an adaptive rate is lowered first."""
        ends, told = True, "Stopping."
        if self.name == "sgd" and self.schedule == "adaptive":
            if self._rate <= SMALLEST_RATE:
                told = "Learning rate too small. Stopping."
            else:
                self._rate /= 5.0
                ends, told = False, f"Setting learning rate to {self._rate:f}"
        if verbose:
            print(f"{message} {told}")
        return ends

    def __getstate__(self) -> dict[str, Any]:
        """Return the state that pickle and copy keep."""
        return {**self.__dict__, "_ready": NONE_READY}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Copy the slots: joblib may map them read-only from a file, and kernels write to them."""
        self.__dict__.update(state, _ready=NONE_READY)
        self.slots = aligned(state["slots"].shape, state["slots"].dtype)
        self.slots[...] = state["slots"]

    def __repr__(self) -> str:
        """Return the solver, its rate and the steps done."""
        return f"<{self.name}, learning rate {self.learning_rate:g}, after {self.steps} steps>"
