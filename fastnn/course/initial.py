"""Random initial values in the notes' order, and checks of layer sizes and gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..arrays import Array
from ..checks import real, whole
from ..functional.inputs import floating
from ..parameters import as_dict, as_layers
from .columns import generator

__all__ = ["check_grads", "initialize_parameters", "initialize_parameters_deep", "random_layers", "sizes_of"]


def initialize_parameters(n_x: int, n_h: int, n_y: int, seed: int | None = None) -> dict[str, Array]:
    """Return W1 (n_h, n_x), W2 (n_y, n_h) from 0.01 randn, and b1, b2 of zeros.

    Examples
    --------
    >>> initialize_parameters(3, 2, 1, seed=1)["W1"].round(4).tolist()
    [[0.0162, -0.0061, -0.0053], [-0.0107, 0.0087, -0.023]]
    """
    return random_layers([n_x, n_h, n_y], 0.01, seed)


def initialize_parameters_deep(
    layer_dims: Sequence[int], scale: float | str = 0.01, seed: int | None = None
) -> dict[str, Array]:
    """Return random W1, b1, ..., WL, bL: W[l] = randn(n_l, n_(l-1)) times a factor, b[l] = 0.

    Parameters
    ----------
    layer_dims : sequence of int
        n_0 = n_x, n_1, ..., n_L.
    scale : float, "fan_in" or "he"
        The factor: a number; 1 / sqrt(n_(l-1)), which `L_layer_model` starts from; or sqrt(2 / n_(l-1)).
    seed : int or None
        As ``np.random.seed(seed)`` before the draws, W1 first; None goes on with NumPy's global generator.

    Raises
    ------
    TypeError, ValueError
        For sizes that are no whole numbers >= 1, or another scale.

    Examples
    --------
    >>> parameters = initialize_parameters_deep([5, 4, 3], seed=3)
    >>> parameters["W1"].shape, parameters["b2"].shape, round(float(parameters["W1"][0, 0]), 4)
    ((4, 5), (3, 1), 0.0179)
    """
    return random_layers(layer_dims, scale, seed)


def random_layers(layer_dims: Sequence[int], scale: float | str, seed: int | None) -> dict[str, Array]:
    """Return W = randn * scale and b = 0 of every layer."""
    dims = sizes_of(layer_dims)
    random = generator(seed)
    weights = []
    for n_in, n_out in zip(dims[:-1], dims[1:], strict=True):
        W: Array = random.randn(n_out, n_in)
        if scale == "fan_in":
            W /= np.sqrt(n_in)
        elif scale == "he":
            W *= np.sqrt(2 / n_in)
        elif isinstance(scale, str):
            raise ValueError(f"scale must be a number, 'fan_in' or 'he', got {scale!r}.")
        else:
            W *= real(scale, "scale")
        weights.append(W)
    return as_dict(weights, [np.zeros((n, 1)) for n in dims[1:]])


def sizes_of(layer_dims: Any) -> list[int]:
    """Return the layer sizes, checked: the input and at least one layer, whole numbers >= 1."""
    if not isinstance(layer_dims, (Sequence, np.ndarray)) or isinstance(layer_dims, str) or len(layer_dims) < 2:
        raise ValueError(f"layer_dims must be the sizes n_x, n_1, ..., n_L, at least two; got {layer_dims!r}.")
    return [whole(n, f"layer_dims[{i}]", 1) for i, n in enumerate(layer_dims)]


def check_grads(parameters: Mapping[str, Any], grads: Mapping[str, Any]) -> Iterator[tuple[str, Array, Array]]:
    """Yield the name, value and gradient of each parameter, the shapes checked."""
    for name, value in as_dict(*as_layers(parameters)).items():
        if f"d{name}" not in grads:
            raise ValueError(f"grads has no d{name}; it holds {', '.join(sorted(map(str, grads))) or 'nothing'}.")
        slope = floating(grads[f"d{name}"], f"d{name}")
        if slope.shape != value.shape:
            raise ValueError(f"d{name} must have the shape of {name}, {value.shape}, got {slope.shape}.")
        yield name, value, slope
