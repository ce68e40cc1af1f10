"""The dot product: from Python's loop to the kernel, in cache (10^4 numbers) and from memory (10^7)."""

from __future__ import annotations

import ctypes

import numpy as np

from benchmarks.kernels.limits import clock_of
from benchmarks.loops import python_loops
from benchmarks.loops.work import MOST_PYTHON_STEPS
from fastnn.backends import kernels
from fastnn.kernels import cython_kernels

from .ladder import Arrays, Ladder, Rung, Unavailable, Version, library, pointer


def data(n: int) -> Arrays:
    """Return two vectors of positive numbers, so that the sum does not cancel."""
    x, y = np.random.default_rng(0).random((2, n), np.float32)
    return {"x": x, "y": y}


def python(arrays: Arrays) -> Rung:
    """Return the loop over lists."""
    if arrays["x"].size >= MOST_PYTHON_STEPS:
        raise Unavailable(f"{arrays['x'].size:.0e} steps of a Python loop", "not run")
    x, y = arrays["x"].tolist(), arrays["y"].tolist()
    return lambda: python_loops.dot(x, y), None


def in_c(number: int):
    """Return what makes a version of dot.c."""

    def make(arrays: Arrays) -> Rung:
        function = library("dot").run
        function.restype = ctypes.c_double
        result = np.zeros(1)
        places = [pointer(array) for array in (arrays["x"], arrays["y"], result)]

        def clock(calls: int) -> float:
            return function(number, ctypes.c_int64(calls), ctypes.c_int64(arrays["x"].size), *places)

        def run() -> float:
            clock(1)
            return float(result[0])

        return run, clock

    return make


def in_use(arrays: Arrays) -> Rung:
    """Return the kernel."""
    x, y = arrays["x"], arrays["y"]
    return lambda: kernels("cython").dot(x, y), clock_of(cython_kernels.time_dot, x, y, samples=1)


LADDER = Ladder(
    "dot", "sum of products of float32 numbers", (10_000, 10_000_000), (1000,), data,
    (
        Version("Python loop", "the definition", "an object made and thrown away for every number", python),
        Version("C, one accumulator", "no objects",
                "an addition's latency per number; over 10^7 numbers it loses two digits", in_c(1)),
        Version("four accumulators", "four additions under way at once", "the chain was the limit, and is shorter",
                in_c(2)),
        Version("one register", "a register of numbers per instruction", "the lanes of a register, and one chain again",
                in_c(3)),
        Version("eight registers", "lanes and chains together", "the loads are the limit; from memory, its bandwidth",
                in_c(4)),
        Version("prefetch", "ask for the memory 1 KB ahead",
                "No: the processor sees two straight streams by itself", in_c(5)),
        Version("two threads", "half each, a thread made for the call",
                "No for 10^4: making a thread costs more than the work",
                in_c(6), threads=2),
        Version("kernels/c", "eight registers, sums in an order that depends on n alone", "in use", in_use),
    ), 2e-2, float,  # one float32 accumulator loses two digits over 10^7 numbers; the others do not
)  # fmt: skip
