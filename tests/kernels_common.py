"""Builders for the kernel tests: networks, data, memory with guard regions, and one call per program.

Every call here hands the kernel outputs and scratch that lie misaligned between guard elements, fills the scratch with
NaN, and asserts afterwards that the guards and every input still hold the same bytes.  So each test that runs a program
also proves that it stays within its arrays and modifies no input.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import pytest

from fastnn.kernels import activations, losses, plan, updates

BACKENDS = tuple(os.environ.get("FASTNN_TEST_BACKENDS", "numpy,numba,cython").split(","))  # the reference always loads
DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
SIZES = (0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33)  # around every SIMD width, and the ends


class Tolerance(NamedTuple):
    """The one table of tolerances, per dtype of theta.  All are relative.

    ``ulps`` counts units in the last place of one formula, ``one_pass`` bounds the norm of the error of a loss or a
    gradient, ``ten_steps`` that of the parameters after ten steps (the promise of the backends to each other),
    ``steps`` the same against exact recurrences, ``difference`` a central difference.
    """

    ulps: int
    one_pass: float
    ten_steps: float
    steps: float
    difference: float


TOLERANCE = {
    DTYPES[0]: Tolerance(ulps=8, one_pass=1e-5, ten_steps=1e-4, steps=2e-5, difference=1e-5),
    DTYPES[1]: Tolerance(ulps=8, one_pass=1e-12, ten_steps=1e-10, steps=1e-11, difference=2e-8),
}


def eps(dtype):
    return float(np.finfo(dtype).eps)


def load(name):
    """Return the kernels of a backend; skip where it is missing, unless FASTNN_TEST_REQUIRE_BACKENDS lists it."""
    if name not in BACKENDS and name != "numpy":
        return pytest.skip(f"FASTNN_TEST_BACKENDS leaves out {name}")
    try:
        return importlib.import_module(f"fastnn.kernels.{name}_kernels").KERNELS
    except ImportError as error:
        if name in os.environ.get("FASTNN_TEST_REQUIRE_BACKENDS", "").split(","):
            raise
        return pytest.skip(f"no {name} backend: {error}")


def assert_close(actual, expected, tolerance, scale=None):
    """Assert ||actual - expected|| <= tolerance ||scale or expected||, of finite arrays of one shape."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape
    assert np.isfinite(expected).all(), "the oracle is not finite"
    error = np.linalg.norm(actual - expected)
    bound = tolerance * np.linalg.norm(expected if scale is None else np.asarray(scale, np.float64))
    assert error <= bound, f"error {error:.3g} > {bound:.3g}"


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@contextlib.contextmanager
def unmodified(*arrays):
    """Assert that the arrays hold the same bytes after the block as before."""
    before = [array.tobytes() for array in arrays]
    yield
    for number, (array, bytes_before) in enumerate(zip(arrays, before, strict=True)):
        assert array.tobytes() == bytes_before, f"input {number} was modified"


class Memory:
    """Hands out arrays between guard elements; ``check`` asserts that the guards are untouched."""

    GUARD = 37  # elements on each side; odd, so that no array starts on a SIMD boundary
    MARK = 77

    def __init__(self, aligned=False):
        self.aligned = aligned
        self.bases = []

    def like(self, array):
        """Return a contiguous copy."""
        view = self.take(array.shape, array.dtype)
        view[...] = array
        return view

    def take(self, shape, dtype, fill=np.nan):
        """Return a contiguous array filled with ``fill``."""
        dtype, count = np.dtype(dtype), int(np.prod(shape))
        base = np.full(count + 2 * self.GUARD + 64, self.MARK, dtype)
        start = self.GUARD
        if self.aligned:
            start += -(base.ctypes.data // dtype.itemsize + start) % (64 // dtype.itemsize)
        elif (base.ctypes.data + start * dtype.itemsize) % 16 == 0:
            start += 1
        return self._remember(base, lambda a: a[start : start + count].reshape(shape), fill)

    def laid_out(self, layout, array):
        """Return a copy of a matrix with the strides of one of LAYOUTS."""
        m, n = array.shape
        base_shape, view = LAYOUTS[layout]
        base = np.full(base_shape(m, n), self.MARK, array.dtype)
        found = self._remember(base, lambda a: view(a, m, n), 0)
        assert found.shape == array.shape
        found[...] = array
        return found

    def _remember(self, base, view, fill):
        inside = np.zeros(base.shape, bool)
        view(inside)[...] = True
        self.bases.append((base, inside))
        found = view(base)
        found[...] = fill
        return found

    def check(self):
        """Assert that nothing was written beside the arrays."""
        for base, inside in self.bases:
            assert (base[~inside] == self.MARK).all(), "written outside the array"


LAYOUTS = {  # name: (shape of the memory behind an (m, n) view, the view)
    "contiguous": (lambda m, n: (m * n + 7,), lambda a, m, n: a[3 : 3 + m * n].reshape(m, n)),
    "rows": (lambda m, n: (m + 2, n + 5), lambda a, m, n: a[1 : m + 1, 2 : n + 2]),
    "fortran": (lambda m, n: (n * m + 7,), lambda a, m, n: a[3 : 3 + m * n].reshape(n, m).T),
    "reversed": (lambda m, n: (m + 2, n + 3), lambda a, m, n: a[1 : m + 1, 2 : n + 2][::-1, ::-1]),
    "steps": (lambda m, n: (3 * m + 1, 2 * n + 3), lambda a, m, n: a[1 : 3 * m + 1 : 3, 1 : 2 * n + 1 : 2]),
}


# ---- networks


@dataclass(frozen=True)
class Net:
    """A network by names: what the tables of ``plan.py`` and the oracle are both made from."""

    sizes: tuple[int, ...]
    acts: tuple[str, ...]  # one per layer, the last included
    loss: str = "squared_error"
    link: str = "identity"
    bias: bool = True
    l2: tuple[float, ...] = ()
    dropout: tuple[float, ...] = ()
    parameter: float = 0.6
    scale: float = 1.0
    clip: float = 0.0
    l2_over_norm: bool = False

    def __post_init__(self):
        zeros = (0.0,) * (len(self.sizes) - 1)
        object.__setattr__(self, "l2", self.l2 or zeros)
        object.__setattr__(self, "dropout", self.dropout or zeros)
        assert self.dropout[-1] == 0, "the last layer drops nothing"

    @property
    def plan(self):
        codes = [activations.BY_NAME[name].code for name in self.acts]
        return plan.make_plan(self.sizes, codes, losses.LINK_BY_NAME[self.link].code, self.bias)

    @property
    def const(self):
        return plan.make_const(
            self.plan,
            l2=self.l2,
            dropout=self.dropout[:-1],
            loss_parameter=self.parameter,
            input_scale=self.scale,
            clip_norm=self.clip,
            l2_over_norm=self.l2_over_norm,
        )

    @property
    def loss_code(self):
        return losses.BY_NAME[self.loss].code

    def theta(self, rng, dtype):
        """Return random parameters of an order that keeps outputs of order one; biases too are not zero."""
        pieces = []
        for n_in, n_out in zip(self.sizes[:-1], self.sizes[1:], strict=True):
            pieces.append(rng.standard_normal(n_in * n_out) / np.sqrt(n_in))
            pieces.append(0.3 * rng.standard_normal(n_out * self.bias))
        return np.concatenate(pieces).astype(dtype)

    def arrays(self, theta):
        """Return W1, b1, W2, ... of a flat theta."""
        found = []
        for _, n_out, _, bias, w_at, b_at, _, _ in self.plan[1:]:
            found += [theta[w_at:b_at], theta[b_at : b_at + n_out * bias]]
        return found


def make_net(sizes, act, loss, **options):
    """Return a net with one hidden activation and the last layer and link that go with the loss."""
    link = losses.BY_NAME[loss].link
    hidden = (act,) * (len(sizes) - 2) if isinstance(act, str) else tuple(act[:-1])
    last = act if isinstance(act, str) else act[-1]
    return Net(tuple(sizes), (*hidden, "identity" if link else last), loss, link or "identity", **options)


# ---- data

DENSE = ("float32", "float64", "uint8", "fortran", "reversed", "steps", "broadcast")
SPARSE = ("csr32", "csr64", "csr_uint8", "csr_empty")
EMPTY = np.empty(0, np.int32)


@dataclass(frozen=True)
class Data:
    """Rows in the form that the kernels take, and as lists for the oracle."""

    X: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    T: np.ndarray
    weights: np.ndarray
    dense: list = field(repr=False)
    targets: list = field(repr=False)
    sample_weights: list = field(repr=False)

    @property
    def rows(self):
        return len(self.dense)

    @property
    def inputs(self):
        return self.X, self.indices, self.indptr

    @property
    def everything(self):
        return self.X, self.indices, self.indptr, self.T, self.weights


def make_inputs(rng, dtype, kind, m, n):
    """Return X, indices, indptr of a kind, and the float64 matrix that they stand for."""
    if kind == "csr_empty":
        return np.empty((1, 0), dtype), np.empty(0, np.int32), np.zeros(m + 1, np.int32), np.zeros((m, n))
    if kind in SPARSE:
        index = np.int32 if kind == "csr32" else np.int64
        counts = rng.integers(0, n + 2, m) * (rng.random(m) < 0.8)  # some rows empty, some with duplicates
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(index)
        indices = rng.integers(0, n, indptr[-1]).astype(index)
        if kind == "csr_uint8":
            values = rng.integers(0, 256, (1, len(indices))).astype(np.uint8)
        else:
            values = rng.standard_normal((1, len(indices))).astype(dtype)
        dense = np.zeros((m, n))
        for row in range(m):
            for at in range(indptr[row], indptr[row + 1]):
                dense[row, indices[at]] += float(values[0, at])
        return values, indices, indptr, dense
    if kind == "uint8":
        X = rng.integers(0, 256, (m, n)).astype(np.uint8)
    else:
        X = rng.standard_normal((m, n)).astype(kind if kind in ("float32", "float64") else dtype)
    if kind in LAYOUTS:
        X = Memory().laid_out(kind, X)
    if kind == "broadcast":  # one row m times: its stride is 0
        X = np.lib.stride_tricks.as_strided(X[:1], (m, n), (0, X.itemsize))
    return X, EMPTY, EMPTY, X.astype(dtype).astype(np.float64)


def make_targets(rng, net, dtype, m, labels=False):
    """Return T as the kernels take it and as a float64 matrix, within the domain of the net's loss."""
    n_out, domain = net.sizes[-1], losses.BY_NAME[net.loss].domain
    if labels:
        T = rng.integers(0, n_out, (m, 1)).astype(np.int32)
        return T, (T == np.arange(n_out)).astype(np.float64)
    if domain == "real":
        T = rng.standard_normal((m, n_out))
    elif domain == "count":
        T = rng.integers(0, 4, (m, n_out))
    else:
        T = rng.random((m, n_out))
        if domain == "distribution":
            T /= T.sum(axis=1, keepdims=True)
    T = T.astype(dtype)
    return T, T.astype(np.float64)


def make_data(rng, net, dtype, *, kind=None, m=8, labels=False, weighted=False):
    """Return random rows and targets for a net; sample weights are 0 to 2, some exactly 0."""
    X, indices, indptr, dense = make_inputs(rng, dtype, kind or dtype.name, m, net.sizes[0])
    T, targets = make_targets(rng, net, dtype, m, labels)
    weights = np.empty(0, dtype)
    if weighted:
        weights = (2 * rng.random(m) * (rng.random(m) < 0.8)).astype(dtype)
    sample_weights = weights.tolist() if weighted else [1.0] * m
    return Data(X, indices, indptr, T, weights, dense.tolist(), targets.tolist(), sample_weights)


def with_targets(data, T, weights=None):
    return replace(data, T=T, weights=data.weights if weights is None else weights)


def hyper_rows(rule, n, dtype=np.float64, decay=0.0, rate=1.0):
    """Return n hyper rows of a rule, every number of which changes from step to step."""
    base = {
        "sgd": [0.05, decay, 0, 0, 0],
        "momentum": [0.02, decay, 0.9, 0, 0],
        "nesterov": [0.02, decay, 0.9, 0, 0],
        "adam": [0.01, decay, 0.9, 0.999, 1e-6],
        "adamw": [0.01, decay, 0.9, 0.999, 1e-6],
        "rmsprop": [0.005, decay, 0.9, 0, 1e-6],
    }[rule]
    rows = np.tile(np.array(base, np.float64), (n, 1))
    rows[:, updates.LR] *= rate * (1 + 0.5 * np.cos(np.arange(n)))
    rows[:, updates.FIRST] *= 1 - 0.02 * (np.arange(n) % 3)
    return rows


# ---- one call per program


def predict(kernels, net, theta, data, *, threads=1, layout="contiguous", aligned=False):
    memory, plan_, const = Memory(aligned), net.plan, net.const
    packed_size = kernels.packed_size(plan_)
    packed = memory.take(packed_size, theta.dtype) if packed_size else theta
    out = memory.laid_out(layout, np.full((data.rows, net.sizes[-1]), np.nan, theta.dtype))
    work = memory.take(kernels.work_size("predict", plan_, data.rows, threads), theta.dtype)
    with unmodified(plan_, const, theta, *data.inputs):
        kernels.pack(plan_, theta, packed)
        kernels.predict(plan_, const, packed, *data.inputs, work, out, threads)
    memory.check()
    return np.array(out)


def evaluate(kernels, net, theta, data, norm, *, threads=1, aligned=False):
    memory, plan_, const = Memory(aligned), net.plan, net.const
    work = memory.take(kernels.work_size("evaluate", plan_, data.rows, threads), theta.dtype)
    with unmodified(plan_, const, theta, *data.everything):
        value = kernels.evaluate(plan_, const, net.loss_code, theta, *data.everything, norm, work, threads)
    memory.check()
    return value


def gradient(kernels, net, theta, data, norm, *, key=11, t=0, threads=1, aligned=False):
    """Return (loss, (data loss, penalty), gradient)."""
    memory, plan_, const = Memory(aligned), net.plan, net.const
    grad, parts = memory.take(theta.shape, theta.dtype), memory.take(2, np.float64)
    work = memory.take(kernels.work_size("gradient", plan_, data.rows, threads), theta.dtype)
    with unmodified(plan_, const, theta, *data.everything):
        value = kernels.gradient(
            plan_, const, net.loss_code, theta, *data.everything, norm, key, t, grad, work, parts, threads
        )
    memory.check()
    return value, tuple(parts), np.array(grad)


def backward(kernels, net, theta, data, dY, *, wants="grad dX", layout="contiguous", threads=1, aligned=False):
    """Return (gradient, dX), None for what is not wanted."""
    memory, plan_, const, dtype = Memory(aligned), net.plan, net.const, theta.dtype
    grad = memory.take(theta.shape, dtype) if "grad" in wants else np.empty(0, dtype)
    dX = np.empty((0, 0), dtype)
    if "dX" in wants:
        dX = memory.laid_out(layout, np.full((data.rows, net.sizes[0]), np.nan, dtype))
    work = memory.take(kernels.work_size("backward", plan_, data.rows, threads), dtype)
    with unmodified(plan_, const, theta, dY, *data.inputs):
        kernels.backward(plan_, const, theta, *data.inputs, dY, grad, dX, work, threads)
    memory.check()
    return np.array(grad) if "grad" in wants else None, np.array(dX) if "dX" in wants else None


class Trained(NamedTuple):
    """What train left behind."""

    finished: int
    theta: np.ndarray
    state: np.ndarray
    losses: np.ndarray


def train(kernels, net, rule, hyper, theta, data, order, starts, *, state=None, key=11, t=0, threads=1, aligned=False):
    memory, plan_, const, dtype = Memory(aligned), net.plan, net.const, theta.dtype
    update = updates.BY_NAME[rule]
    order, starts = (np.ascontiguousarray(array, np.int64) for array in (order, starts))
    theta = memory.like(theta)
    grad = memory.take(theta.shape, dtype)
    state = memory.like(np.zeros((update.slots, theta.size), dtype) if state is None else state)
    losses_ = memory.take((len(hyper), 2), np.float64)
    largest = int(np.diff(starts).max(initial=0))
    work = memory.take(kernels.work_size("train", plan_, largest, threads), dtype)
    with unmodified(plan_, const, hyper, order, starts, *data.everything):
        finished = kernels.train(
            plan_, const, net.loss_code, update.code, hyper, t, theta, grad, state, *data.everything,
            order, starts, key, work, losses_, threads,
        )  # fmt: skip
    memory.check()
    return Trained(finished, np.array(theta), np.array(state), np.array(losses_))


STEP = 6e-6  # cube root of eps: rounding and truncation of a central difference meet


def differences(f, x):
    """Return the central differences of a scalar function at the float64 array x."""
    found = np.empty(x.size)
    for i in range(x.size):
        ends = []
        for step in (STEP, -STEP):
            moved = x.copy()
            moved.flat[i] += step
            ends.append(f(moved))
        found[i] = (ends[0] - ends[1]) / (2 * STEP)
    return found.reshape(x.shape)
