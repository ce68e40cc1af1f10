"""Update rules: sgd, momentum, nesterov, adam, adamw, rmsprop as formulas.

One formula, two homes: this file (the reference evaluates it on arrays, Numba compiles the same text for scalars) and
one macro row each in ``c/updates.h``.  A test holds the two equal.

A rule maps a parameter w, its gradient g and its state slots (s, v) to the new (w, s, v).  Its numbers come from a
row of ``hyper``, so that a schedule may change any of them every step.  The columns are the same for every rule:

====  =============  ==================================================================
col   name           used by
====  =============  ==================================================================
0     LR             all: the learning rate
1     DECAY          all: decoupled weight decay, w <- w - lr decay w, biases exempt
2     FIRST          momentum, nesterov (mu); adam, adamw (beta_1); rmsprop (rho)
3     SECOND         adam, adamw (beta_2)
4     EPSILON        adam, adamw, rmsprop
====  =============  ==================================================================

``prepare`` turns a hyper row and the step number t = 1, 2, ... into the four scalars (a, b, c, e) that ``rule`` takes,
so that bias corrections are computed once per step and not once per parameter.  b and c are 1 - beta where a rule
averages: in float32, 1 - 0.999 taken after 0.999 is rounded would be off by 1.3e-5 of itself.

References
----------
momentum, nesterov: Sutskever et al. 2013, eqs. 1-4, with the learning rate inside the velocity, as scikit-learn has
it (PyTorch keeps it outside: the two differ when the rate changes).  adam: Kingma & Ba 2015, algorithm 1, epsilon added
after the bias correction, as in PyTorch; scikit-learn adds it before, which is this rule with epsilon divided by
sqrt(1 - beta_2^t).  adamw: Loshchilov & Hutter 2019.  rmsprop: Hinton's lecture 6e, epsilon outside the root.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

LR, DECAY, FIRST, SECOND, EPSILON = range(5)
N_HYPER = 5


def prepare_plain(hyper, t):
    """Return (lr, first, 0, epsilon)."""
    return hyper[LR], hyper[FIRST], 0.0, hyper[EPSILON]


def prepare_rmsprop(hyper, t):
    """Return (lr, 1 - rho, 0, epsilon)."""
    return hyper[LR], 1 - hyper[FIRST], 0.0, hyper[EPSILON]


def prepare_adam(hyper, t):
    """Return (lr / (1 - beta_1^t), 1 - beta_1, 1 - beta_2, epsilon), 1 / sqrt(1 - beta_2^t) folded into lr and epsilon.

    m_hat / (sqrt(v_hat) + eps) = sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + eps sqrt(1 - beta_2^t)).
    """
    root = math.sqrt(1 - hyper[SECOND] ** t)
    return hyper[LR] * root / (1 - hyper[FIRST] ** t), 1 - hyper[FIRST], 1 - hyper[SECOND], hyper[EPSILON] * root


def sgd(w, g, s, v, a, b, c, e):
    return w - a * g, s, v


def momentum(w, g, s, v, a, b, c, e):
    s = b * s - a * g
    return w + s, s, v


def nesterov(w, g, s, v, a, b, c, e):
    s = b * s - a * g
    return w + (b * s - a * g), s, v


def adam(w, g, s, v, a, b, c, e):
    s = s + b * (g - s)
    v = v + c * (g * g - v)
    return w - a * s / (np.sqrt(v) + e), s, v


def rmsprop(w, g, s, v, a, b, c, e):
    s = s + b * (g * g - s)
    return w - a * g / (np.sqrt(s) + e), s, v


class Update(NamedTuple):
    """One update rule; ``slots`` says how many rows of state it keeps (0, 1 or 2)."""

    name: str
    code: int
    rule: Callable[..., Any]
    prepare: Callable[[Any, int], tuple[float, float, float, float]]
    slots: int
    formula: str


UPDATES: tuple[Update, ...] = (
    Update("sgd", 0, sgd, prepare_plain, 0, "w <- w - lr g"),
    Update("momentum", 1, momentum, prepare_plain, 1, "v <- mu v - lr g;  w <- w + v"),
    Update("nesterov", 2, nesterov, prepare_plain, 1, "v <- mu v - lr g;  w <- w + mu v - lr g"),
    Update(
        "adam",
        3,
        adam,
        prepare_adam,
        2,
        "m <- b1 m + (1-b1) g;  v <- b2 v + (1-b2) g^2;  w <- w - lr m/(1-b1^t) / (sqrt(v/(1-b2^t)) + eps)",
    ),
    Update("adamw", 4, adam, prepare_adam, 2, "adam, and w <- w - lr decay w before it"),
    Update("rmsprop", 5, rmsprop, prepare_rmsprop, 1, "s <- rho s + (1-rho) g^2;  w <- w - lr g / (sqrt(s) + eps)"),
)
BY_NAME = {u.name: u for u in UPDATES}
