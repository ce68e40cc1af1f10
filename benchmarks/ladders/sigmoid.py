"""The logistic function of float32 numbers: from Python's math.exp to the kernel."""

from __future__ import annotations

import ctypes

import numpy as np

from benchmarks.kernels.limits import clock_of
from benchmarks.loops import python_loops
from fastnn.backends import kernels
from fastnn.kernels import cython_kernels
from fastnn.kernels.activations import BY_NAME

from .ladder import Arrays, Ladder, Rung, Version, library, pointer


def data(n: int) -> Arrays:
    """Return numbers where the function is steep, and some where it is flat."""
    return {"x": np.random.default_rng(0).standard_normal(n, np.float32) * 4, "y": np.empty(n, np.float32)}


def python(arrays: Arrays) -> Rung:
    """Return the loop over a list."""
    x = arrays["x"].tolist()
    return lambda: python_loops.sigmoid(x, None), None


def numpy(arrays: Arrays) -> Rung:
    """Return the expression over whole arrays."""
    x = arrays["x"]
    return lambda: 1 / (1 + np.exp(-x)), None


def in_c(number: int):
    """Return what makes a version of sigmoid.c."""

    def make(arrays: Arrays) -> Rung:
        function = library("sigmoid").run
        function.restype = ctypes.c_double
        x, y = arrays["x"], arrays["y"]

        def clock(calls: int) -> float:
            return function(number, ctypes.c_int64(calls), ctypes.c_int64(x.size), pointer(x), pointer(y))

        def run() -> np.ndarray:
            clock(1)
            return y

        return run, clock

    return make


def in_use(arrays: Arrays) -> Rung:
    """Return the kernel."""
    code, x, y = BY_NAME["sigmoid"].code, arrays["x"][None, :], arrays["y"][None, :]

    def run() -> np.ndarray:
        kernels("cython").activation(code, x, y)
        return arrays["y"]

    return run, clock_of(cython_kernels.time_activation, code, x, y, samples=1)


LADDER = Ladder(
    "sigmoid", "1 / (1 + exp(-x)) of float32 numbers", (10_000, 1_000_000), (1000,), data,
    (
        Version("Python loop", "the definition", "an object per number, and a call", python),
        Version("NumPy", "whole arrays", "fast exp, but four passes over memory and a division in each", numpy),
        Version("C, libm", "one pass, libm's exp", "a call per number, which nothing can vectorise", in_c(1)),
        Version("table", "4096 values and a line between them",
                "No: two dependent loads per number, and six digits where the polynomial has seven", in_c(2)),
        Version("polynomial", "exp as 2^k p(r), inlined", "No: no faster than libm, alone; but no call", in_c(3)),
        Version("in registers", "the same without a branch, a register at a time", "the whole gain lies here", in_c(4)),
        Version("four at a time", "other polynomials fill the wait of one", "little: the processor looks ahead",
                in_c(5)),
        Version("kernels/c", "a shorter polynomial, bounds tested on every float", "in use", in_use),
    ), 1e-6, float,
)  # fmt: skip
