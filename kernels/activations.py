"""Activations: name, code, formula, derivative.

One formula, two homes: this file (the reference evaluates it on arrays, Numba compiles the same text for scalars) and
one macro row each in ``c/activations.h``.  A test holds the two equal.

Every derivative is written in terms of what it ``reads``: the *output* y = f(z) where that is enough, so that z need
not be kept, else the *input* z.  Formulas use only operators and names from ``elementary``; literals are bare Python
numbers, so float32 stays float32 in NumPy, and a transcendental is always called on a bare argument, so that Numba
evaluates it in the array's own precision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .elementary import exp, expm1, log1p, select
from .elementary import tanh as elementary_tanh
from .normal import normal_cdf

SILU_ZERO = 800.0  # sigmoid(-z) = 0 in any dtype from here on, ...
GELU_ZERO = 40.0  # ... and the normal distribution beyond -z
INV_SQRT_2PI = 0.3989422804014327  # 1 / sqrt(2 pi)
LEAKY_SLOPE = 0.01

INPUT, OUTPUT = "input", "output"


def identity(z):
    return +z


def identity_df(y):
    return 1


def sigmoid(z):
    e = exp(-abs(z))  # never overflows, and keeps the subnormal results below -88 (float32)
    return select(z < 0, e, 1) / (1 + e)


def sigmoid_df(y):
    return y * (1 - y)


def tanh(z):
    return elementary_tanh(z)


def tanh_df(y):
    return 1 - y * y


def relu(z):
    return select(z < 0, 0, z)  # in this order a NaN passes through


def relu_df(y):  # for NaN the slope of relu is 0 and of leaky_relu LEAKY_SLOPE; the loss is NaN already
    return y > 0  # a truth value is the number 0 or 1, and keeps float32 float32


def leaky_relu(z):
    return select(z < 0, LEAKY_SLOPE * z, z)


def leaky_relu_df(y):
    return select(y > 0, 1, LEAKY_SLOPE)


def elu(z):
    return select(z < 0, expm1(select(z < 0, z, 0)), z)


def elu_df(y):
    return select(y > 0, 1, y + 1)


def softplus(z):
    return select(z < 0, 0, z) + log1p(exp(-abs(z)))


def softplus_df(y):
    return -expm1(-y)


def silu(z):
    return select(z < -SILU_ZERO, -SILU_ZERO, z) * sigmoid(z)  # -inf 0 has the limit 0


def silu_df(z):
    w = select(z < -SILU_ZERO, -SILU_ZERO, select(z > SILU_ZERO, SILU_ZERO, z))
    s = sigmoid(w)
    return s * (1 + w * (1 - s))


def gelu(z):
    return select(z < -GELU_ZERO, -GELU_ZERO, z) * normal_cdf(z)


def gelu_df(z):
    w = select(z < -GELU_ZERO, -GELU_ZERO, select(z > GELU_ZERO, GELU_ZERO, z))
    return normal_cdf(w) + INV_SQRT_2PI * w * exp(-0.5 * (w * w))


class Activation(NamedTuple):
    """One activation.

    ``gain`` is the scale of He's initialisation, std = gain / sqrt(n_in), for the relu family, and None where Glorot's
    is meant.  ``formula`` is for people.
    """

    name: str
    code: int
    f: Callable[[Any], Any]
    df: Callable[[Any], Any]
    reads: str
    gain: float | None
    formula: str


HE = 2.0**0.5
ACTIVATIONS: tuple[Activation, ...] = (
    Activation("identity", 0, identity, identity_df, OUTPUT, None, "z"),
    Activation("sigmoid", 1, sigmoid, sigmoid_df, OUTPUT, None, "1 / (1 + exp(-z))"),
    Activation("tanh", 2, tanh, tanh_df, OUTPUT, None, "tanh(z)"),
    Activation("relu", 3, relu, relu_df, OUTPUT, HE, "max(z, 0)"),
    Activation("leaky_relu", 4, leaky_relu, leaky_relu_df, OUTPUT, HE, "z if z > 0 else 0.01 z"),
    Activation("elu", 5, elu, elu_df, OUTPUT, HE, "z if z > 0 else exp(z) - 1"),
    Activation("softplus", 6, softplus, softplus_df, OUTPUT, HE, "log(1 + exp(z))"),
    Activation("silu", 7, silu, silu_df, INPUT, HE, "z / (1 + exp(-z))"),
    Activation("gelu", 8, gelu, gelu_df, INPUT, HE, "z/2 (1 + erf(z / sqrt 2))"),
)
BY_NAME = {a.name: a for a in ACTIVATIONS}
ALIASES = {"logistic": "sigmoid", "linear": "identity", "swish": "silu"}
IDENTITY = BY_NAME["identity"].code
