"""Directions in the space of parameters: given, random and filter-normalised, or a run's principal components."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array, vector
from ..callbacks import Checkpoints
from ..checks import whole
from ..model import Model

__all__ = ["Plane", "plane_of"]

KINDS = "'random', 'pca', two vectors of parameters, or two indices into theta"


class Plane(NamedTuple):
    """theta + a D[0] + b D[1]; the coordinates and the explained variance of a path, None without one."""

    theta: Array
    D: Array
    path: Array | None
    explained: Array | None
    names: tuple[str, str]


def plane_of(model: Model, directions: Any, path: Any, seed: Any) -> Plane:
    """Return the plane that ``directions`` means, with the path projected onto it.

    Raises TypeError and ValueError for what is no such direction, names no parameter or does not fit the model.
    """
    thetas = None if path is None else _thetas(model, path)
    theta = model.theta.copy()
    names = ("offset along direction 1", "offset along direction 2")
    if isinstance(directions, str):
        if directions == "random":
            D = _random(model, np.random.default_rng(whole(seed, "seed")))
            names = ("offset along random direction 1", "offset along random direction 2")
        elif directions == "pca":
            D = _principal(model, thetas)
            names = ("offset along component 1", "offset along component 2")
        else:
            raise ValueError(f"directions must be {KINDS}; got {directions!r}.")
    else:
        pair = _pair(directions)
        if all(np.ndim(entry) == 0 for entry in pair):
            indices = [_index(model, entry) for entry in pair]
            if indices[0] == indices[1]:
                raise ValueError(f"directions name the parameter {indices[0]} twice; a surface needs two.")
            theta[indices] = 0  # so that offsets are the values themselves
            D = np.zeros((2, theta.size), theta.dtype)
            D[[0, 1], indices] = 1
            names = (_name(model, indices[0]), _name(model, indices[1]))
        else:
            D = np.stack([vector(pair[i], f"directions[{i}]", theta.size, theta.dtype) for i in (0, 1)])
    if thetas is None:
        return Plane(theta, D, None, None, names)
    coordinates, explained = _project(thetas - theta.astype(np.float64), D)
    if isinstance(directions, str) and directions == "pca":
        names = tuple(f"{name} ({100 * share:.1f} %)" for name, share in zip(names, explained, strict=True))  # type: ignore[assignment]
    return Plane(theta, D, coordinates, explained, names)


def _pair(directions: Any) -> list[Any]:
    if not isinstance(directions, (Sequence, np.ndarray)) or len(directions) != 2:
        raise ValueError(f"directions must be {KINDS}; got {directions!r:.80}.")
    return list(directions)


def _index(model: Model, entry: Any) -> int:
    index = whole(entry, "directions")
    if index >= model.n_parameters:
        raise ValueError(f"directions must name parameters 0 ... {model.n_parameters - 1}, got {index}.")
    return index


def _name(model: Model, index: int) -> str:
    """Return what a parameter is called in formulas: W1[3, 0], b2[1]."""
    for layer, (W, b) in enumerate(zip(model.weights, model.biases, strict=True), start=1):
        if index < W.size:
            return f"W{layer}[{index // W.shape[1]}, {index % W.shape[1]}]"
        index -= W.size
        if index < b.size:
            return f"b{layer}[{index}]"
        index -= b.size
    raise IndexError(index)


def _thetas(model: Model, path: Any) -> Array:
    """Return the parameters along a path, (k, n_parameters) float64."""
    thetas = path.thetas if isinstance(path, Checkpoints) else path
    if isinstance(thetas, (str, bytes)) or not hasattr(thetas, "__len__"):
        raise TypeError(f"path must be a fastnn.Checkpoints or a sequence of parameters, got {type(path).__name__}.")
    if len(thetas) == 0:
        raise ValueError("path is empty: give the fit callbacks=[checkpoints], and then path=checkpoints.")
    found = [vector(theta, f"path[{i}]", model.n_parameters, np.float64) for i, theta in enumerate(thetas)]
    return np.stack(found)


def _random(model: Model, rng: np.random.Generator) -> Array:
    """Return two normal directions whose columns are as long as the weights of each neuron; biases stay.

    References
    ----------
    Li et al. 2018, Visualizing the loss landscape of neural nets, section 4: filter normalisation, a filter being the
    weights into one neuron.
    """
    D = np.zeros((2, model.n_parameters), model.dtype)
    for direction in D:
        at = 0
        for W, b in zip(model.weights, model.biases, strict=True):
            drawn = rng.standard_normal(W.shape)
            drawn *= np.linalg.norm(W.astype(np.float64), axis=0) / np.linalg.norm(drawn, axis=0)
            direction[at : at + W.size] = drawn.ravel()
            at += W.size + b.size
    if not D.any():
        raise ValueError("every weight is zero, so directions as long as the weights are zero too. Train the network.")
    return D


def _principal(model: Model, thetas: Array | None) -> Array:
    """Return the two directions of length 1 in which a path strays most from the network's own parameters.

    They point so that the path begins at positive offsets.
    """
    if thetas is None:
        raise ValueError("directions='pca' needs path=: the fastnn.Checkpoints of a fit.")
    strayed = thetas - model.theta.astype(np.float64)
    _, lengths, D = np.linalg.svd(strayed, full_matrices=False)
    if len(lengths) < 2 or lengths[1] <= 1e-12 * lengths[0]:
        raise ValueError(f"the path's {len(thetas)} points lie on a line; two components need three points or more.")
    D = D[:2]
    begin = D @ strayed[0]
    return np.asarray(D * np.where(begin < 0, -1.0, 1.0)[:, None]).astype(model.dtype)


def _project(strayed: Array, D: Array) -> tuple[Array, Array]:
    """Return coordinates (k, 2) of the nearest points of the plane, and each axis's share of the path's squares."""
    basis = D.astype(np.float64)
    coordinates = np.linalg.lstsq(basis.T, strayed.T, rcond=None)[0].T
    total = float(np.square(strayed).sum())
    lengths = np.square(basis).sum(axis=1)
    return coordinates, np.square(coordinates).sum(axis=0) * lengths / (total or 1.0)
