"""Initial weights: names, scales and the order of drawing.

Layer by layer, W is drawn and then, where asked for, b; always in float64 and then rounded, so that a float32 network
starts where the float64 one does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn.kernels.activations import ACTIVATIONS

from .arrays import Array, check_values, numeric
from .checks import choice, per_layer, real

__all__ = ["INITIALIZERS", "Initializer", "initialise", "resolve"]

Initializer = Callable[["np.random.Generator", int, int], Any]  # a string: NumPy loads numpy.random when first asked


def he_normal(rng: np.random.Generator, n_in: int, n_out: int) -> Array:
    """N(0, 2 / n_in); He et al. 2015, eq. 10."""
    return rng.normal(0, (2 / n_in) ** 0.5, (n_in, n_out))


def he_uniform(rng: np.random.Generator, n_in: int, n_out: int) -> Array:
    """U(-a, a), a = sqrt(6 / n_in); He et al. 2015."""
    return _uniform(rng, n_in, n_out, (6 / n_in) ** 0.5)


def glorot_normal(rng: np.random.Generator, n_in: int, n_out: int) -> Array:
    """N(0, 2 / (n_in + n_out)); Glorot & Bengio 2010, eq. 12."""
    return rng.normal(0, (2 / (n_in + n_out)) ** 0.5, (n_in, n_out))


def glorot_uniform(rng: np.random.Generator, n_in: int, n_out: int) -> Array:
    """U(-a, a), a = sqrt(6 / (n_in + n_out)); Glorot & Bengio 2010, eq. 16."""
    return _uniform(rng, n_in, n_out, (6 / (n_in + n_out)) ** 0.5)


def lecun_normal(rng: np.random.Generator, n_in: int, n_out: int) -> Array:
    """N(0, 1 / n_in); LeCun et al. 1998, eq. 16."""
    return rng.normal(0, (1 / n_in) ** 0.5, (n_in, n_out))


def lecun_uniform(rng: np.random.Generator, n_in: int, n_out: int) -> Array:
    """U(-a, a), a = sqrt(3 / n_in); LeCun et al. 1998."""
    return _uniform(rng, n_in, n_out, (3 / n_in) ** 0.5)


def orthogonal(rng: np.random.Generator, n_in: int, n_out: int) -> Array:
    """Orthonormal columns or rows, whichever are fewer; Saxe et al. 2014."""
    draw = rng.normal(size=(max(n_in, n_out), min(n_in, n_out)))
    q, r = np.linalg.qr(draw)
    q = q * np.sign(np.diag(r))  # makes the distribution uniform over orthogonal matrices (Mezzadri 2007)
    return q if n_in >= n_out else q.T


def zeros(rng: np.random.Generator, n_in: int, n_out: int) -> Array:
    """All zero: every unit of a layer then stays equal to its neighbours; for demonstrations and single layers."""
    return np.zeros((n_in, n_out))


def _uniform(rng: np.random.Generator, n_in: int, n_out: int, a: float) -> Array:
    return rng.uniform(-a, a, (n_in, n_out))


INITIALIZERS: dict[str, Initializer] = {
    f.__name__: f
    for f in (
        he_normal,
        he_uniform,
        glorot_normal,
        glorot_uniform,
        lecun_normal,
        lecun_uniform,
        orthogonal,
        zeros,
    )
}
SCALES = {"normal": "standard deviation", "uniform": "bound", "constant": "value"}


def resolve(init: Any, act: int) -> tuple[Initializer, float]:
    """Return (function that draws W, standard deviation of b) for one layer.

    ``init`` is None (He for the relu family, else Glorot), a name, a callable, or a dict with one of "normal" (its
    standard deviation), "uniform" (its bound), "constant", and optionally "bias" (standard deviation of normal biases).
    """
    if init is None:
        return (glorot_uniform if ACTIVATIONS[act].gain is None else he_normal), 0.0
    if isinstance(init, str):
        return INITIALIZERS[choice(init, "init", INITIALIZERS)], 0.0
    if callable(init):
        return init, 0.0
    if isinstance(init, dict):
        scales = [key for key in init if key in SCALES]
        unknown = [key for key in init if key not in SCALES and key != "bias"]
        if len(scales) == 1 and not unknown:
            key = scales[0]
            size = real(init[key], f"init[{key!r}]", *((0.0,) if key != "constant" else ()))
            bias = real(init.get("bias", 0.0), "init['bias']", 0)
            return _scaled(key, size), bias
    raise ValueError(
        f"init must be None, a name ({', '.join(INITIALIZERS)}), a callable(rng, n_in, n_out), or a dict such as "
        f"{{'normal': 0.01}}, {{'uniform': 0.1}}, {{'constant': 0}}, each with 'bias': std if wanted; got {init!r}."
    )


def _scaled(kind: str, size: float) -> Initializer:
    if kind == "normal":
        return lambda rng, n_in, n_out: rng.normal(0, size, (n_in, n_out))
    if kind == "uniform":
        return lambda rng, n_in, n_out: _uniform(rng, n_in, n_out, size)
    return lambda rng, n_in, n_out: np.full((n_in, n_out), size)


def initialise(init: Any, plan: Array, rng: np.random.Generator, theta: Array) -> None:
    """Draw the initial parameters of a network into theta, which holds zeros and keeps them for init="zeros".

    Raises
    ------
    ValueError
        For an unknown init, or a callable whose result has the wrong shape or is not finite.
    """
    if isinstance(init, str) and init == "zeros":
        return  # for those who bring their own: nothing of a large theta is touched twice
    for layer, given in enumerate(per_layer(init, "init", len(plan) - 1, "layer"), start=1):
        n_in, n_out, act, bias, w_at, b_at = (int(number) for number in plan[layer, :6])
        draw, bias_scale = resolve(given, act)
        W = numeric(draw(rng, n_in, n_out), f"init of layer {layer}")
        if W.shape != (n_in, n_out):
            raise ValueError(f"init of layer {layer} must return shape ({n_in}, {n_out}), got {W.shape}.")
        check_values(W, theta.dtype, f"init of layer {layer}")
        theta[w_at:b_at] = W.ravel()
        if bias:
            theta[b_at : b_at + n_out] = rng.normal(0, bias_scale, n_out) if bias_scale else 0
