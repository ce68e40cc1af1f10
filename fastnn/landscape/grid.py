"""The losses at many points of a plane: kernel calls on spans of rows, between which Ctrl-C and progress live."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from fastnn.kernels.table import Kernels

from ..arrays import Array, aligned
from ..backends import threads_for
from ..engine import Data, rows_of
from ..errors import require
from ..model import Model, physical_memory

__all__ = ["losses"]

SPAN = 1024  # rows asked about all points before the next; by shape alone, so that sums are always the same
SLICE_SECONDS = 0.1  # of one kernel call
PROBE_SECONDS = 0.01  # of a call that tells how long a point takes
POINT_BYTES = 48  # coordinates, loss, and their copies


def losses(
    model: Model,
    kernels: Kernels,
    data: Data,
    theta: Array,
    D: Array,
    points: Array,
    *,
    num_threads: int | None,
    progress: bool | None,
    time_limit: float | None,
) -> Array:
    """Return the data loss at theta + a D[0] + b D[1] for the rows (a, b) of points, float64.

    Raises
    ------
    ValueError
        If a measurement of the first points says that all would take longer than ``time_limit`` seconds.
    """
    const, total = model.const(), np.zeros(len(points))
    theta, D = np.ascontiguousarray(theta), np.ascontiguousarray(D)
    points = np.ascontiguousarray(points, np.float64)
    threads = threads_for(2.0 * model.n_parameters * len(points) * data.X.rows, num_threads)
    work = aligned(kernels.work_size("surface", model.plan, min(SPAN, data.X.rows), threads), model.dtype)

    def ask(span: slice, first: int, last: int) -> float:
        """Add a span's part of the losses of points[first:last] to total, and return the seconds taken."""
        out = np.empty(last - first)
        began = time.perf_counter()
        kernels.surface(
            model.plan, const, model.loss_code, theta, D, points[first:last], *rows_of(data.X, span)[:3],
            data.targets.T[span], data.weights[span] if data.weights.size else data.weights, data.total_weight, work,
            out, threads,
        )  # fmt: skip
        total[first:last] += out
        return time.perf_counter() - began

    spans = [slice(start, min(start + SPAN, data.X.rows)) for start in range(0, data.X.rows, SPAN)]
    slice_of, seconds = _measure(ask, spans, len(points))
    total[...] = 0
    if time_limit is not None and seconds > time_limit:
        raise ValueError(
            f"{len(points):,} points on {data.X.rows:,} rows would take about {seconds:,.0f} s, and time_limit is "
            f"{time_limit:g} s. Take fewer points or rows, or time_limit=None."
        )
    with _bar(progress, len(points) * data.X.rows) as bar:
        for span in spans:
            for first in range(0, len(points), slice_of):
                last = min(first + slice_of, len(points))
                ask(span, first, last)
                if bar is not None:
                    bar.update((last - first) * (span.stop - span.start))
    return total


def _measure(ask: Any, spans: list[slice], n: int) -> tuple[int, float]:
    """Return how many points take SLICE_SECONDS, and the seconds that all points on all rows would take.

    A call of one point tells what a span costs by itself, a call of some more what a point adds.  The fastest of three
    counts: a busy machine makes calls longer, never shorter.
    """
    ask(spans[0], 0, 1)  # warms caches, and compiles where there is something to compile
    alone, some = min(ask(spans[0], 0, 1) for _ in range(3)), 1
    more = 0.0
    while some < n and more < PROBE_SECONDS:
        some = min(8 * some, n)
        more = min(ask(spans[0], 0, some) for _ in range(3)) - alone
    each = max(more / some, 1e-9) if some > 1 else alone
    rows = sum(span.stop - span.start for span in spans) / (spans[0].stop - spans[0].start)
    return max(1, int(SLICE_SECONDS / each)), rows * (alone + n * each)


def check_memory(n: int, model: Model) -> None:
    """Raise MemoryError where so many points, or the directions, exceed the machine's memory."""
    size = n * POINT_BYTES + 4 * model.theta.nbytes
    memory = physical_memory()
    if memory is not None and size > memory:
        raise MemoryError(
            f"a surface of {n:,} points takes {size / 2**30:.1f} GiB, and this machine has {memory / 2**30:.1f} GiB. "
            "Take fewer points."
        )


@contextmanager
def _bar(progress: bool | None, total: int) -> Iterator[Any]:
    """Yield a progress bar over rows times points, or None; by default it shows on a terminal only."""
    if progress is None:
        progress = sys.stderr is not None and sys.stderr.isatty()
    if not progress:
        yield None
        return
    tqdm = require("tqdm", "all", "A progress bar").tqdm
    with tqdm(total=total, unit="row", unit_scale=True, desc="surface") as bar:
        yield bar
