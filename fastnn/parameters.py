"""Parameters as the notes keep them: a dict of ``W1 b1 W2 b2 ...``, W[l] (n_l, n_(l-1)) and b[l] (n_l, 1).

Every error about such a dict is raised here; it says which layer, which shapes, and what would fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .arrays import Array, numeric

__all__ = ["as_dict", "as_layers"]


def as_layers(parameters: Any, name: str = "parameters") -> tuple[list[Array], list[Array]]:
    """Return the matrices W1, W2, ... and the columns b1, b2, ... of a dict, checked; the latter empty without biases.

    Parameters
    ----------
    parameters : mapping
        ``W1 b1 W2 b2 ...``; other keys are passed over.  Either every layer has a bias or none.
    name : str
        For messages.

    Returns
    -------
    weights : list of ndarray, shapes (n_l, n_(l-1))
    biases : list of ndarray, shapes (n_l, 1)
        Both float32 or float64, not copied where they are that already.

    Raises
    ------
    TypeError
        If it is no mapping or holds what is no number.
    ValueError
        If a key is missing or the shapes do not chain.
    """
    if not isinstance(parameters, Mapping):
        raise TypeError(f"{name} must be a dict of W1, b1, W2, b2, ..., got {type(parameters).__name__}.")
    count = 0
    while f"W{count + 1}" in parameters:
        count += 1
    keys = ", ".join(sorted(map(str, parameters))) or "nothing"
    if not count:
        raise ValueError(f"{name} must hold W1, b1, W2, b2, ...; it holds {keys}.")
    beyond = [key for key in parameters if str(key)[:1] == "W" and str(key)[1:].isdigit() and int(key[1:]) > count]
    if beyond:
        raise ValueError(f"{name} has no W{count + 1}, but {', '.join(beyond)}; number the layers 1, 2, 3, ...")
    weights = [_real(parameters[f"W{layer}"], f"W{layer}") for layer in range(1, count + 1)]
    check_chain(weights)
    missing = [f"b{layer}" for layer in range(1, count + 1) if f"b{layer}" not in parameters]
    if len(missing) == count:
        return weights, []
    if missing:
        raise ValueError(f"{name} has no {', '.join(missing)}; give every layer its b (n_l, 1), or none of them.")
    return weights, [_column(parameters[f"b{layer}"], W.shape[0], layer) for layer, W in enumerate(weights, start=1)]


def check_chain(weights: Sequence[Array]) -> None:
    """Raise ValueError where a W is no matrix or does not take what the layer before gives."""
    for layer, W in enumerate(weights, start=1):
        if W.ndim != 2 or W.size == 0:
            fix = f" Use W{layer}.reshape(1, -1) for one unit." if W.ndim == 1 else ""
            raise ValueError(
                f"W{layer} must be a matrix (n_{layer}, n_{layer - 1}) of at least one unit, got shape {W.shape}.{fix}"
            )
        if layer > 1 and W.shape[1] != weights[layer - 2].shape[0]:
            before = weights[layer - 2].shape
            turned = f" W{layer}.T would fit." if W.shape[0] == before[0] else ""
            raise ValueError(
                f"layer {layer} takes {W.shape[1]} inputs, W{layer} {W.shape}; layer {layer - 1} has {before[0]} "
                f"units, W{layer - 1} {before}. W{layer} of shape ({W.shape[0]}, {before[0]}) would fit.{turned}"
            )


def as_dict(weights: Sequence[Array], biases: Sequence[Array]) -> dict[str, Array]:
    """Return the dict ``W1 b1 W2 b2 ...`` of matrices and columns, in this order."""
    made: dict[str, Array] = {}
    for layer, W in enumerate(weights, start=1):
        made[f"W{layer}"] = W
        if len(biases):
            made[f"b{layer}"] = biases[layer - 1]
    return made


def _real(value: Any, name: str) -> Array:
    array = numeric(value, name)
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def _column(value: Any, units: int, layer: int) -> Array:
    b = _real(value, f"b{layer}")
    if b.size != units or b.ndim > 2 or (b.ndim == 2 and b.shape[1] != 1):
        raise ValueError(f"b{layer} must have shape ({units}, 1), one row per unit of layer {layer}, got {b.shape}.")
    return b.reshape(units, 1)
