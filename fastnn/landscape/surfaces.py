"""`surface` and `interpolate`: from a network and data to losses over a plane or along a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import backends, engine
from ..arrays import Array, numeric
from ..checks import real, whole
from ..model import Model
from ..network import Network
from .directions import Plane, plane_of
from .grid import check_memory, losses
from .pictures import Interpolation, Surface

__all__ = ["interpolate", "surface"]

MARGIN = 0.25  # around a path, as a share of its extent


def surface(
    net: Network,
    X: Any,
    y: Any,
    directions: Any = "random",
    span: Any = None,
    points: Any = 51,
    path: Any = None,
    seed: int = 0,
    *,
    sample_weight: Any = None,
    time_limit: float | None = 600.0,
    progress: bool | None = None,
    backend: str | None = None,
    num_threads: int | None = None,
) -> Surface:
    """Return the loss over a plane through a network's parameters.

        loss[i, j] = L(theta + a_i D_1 + b_j D_2)

    Parameters
    ----------
    net : Network
        Its parameters are the origin; they are not changed.
    X, y, sample_weight
        As in `Network.evaluate`.
    directions : "random", "pca", (vector, vector) or (index, index)
        "random": two normal directions, the part of each neuron as long as the neuron's weights, biases kept.
        "pca": the two directions in which ``path`` strays most from the network's parameters.  Two vectors: of
        n_parameters numbers, in the order of ``net.theta``.  Two indices into ``net.theta``: the axes are those two
        parameters' own values.
    span : (low, high) or ((low, high), (low, high)), optional
        Of both axes, or of each; ends included.  None: what holds the path, and -1 to 1 where there is none.
    points : int, (int, int) or (sequence, sequence)
        Points on both axes or on each; or the axes' values themselves, and then ``span`` is not read.
    path : Checkpoints or sequence of parameters, optional
        A training run; it is projected onto the plane.
    seed : int
        Of the random directions.
    time_limit : float or None
        Seconds; a surface that would take longer is refused at the start.
    progress : bool or None
        Show a progress bar; None: on a terminal only.
    backend : str or None
    num_threads : int or None

    Returns
    -------
    Surface

    Raises
    ------
    ValueError, TypeError
        For directions, a span, points or a path that do not fit, or a surface that would take too long.
    MemoryError
        For more points than the memory holds.

    Notes
    -----
    A loss too large for the dtype is infinite or NaN in the result, and left out of pictures.

    References
    ----------
    Li et al. 2018, Visualizing the loss landscape of neural nets (filter normalisation; PCA about the last point).

    Examples
    --------
    >>> import numpy as np, fastnn
    >>> net = fastnn.Network([1, 1, 1], activation="tanh", output="identity", bias=False, dtype="float64", seed=0)
    >>> found = fastnn.landscape.surface(net, [[1.0]], [0.5], (0, 1), span=(-2, 2), points=3)
    >>> found.a.tolist(), round(float(found.loss[2, 2]), 6)  # (2 tanh(2) - 0.5)^2 / 2
    ([-2.0, 0.0, 2.0], 1.019671)
    """
    if not isinstance(net, Network):
        raise TypeError(f"net must be a fastnn.Network, got {type(net).__name__}.")
    limit = None if time_limit is None else real(time_limit, "time_limit", 0, open_low=True)
    data = engine.encode(net, X, y, sample_weight)
    plane = plane_of(net, directions, path, seed)
    a, b = _axes(plane, span, points, net)
    grid = np.stack(np.meshgrid(a, b, indexing="ij"), axis=-1).reshape(-1, 2)
    kernels = backends.kernels(backend)
    found = losses(net, kernels, data, plane.theta, plane.D, grid, num_threads=num_threads, progress=progress,
                   time_limit=limit)  # fmt: skip
    on_path = None
    if plane.path is not None:
        on_path = losses(net, kernels, data, plane.theta, plane.D, plane.path, num_threads=num_threads, progress=False,
                         time_limit=None)  # fmt: skip
    return Surface(
        a=a, b=b, loss=found.reshape(len(a), len(b)), path=plane.path, path_loss=on_path, explained=plane.explained,
        directions=plane.D, names=plane.names,
    )  # fmt: skip


def _axes(plane: Plane, span: Any, points: Any, model: Model) -> tuple[Array, Array]:
    """Return the values on both axes."""
    pair = isinstance(points, (Sequence, np.ndarray)) and not isinstance(points, (str, bytes))
    if pair and len(points) != 2:
        raise ValueError(f"points must be one number, or two (or the values themselves), got {len(points)} entries.")
    counts = list(points) if pair else [points, points]
    if pair and any(np.ndim(entry) for entry in counts):
        values = [_values(entry, f"points[{i}]") for i, entry in enumerate(counts)]
        check_memory(values[0].size * values[1].size, model)
        return values[0], values[1]
    counts = [whole(count, "points", 2) for count in counts]
    check_memory(counts[0] * counts[1], model)
    ends = _spans(plane, span)
    return np.linspace(*ends[0], counts[0]), np.linspace(*ends[1], counts[1])


def _values(entry: Any, name: str) -> Array:
    values = numeric(entry, name).astype(np.float64)
    if values.ndim != 1 or values.size < 2 or not (np.diff(values) > 0).all() or not np.isfinite(values).all():
        raise ValueError(f"{name} must be at least two finite values in rising order, got shape {values.shape}.")
    return values


def _spans(plane: Plane, span: Any) -> list[tuple[float, float]]:
    if span is None:
        if plane.path is None:
            return [(-1.0, 1.0), (-1.0, 1.0)]
        low, high = plane.path.min(axis=0), plane.path.max(axis=0)
        room = MARGIN * np.where(high > low, high - low, 1.0)
        return [(float(low[i] - room[i]), float(high[i] + room[i])) for i in (0, 1)]
    if not isinstance(span, (Sequence, np.ndarray)) or len(span) != 2:
        raise ValueError(f"span must be (low, high), or one such pair per axis, got {span!r}.")
    pairs = list(span) if np.ndim(span[0]) else [span, span]
    found = []
    for pair in pairs:
        if np.ndim(pair) != 1 or len(pair) != 2:
            raise ValueError(f"span must be (low, high), or one such pair per axis, got {span!r}.")
        low = real(pair[0], "span's low end")
        found.append((low, real(pair[1], "span's high end", low, open_low=True)))
    return found


def interpolate(
    net: Network,
    other: Network,
    X: Any,
    y: Any,
    span: tuple[float, float] = (0.0, 1.0),
    points: int = 51,
    *,
    sample_weight: Any = None,
    time_limit: float | None = 600.0,
    progress: bool | None = None,
    backend: str | None = None,
    num_threads: int | None = None,
) -> Interpolation:
    """Return the loss along the straight line between two networks.

        loss[i] = L((1 - t_i) theta + t_i theta')

    Parameters
    ----------
    net, other : Network
        Where t is 0 and where it is 1; of the same sizes, activations, output and loss.
    X, y, sample_weight, time_limit, progress, backend, num_threads
        As in `surface`.
    span : (low, high)
        Of t; it may go beyond 0 and 1.
    points : int

    Returns
    -------
    Interpolation

    Raises
    ------
    ValueError, TypeError
        If the networks differ in more than their parameters, and as `surface` raises.

    Examples
    --------
    >>> import fastnn
    >>> line = [fastnn.Network.from_weights([[[w]]], None, output="identity") for w in (0.0, 2.0)]
    >>> fastnn.landscape.interpolate(*line, [[1.0]], [1.0], points=3).loss.tolist()
    [0.5, 0.0, 0.5]
    """
    for name, given in (("net", net), ("other", other)):
        if not isinstance(given, Network):
            raise TypeError(f"{name} must be a fastnn.Network, got {type(given).__name__}.")
    own, theirs = net.config(), other.config()
    different = [name for name in own if name not in ("seed", "dtype", "multilabel") and own[name] != theirs[name]]
    if different:
        name = different[0]
        raise ValueError(f"the networks must differ in their parameters only; {name} is {own[name]!r} and "
                         f"{theirs[name]!r}.")  # fmt: skip
    limit = None if time_limit is None else real(time_limit, "time_limit", 0, open_low=True)
    low = real(span[0], "span[0]")
    t = np.linspace(low, real(span[1], "span[1]", low, open_low=True), whole(points, "points", 2))
    data = engine.encode(net, X, y, sample_weight)
    D = np.stack([other.theta.astype(net.dtype) - net.theta, np.zeros_like(net.theta)])
    found = losses(net, backends.kernels(backend), data, net.theta.copy(), D, np.stack([t, np.zeros_like(t)], axis=1),
                   num_threads=num_threads, progress=progress, time_limit=limit)  # fmt: skip
    return Interpolation(t=t, loss=found)
