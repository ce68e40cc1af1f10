"""SGD, Adam, AdamW, RMSprop: what is minimised with, as settings; the formulas are in ``kernels/updates.py``.

An `Optimizer` is immutable settings and may be shared.  `OptimizerState` joins it with the slots and the step count of
one network; a fit or a Trainer owns one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from fastnn.kernels.updates import BY_NAME, DECAY, EPSILON, FIRST, LR, N_HYPER, SECOND

from .arrays import Array, aligned
from .checks import choice, real, truth

if TYPE_CHECKING:
    from .schedules import Schedule

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "OptimizerState", "RMSprop", "as_optimizer"]


def is_schedule(rate: Any) -> TypeGuard[Schedule]:
    """Tell, and import the schedules only where it may be one."""
    if isinstance(rate, Real):
        return False
    from .schedules import Schedule

    return isinstance(rate, Schedule)


@dataclass(frozen=True)
class Optimizer:
    """Base of the optimisers.

    Parameters
    ----------
    learning_rate : float or schedules.Schedule
        Step size per update, >= 0, or a schedule of it.
    """

    learning_rate: float | Schedule

    def __post_init__(self) -> None:
        """Check the fields; the ones that every optimiser shares here."""
        if not is_schedule(self.learning_rate):
            real(self.learning_rate, "learning_rate", 0)

    @property
    def rule(self) -> str:
        """Name of the update rule in ``kernels/updates.py``."""
        raise NotImplementedError

    def columns(self) -> dict[int, float]:
        """Return the constant columns of ``hyper`` that this optimiser sets, by number."""
        raise NotImplementedError

    def hyper(
        self, done: int, n: int, *, steps_per_epoch: int | None = None, total: int | None = None
    ) -> np.ndarray:
        """Return the rows of ``hyper`` for the n steps after ``done`` steps.

        Returns
        -------
        ndarray of float64, shape (n, N_HYPER)
        """
        table = np.zeros((n, N_HYPER))
        for column, value in self.columns().items():
            table[:, column] = value
        if is_schedule(self.learning_rate):
            rates = np.asarray(self.learning_rate.rates(np.arange(done, done + n), steps_per_epoch, total))
            if rates.shape != (n,) or not (np.isfinite(rates) & (rates >= 0)).all():
                raise ValueError(
                    f"{self.learning_rate!r} must give {n} finite rates, none negative, got {rates!r:.200}."
                )
            table[:, LR] = rates
        else:
            table[:, LR] = self.learning_rate
        return table

    def describe(self) -> str:
        """Return the settings and the formula in one line."""
        settings = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in fields(self))
        return f"{type(self).__name__}({settings}):  {BY_NAME[self.rule].formula}"


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum or Nesterov's.

        plain      w <- w - lr g
        momentum   v <- mu v - lr g;  w <- w + v
        nesterov   v <- mu v - lr g;  w <- w + mu v - lr g

    Parameters
    ----------
    learning_rate : float or Schedule
        lr >= 0.
    momentum : float
        mu in [0, 1); 0 is plain descent.
    nesterov : bool
        Needs momentum > 0.
    weight_decay : float
        Decoupled, w <- w - lr weight_decay w before the step, biases exempt; >= 0.

    Raises
    ------
    ValueError
        If a number lies outside its range, or nesterov is asked for without momentum.

    References
    ----------
    Sutskever et al. 2013; the rate is inside the velocity, as in scikit-learn, not as in PyTorch.

    Examples
    --------
    >>> SGD(0.1, momentum=0.9).rule
    'momentum'
    """

    learning_rate: float | Schedule = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        real(self.momentum, "momentum", 0, 1, open_high=True)
        real(self.weight_decay, "weight_decay", 0)
        if truth(self.nesterov, "nesterov") and self.momentum == 0:
            raise ValueError("nesterov=True needs momentum > 0, got momentum=0. Use SGD(rate, momentum=0.9, "
                             "nesterov=True).")  # fmt: skip

    @property
    def rule(self) -> str:
        """Name of the update rule."""
        if self.momentum == 0:
            return "sgd"
        return "nesterov" if self.nesterov else "momentum"

    def columns(self) -> dict[int, float]:
        """Return the constant columns of ``hyper``."""
        return {FIRST: self.momentum, DECAY: self.weight_decay}


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam: steps scaled by running moments of the gradient.

        m <- beta_1 m + (1 - beta_1) g            v <- beta_2 v + (1 - beta_2) g^2
        w <- w - lr m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) + epsilon)

    Parameters
    ----------
    learning_rate : float or Schedule
        lr >= 0.
    beta_1, beta_2 : float
        In [0, 1).
    epsilon : float
        > 0.

    References
    ----------
    Kingma & Ba 2015, algorithm 1, with epsilon outside the bias correction's root, as in PyTorch; scikit-learn adds it
    before the correction.

    Examples
    --------
    >>> Adam().learning_rate
    0.001
    """

    learning_rate: float | Schedule = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        real(self.beta_1, "beta_1", 0, 1, open_high=True)
        real(self.beta_2, "beta_2", 0, 1, open_high=True)
        real(self.epsilon, "epsilon", 0, open_low=True)

    @property
    def rule(self) -> str:
        """Name of the update rule."""
        return "adam"

    def columns(self) -> dict[int, float]:
        """Return the constant columns of ``hyper``."""
        return {FIRST: self.beta_1, SECOND: self.beta_2, EPSILON: self.epsilon}


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay: w <- w - lr weight_decay w before Adam's step, biases exempt.

    Parameters
    ----------
    learning_rate : float or Schedule
        lr >= 0.
    beta_1, beta_2 : float
        In [0, 1).
    epsilon : float
        > 0.
    weight_decay : float
        >= 0.

    References
    ----------
    Loshchilov & Hutter 2019; the decay is scaled by the rate, as in PyTorch.

    Examples
    --------
    >>> AdamW(weight_decay=0.1).rule
    'adamw'
    """

    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        real(self.weight_decay, "weight_decay", 0)

    @property
    def rule(self) -> str:
        """Name of the update rule."""
        return "adamw"

    def columns(self) -> dict[int, float]:
        """Return the constant columns of ``hyper``."""
        return {**super().columns(), DECAY: self.weight_decay}


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """RMSprop: steps divided by the root of a running mean of squared gradients.

        s <- rho s + (1 - rho) g^2            w <- w - lr g / (sqrt(s) + epsilon)

    Parameters
    ----------
    learning_rate : float or Schedule
        lr >= 0.
    rho : float
        In [0, 1).
    epsilon : float
        > 0.
    weight_decay : float
        Decoupled, >= 0.

    References
    ----------
    Hinton, lecture 6e of Neural Networks for Machine Learning, 2012; epsilon outside the root, as in PyTorch.

    Examples
    --------
    >>> RMSprop().rule
    'rmsprop'
    """

    learning_rate: float | Schedule = 0.001
    rho: float = 0.9
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        real(self.rho, "rho", 0, 1, open_high=True)
        real(self.epsilon, "epsilon", 0, open_low=True)
        real(self.weight_decay, "weight_decay", 0)

    @property
    def rule(self) -> str:
        """Name of the update rule."""
        return "rmsprop"

    def columns(self) -> dict[int, float]:
        """Return the constant columns of ``hyper``."""
        return {FIRST: self.rho, EPSILON: self.epsilon, DECAY: self.weight_decay}


class OptimizerState:
    """An optimiser at work on one network: settings, slots and the number of steps done.

    Pass it as ``optimizer=`` to go on where it stopped: ``net.fit(X, y, optimizer=trainer.optimizer)``.

    Attributes
    ----------
    optimizer : Optimizer
        May be assigned: the rate and other settings change, the update rule cannot, as the slots are its.
    slots : ndarray, shape (n_slots, n_parameters), the network's dtype
        Writable in place; cannot be assigned.
    steps : int
    """

    def __init__(self, optimizer: Optimizer, n_parameters: int, dtype: np.dtype[Any]) -> None:
        self._optimizer = optimizer
        self._slots = aligned((BY_NAME[optimizer.rule].slots, n_parameters), dtype, np.zeros)
        self.steps = 0

    @property
    def optimizer(self) -> Optimizer:
        """The settings."""
        return self._optimizer

    @optimizer.setter
    def optimizer(self, value: str | Optimizer) -> None:
        wanted = as_optimizer(value)
        if wanted.rule != self._optimizer.rule:
            raise ValueError(
                f"the state of {self._optimizer!r} cannot become that of {wanted!r}: it keeps what that update rule "
                "needs. Give the same kind of optimizer, or start afresh: fit(optimizer=...) or net.trainer(...)."
            )
        self._optimizer = wanted

    @property
    def slots(self) -> Array:
        """What the update rule remembers, one row per slot; a live array."""
        return self._slots

    @property
    def rule(self) -> int:
        """Code of the update rule."""
        code: int = BY_NAME[self.optimizer.rule].code
        return code

    def __getstate__(self) -> dict[str, Any]:
        """Return the state that pickle and copy keep."""
        return {"optimizer": self._optimizer, "slots": self._slots, "steps": self.steps}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Rebuild from `__getstate__`'s result; the slots are copied, as joblib may map them read-only from a file."""
        self._optimizer, self.steps = state["optimizer"], state["steps"]
        self._slots = aligned(state["slots"].shape, state["slots"].dtype)
        self._slots[...] = state["slots"]

    @classmethod
    def of(cls, value: object, n_parameters: int, dtype: np.dtype[Any]) -> OptimizerState:
        """Return the state given, checked to fit a network, or a fresh one of the optimiser that value names or is.

        Raises ValueError where a state is another network's, and as `as_optimizer` does.
        """
        if not isinstance(value, OptimizerState):
            return cls(as_optimizer(value), n_parameters, dtype)
        shape = (BY_NAME[value.optimizer.rule].slots, n_parameters)
        if value.slots.shape != shape or value.slots.dtype != dtype:
            raise ValueError(
                f"the optimiser's state has slots of shape {value.slots.shape} in {value.slots.dtype}; this network "
                f"and {value.optimizer!r} need {shape} in {dtype}. Pass the optimizer by name for a fresh state."
            )
        return value

    def settings_to_resume(self, value: object) -> Optimizer:
        """Return the settings that value names or is, checked to be of this state's rule."""
        wanted = as_optimizer(value)
        if wanted.rule != self._optimizer.rule:
            raise ValueError(
                f"resume=True goes on with the last fit's {self._optimizer!r}; it cannot become {wanted!r}. "
                "Pass the same kind of optimizer, or resume=False."
            )
        return wanted

    def __repr__(self) -> str:
        """Return the settings and the step count."""
        return f"<{self.optimizer!r} after {self.steps} steps>"


BY_SHORT_NAME: dict[str, Optimizer] = {
    "sgd": SGD(),
    "momentum": SGD(momentum=0.9),
    "nesterov": SGD(momentum=0.9, nesterov=True),
    "adam": Adam(),
    "adamw": AdamW(),
    "rmsprop": RMSprop(),
}


def as_optimizer(value: object) -> Optimizer:
    """Return the optimiser that a name stands for, or the one given.

    Raises ValueError for an unknown name (the known are listed), TypeError for anything else.
    """
    if isinstance(value, Optimizer):
        return value
    if isinstance(value, type) and issubclass(value, Optimizer):
        raise TypeError(f"optimizer must be an instance: write {value.__name__}(...) rather than {value.__name__}.")
    return BY_SHORT_NAME[choice(value, "optimizer", BY_SHORT_NAME)]
