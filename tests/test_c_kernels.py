"""The C kernels alone: every entry of the table, on every CPU target this machine runs, against the NumPy pieces.

The sources are compiled here, with the flags of a build, into a shared library that ctypes drives; no extension module
is needed.  Outputs lie misaligned among marked elements, and every call is checked to leave the marks alone.
"""

from __future__ import annotations

import ctypes
import platform
import re
import shutil
import subprocess
import sys
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest

from fastnn.kernels import activations, dropout, elementary, losses, numpy_kernels, plan, updates

SOURCES = Path(__file__).parent.parent / "kernels" / "c"
pytestmark = pytest.mark.skipif(not SOURCES.is_dir(), reason="the C sources are not here, only the wheel is")
CC = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
X86 = platform.machine().lower() in ("x86_64", "amd64")
TARGETS = ("v2", "v3", "v4", "baseline") if X86 else ("baseline",)
FLAGS = ["-std=c11", "-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-fPIC"]
MARCH = {
    "v2": ["-march=x86-64-v2"],
    "v3": ["-march=x86-64-v3"],
    "v4": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
    "baseline": ["-DFNN_SCALAR"] if X86 else [],  # the code that MSVC gets; elsewhere NEON
}
WIDTHS = (1, 2, 3, 4, 7, 8, 9, 10, 15, 16, 17, 31, 32, 33)
MARK, GUARD = 77, 37

pointer, i64, real64 = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
FUNCTIONS = {
    "dot": (real64, "n p s p s"),
    "gemm": (None, "n n n p s s p s s p s s i p p"),
    "gemm_scratch_bytes": None,
    "slab_forward": (None, "n n n p n p p p"),
    "slab_backward": (None, "n n n p n p p p p"),
    "slab_sum": (None, "n n n n n p p p"),
    "elementary": (None, "i n n p s s p s s"),
    "activation": (None, "i n n p s s p s s"),
    "activation_grad": (None, "i n n p s s p s s p s s"),
    "link": (None, "i n n p s s p s s"),
    "link_backward": (None, "i n n p p"),
    "loss": (real64, "i d n n p p p d p"),
    "column_sums": (None, "n n p s s i p"),
    "gather": (None, "p p n n p"),
    "sparse_forward": (None, "p p n n n p p p"),
    "sparse_weight_gradient": (None, "p p n n n n n p p"),
    "targets": (None, "i p n p n n p"),
    "take": (None, "p p n n p"),
    "dropout": (None, "n n i p n n n d p p"),
    "update": (real64, "i p d d n n n p p n p p i"),
    "axpy": (None, "n d p p"),
    "scale": (None, "n d p"),
    "sum_squares": (real64, "n p"),
    "multiply_adds": (i64, "n d d p"),
    "read": (real64, "n p"),
}
LETTERS = {"n": i64, "s": i64, "i": ctypes.c_int, "d": real64, "p": pointer}


def function_type(signature):
    result, letters = signature
    return ctypes.CFUNCTYPE(result, *(LETTERS[letter] for letter in letters.split()))


class Table(ctypes.Structure):
    """``fnn_kernels`` of kernels.h."""

    _fields_ = [  # noqa: RUF012
        ("target", ctypes.c_char_p),
        ("real_bytes", ctypes.c_int),
        ("vector_bytes", ctypes.c_int),
        *((name, function_type(s) if s else ctypes.c_size_t) for name, s in FUNCTIONS.items()),
    ]


class Epilogue(ctypes.Structure):
    """``fnn_epilogue`` of kernels.h."""

    _fields_ = [  # noqa: RUF012
        ("bias", pointer), ("act", ctypes.c_int), ("Z", pointer), ("z_row", i64), ("z_col", i64), ("gate", pointer),
        ("gate_row", i64), ("sgd", pointer), ("W", pointer),
    ]  # fmt: skip


class Fetch(ctypes.Structure):
    """``fnn_fetch`` of kernels.h."""

    _fields_ = [  # noqa: RUF012
        ("base", pointer), ("rows", pointer), ("left", i64), ("step", i64), ("bytes", i64), ("at", pointer),
        ("end", pointer),
    ]  # fmt: skip


class Rows(ctypes.Structure):
    """``fnn_rows`` of kernels.h."""

    _fields_ = [  # noqa: RUF012
        ("x_dtype", ctypes.c_int), ("data", pointer), ("row_step", i64), ("col_step", i64), ("n_in", i64),
        ("index_bytes", ctypes.c_int), ("indices", pointer), ("indptr", pointer), ("scale", real64),
        ("out_row", i64),
    ]  # fmt: skip


def compile_library(folder):
    """Compile every target as a build would, and link one shared library."""
    jobs = {target: ["kernels.dispatch.c", f"-DFNN_TARGET={target}", *MARCH[target]] for target in TARGETS} | {
        "select": ["select.c", *(f"-DFNN_HAVE_{target}" for target in TARGETS)]
    }
    running = [
        subprocess.Popen([CC, *FLAGS, "-c", *line, "-o", folder / f"{name}.o"], cwd=SOURCES, stderr=subprocess.PIPE)
        for name, line in jobs.items()
    ]
    for job in running:
        _, message = job.communicate()
        assert job.returncode == 0, message.decode()
    path = folder / "kernels.so"
    subprocess.run([CC, "-shared", *(folder / f"{name}.o" for name in jobs), "-o", path], check=True)
    lib = ctypes.CDLL(path)
    lib.folder = folder
    return lib


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    if sys.platform == "win32" or CC is None:
        pytest.skip("no C compiler named cc, gcc or clang")
    lib = compile_library(tmp_path_factory.mktemp("c_kernels"))
    lib.fnn_select.restype = ctypes.POINTER(Table)
    lib.fnn_select.argtypes = [ctypes.c_char_p, ctypes.c_int]
    lib.fnn_targets.restype = ctypes.POINTER(ctypes.c_char_p)
    lib.fnn_prepare.restype = None
    lib.fnn_prepare.argtypes = [ctypes.c_int, pointer, i64, pointer, pointer]
    return lib


@pytest.fixture(scope="session", params=TARGETS)
def target(request, library):
    if not library.fnn_select(request.param.encode(), 0):
        pytest.skip(f"this processor is not {request.param}")
    return request.param


@pytest.fixture(params=["float32", "float64"])
def real(request):
    return np.dtype(request.param)


@pytest.fixture
def table(library, target, real):
    return library.fnn_select(target.encode(), real.itemsize == 8).contents


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def eps(dtype):
    return float(np.finfo(dtype).eps)


def at(array):
    return None if array is None else array.ctypes.data


def steps(array):
    return tuple(step // array.itemsize for step in array.strides)


def place(array):
    """Return the pointer and the strides of a matrix, as most entries take them."""
    return at(array), *steps(array)


def rows_of(X, indices=None, indptr=None, scale=1.0):
    code = ("float32", "float64", "uint8").index(X.dtype.name)
    if indices is None:
        return Rows(code, at(X), *steps(X), X.shape[1], 0, None, None, scale)
    return Rows(code, at(X), 0, 1, 0, indices.itemsize, at(indices), at(indptr), scale)


LAYOUTS = {
    "C": (lambda m, n: (m, n), lambda a: a),
    "F": (lambda m, n: (n, m), lambda a: a.T),
    "gaps": (lambda m, n: (m, n + 3), lambda a: a[:, 1:-2]),
    "steps": (lambda m, n: (m, 2 * n), lambda a: a[:, ::2]),
    "reversed": (lambda m, n: (m, n), lambda a: a[::-1, ::-1]),
    "reversed F": (lambda m, n: (n, m), lambda a: a.T[::-1]),
}


class Box:
    """A matrix or vector in a layout, between marks: ``a`` is the array, ``check`` looks at everything around it."""

    def __init__(self, values, layout="C"):
        values = np.atleast_2d(values) if values.ndim != 1 else values
        shape, view = LAYOUTS[layout] if values.ndim == 2 else (lambda n: (n,), lambda a: a)
        full = shape(*values.shape)
        count = int(np.prod(full))
        self.base = np.full(count + 2 * GUARD, MARK, values.dtype)
        self.a = view(self.base[GUARD : GUARD + count].reshape(full))
        inside = view(np.arange(GUARD, GUARD + count).reshape(full))
        self.around = np.ones(len(self.base), bool)
        self.around[inside.ravel()] = False
        self.a[...] = values

    def check(self):
        assert (self.base[self.around] == MARK).all(), "wrote outside the output"


def randn(rng, shape, real):
    return rng.standard_normal(shape).astype(real)


def close(actual, expected, bound):
    """Assert |actual - expected| <= bound elementwise, with NaN and inf in the same places."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape
    odd = ~np.isfinite(expected)
    assert np.array_equal(actual[odd], expected[odd], equal_nan=True)
    error = np.abs(actual - expected)[~odd]
    allowed = np.broadcast_to(bound, expected.shape)[~odd]
    assert (error <= allowed).all(), f"off by {error.max():.3g}, {(error / (allowed + 1e-300)).max():.3g} of the bound"


# ---- GEMM


@cache
def scratch_of(count):
    """Return ``count`` aligned bytes of NaN, between marks; kept alive, since a kernel is given the bare address."""
    raw = np.full(count + 2 * 4096 + 64, 255, np.uint8)
    start = 4096 + -raw.ctypes.data % 64
    raw[:start] = raw[start + count :] = MARK
    return raw, start


def scratch(table):
    raw, start = scratch_of(table.gemm_scratch_bytes)
    return raw[start:]


def check_scratch(table):
    raw, start = scratch_of(table.gemm_scratch_bytes)
    assert (raw[:start] == MARK).all(), "wrote before the scratch"
    assert (raw[start + table.gemm_scratch_bytes :] == MARK).all(), "wrote behind the scratch"


def check_gemm(table, rng, real, m, n, k, layouts="CCC", accumulate=False, bias=False, act=0, keep_Z=False):
    A, B = Box(randn(rng, (m, k), real), layouts[0]), Box(randn(rng, (k, n), real), layouts[1])
    C = Box(randn(rng, (m, n), real), layouts[2])
    b = randn(rng, n, real) if bias else None
    Z = Box(np.full((m, n), np.nan, real), layouts[2]) if keep_Z else None
    wide = [x.a.astype(np.float64) for x in (A, B, C)]
    expected = wide[0] @ wide[1] + (wide[2] if accumulate else 0) + (b if bias else 0)
    size = np.abs(wide[0]) @ np.abs(wide[1]) + np.abs(wide[2]) + (np.abs(b) if bias else 0)
    e = Epilogue(at(b), act, *(place(Z.a) if Z else (None, 0, 0)))
    with_epilogue = bias or act or keep_Z
    if not accumulate:
        C.a[...] = np.nan  # must be overwritten, not added to
    table.gemm(
        m, n, k, *place(A.a), *place(B.a), *place(C.a), accumulate,
        ctypes.addressof(e) if with_epilogue else None, at(scratch(table)),
    )  # fmt: skip
    bound = (k + 4) * eps(real) * (size + 1e-30)
    for box in (A, B, C, *([Z] if Z else [])):
        box.check()
    check_scratch(table)
    if keep_Z:
        close(Z.a, expected, bound)
    close(C.a, activations.ACTIVATIONS[act].f(expected), 1.2 * bound + 8 * eps(real))


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 15, 16, 17, 33])
def test_gemm_edges(table, rng, real, m):
    for n in (*WIDTHS, 47, 48, 64, 65):
        for k in (0, 1, 2, 3, 15, 16, 17, 31, 33, 100):
            check_gemm(table, rng, real, m, n, k, accumulate=(m + n + k) % 2 == 1)


@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 0, 3), (0, 0, 0)])
def test_gemm_of_nothing(table, rng, real, shape):
    check_gemm(table, rng, real, *shape)


@pytest.mark.parametrize("a", LAYOUTS)
@pytest.mark.parametrize("b", LAYOUTS)
def test_gemm_layouts(table, rng, real, a, b):
    for c in LAYOUTS:
        for m, n, k in ((1, 1, 1), (1, 17, 9), (7, 1, 33), (17, 10, 31), (33, 40, 17)):
            check_gemm(table, rng, real, m, n, k, (a, b, c))
            check_gemm(table, rng, real, m, n, k, (a, b, c), accumulate=True, bias=True)


@pytest.mark.parametrize("layouts", [("C", "C", "C"), ("F", "C", "C"), ("C", "F", "C"), ("F", "F", "F")])
@pytest.mark.parametrize(
    "shape",
    [
        (1, 1500, 701),
        (2, 600, 900),
        (5, 1500, 700),
        (64, 784, 16),
        (784, 16, 64),
        (40, 16, 1500),
        (130, 600, 700),
        (9, 642, 800),
        (12, 18, 900),
        (20, 650, 800),
        (20, 658, 800),
        (300, 1100, 90),
    ],
)
def test_gemm_beyond_the_blocks(table, rng, real, shape, layouts):
    check_gemm(table, rng, real, *shape, layouts)
    check_gemm(table, rng, real, *shape, layouts, accumulate=True, bias=True, act=1, keep_Z=True)
    check_gemm(table, rng, real, *shape, layouts, bias=True, act=3)


@pytest.mark.parametrize("c", LAYOUTS)
@pytest.mark.parametrize("a", ["C", "F"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 1, 7), (33, 3, 90), (20, 40, 17), (9, 34, 900), (9, 642, 800)])
def test_gemm_times_the_slope_of_relu(table, rng, real, shape, a, c):
    """Where what f' reads is a NaN, or not above 0, a product is 0; one that is a NaN stays one."""
    m, n, k = shape
    A, B, C = (Box(randn(rng, s, real), f) for s, f in zip(((m, k), (k, n), (m, n)), (a, "F", c), strict=True))
    gate = randn(rng, (m, n + 3), real)
    gate[:, ::5], gate[-1, 1::5] = 0.0, np.nan
    A.a[m // 2, 0] = np.nan
    expected = (A.a.astype(np.float64) @ B.a.astype(np.float64)) * (gate[:, :n] > 0)
    size = np.abs(A.a.astype(np.float64)) @ np.abs(B.a.astype(np.float64))
    before = gate.copy()
    e = Epilogue(gate=at(gate), gate_row=n + 3)
    table.gemm(m, n, k, *place(A.a), *place(B.a), *place(C.a), False, ctypes.addressof(e), at(scratch(table)))
    assert np.array_equal(gate, before, equal_nan=True)
    for box in (A, B, C):
        box.check()
    check_scratch(table)
    close(C.a, expected, (k + 4) * eps(real) * (size + 1e-30))


@pytest.mark.parametrize("layouts", [("F", "C", "C"), ("C", "C", "C"), ("steps", "F", "C")])
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (1, 1, 5), (5, 1, 7), (1, 17, 9), (33, 40, 17), (98, 16, 32), (64, 300, 384), (40, 50, 900)]
)
def test_gemm_takes_a_step_of_sgd(table, rng, real, shape, layouts):
    m, n, k = shape
    lr, decay, l2 = 0.3, 0.9, 0.25
    A, B, W = (Box(randn(rng, s, real), f) for s, f in zip(((m, k), (k, n), (m, n)), layouts, strict=True))
    wide_A, wide_B, before = (x.a.astype(np.float64) for x in (A, B, W))
    sgd = np.array([lr, decay, l2])
    grad = Box(np.full((m, n), np.nan, real), "C")
    e = Epilogue(sgd=at(sgd), W=at(W.a))
    table.gemm(m, n, k, *place(A.a), *place(B.a), *place(grad.a), False, ctypes.addressof(e), at(scratch(table)))
    bound = (k + 8) * eps(real) * (np.abs(wide_A) @ np.abs(wide_B) + np.abs(before))
    for box in (A, B, W, grad):
        box.check()
    check_scratch(table)
    close(W.a, decay * before - lr * (wide_A @ wide_B + l2 * before), bound)


@pytest.mark.parametrize("registers", [1, 2, 3, 5])
@pytest.mark.parametrize(("m", "k"), [(1, 1), (8, 104), (10, 96), (32, 98), (7, 3)])
@pytest.mark.parametrize("sgd", [None, (0.3, 0.9, 0.25), (0.3, 1.0, 0.0)])
def test_slabs(table, rng, real, registers, m, k, sgd):
    n, offset, order = registers * max(table.vector_bytes // real.itemsize, 1), 5, rng.permutation(m + 2)[:m]
    X = Box(randn(rng, (m + 2, k + 9), real), "gaps")
    W, P = randn(rng, (k, n), real), np.full((m + 1, n), MARK, real)
    rows = (pointer * m)(*(at(X.a[row]) for row in order))
    x = X.a[order, offset : offset + k].astype(np.float64)
    step = np.array(sgd) if sgd else None
    fetch = Fetch(at(X.a), at(order), m, X.a.strides[0], 4 * k, None, None)
    table.slab_forward(m, n, k, rows, offset, at(W), at(P), ctypes.addressof(fetch))
    close(P[:m], x @ W, (k + 4) * eps(real) * (np.abs(x) @ np.abs(W)))
    assert (P[m] == MARK).all(), "wrote behind P"
    assert fetch.left < m or k < 4, "asked for nothing"

    dZ, C = randn(rng, (m, n), real), randn(rng, (k + 1, n), real)
    before, product = C.astype(np.float64), x.T @ dZ
    table.slab_backward(k, n, m, rows, offset, at(dZ), at(C), at(step), ctypes.addressof(fetch))
    expected = sgd[1] * before[:k] - sgd[0] * (product + sgd[2] * before[:k]) if sgd else product
    close(C[:k], expected, (m + 8) * eps(real) * (np.abs(x.T) @ np.abs(dZ) + np.abs(before[:k])))
    np.testing.assert_array_equal(C[k], before[k])
    X.check()


@pytest.mark.parametrize("n", WIDTHS)
@pytest.mark.parametrize("bias", [False, True])
def test_slab_sum(table, rng, real, n, bias):
    lanes = max(table.vector_bytes // real.itemsize, 1)
    padded = -(-n // lanes) * lanes
    P = randn(rng, (3, 5 * padded + 7), real)
    b = randn(rng, n, real) if bias else None
    Y = np.full(4 * n + GUARD, MARK, real)
    table.slab_sum(3, P.shape[1], 4, n, padded, at(P), at(b), at(Y))
    expected = P[:, : 4 * padded].reshape(3, 4, padded)[:, :, :n].astype(np.float64).sum(0) + (b if bias else 0)
    close(Y[: 4 * n].reshape(4, n), expected, 8 * eps(real) * (np.abs(expected) + 4))
    assert (Y[4 * n :] == MARK).all(), "wrote behind Y"


@pytest.mark.parametrize("act", range(len(activations.ACTIVATIONS)))
@pytest.mark.parametrize("layout", LAYOUTS)
def test_gemm_epilogue(table, rng, real, act, layout):
    for m, n, k in ((1, 10, 16), (17, 33, 9), (9, 1, 20), (4, 64, 0)):
        for bias, keep_Z, accumulate in ((True, True, False), (False, True, True), (True, False, True)):
            check_gemm(table, rng, real, m, n, k, ("C", "C", layout), accumulate, bias, act, keep_Z)


def test_gemm_zero_strides(table, rng, real):
    row, C = randn(rng, 20, real), Box(np.zeros((9, 20), real))
    table.gemm(9, 20, 6, at(row), 0, 1, at(row), 0, 1, *place(C.a), False, None, at(scratch(table)))
    C.check()
    close(C.a, np.broadcast_to(row[:6].sum() * row, (9, 20)), 20 * eps(real) * np.abs(row[:6]).sum() * np.abs(row))


def test_gemm_carries_nan_and_inf(table, rng, real):
    A, B, C = randn(rng, (9, 40), real), randn(rng, (40, 35), real), Box(np.zeros((9, 35), real))
    A[4, 7], B[11, 34], B[0, 0] = np.nan, np.inf, np.nan
    e = Epilogue(None, 3, None, 0, 0)  # relu: a NaN passes through
    table.gemm(9, 35, 40, *place(A), *place(B), *place(C.a), False, ctypes.addressof(e), at(scratch(table)))
    with np.errstate(invalid="ignore"):
        expected = activations.relu(A @ B)
    assert np.array_equal(np.isnan(C.a), np.isnan(expected))
    assert np.array_equal(np.isinf(C.a), np.isinf(expected))
    assert np.isnan(expected).any()
    assert np.isinf(expected).any()


def test_gemm_same_bits_wherever_it_lies(table, rng, real):
    A, B = randn(rng, (33, 50), real), randn(rng, (50, 37), real)
    results = []
    for shift in (0, 1, 3):
        a, b, c = (np.zeros(size + 8, real)[shift:][:size] for size in (A.size, B.size, 33 * 37))
        a[...], b[...] = A.ravel(), B.ravel()
        table.gemm(33, 37, 50, at(a), 50, 1, at(b), 37, 1, at(c), 37, 1, False, None, at(scratch(table)))
        results.append(c.tobytes())
    assert len(set(results)) == 1


# ---- maps


def awkward(rng, count, real):
    """Ordinary numbers with the special ones among them."""
    x = (4 * rng.standard_normal(count)).astype(real)
    special = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e-30, -1e-30, 90, -90, 20, -20]
    x[rng.permutation(count)[: min(count, len(special))]] = special[: min(count, len(special))]
    return x


@pytest.mark.parametrize("a", activations.ACTIVATIONS, ids=lambda a: a.name)
@pytest.mark.filterwarnings("ignore")
def test_activation_and_its_gradient(table, rng, real, a):
    for layout in LAYOUTS:
        for m, n in ((1, 1), (3, 5), (2, 17), (1, 33), (40, 3)):
            x = Box(awkward(rng, m * n, real).reshape(m, n), layout)
            y = Box(np.full((m, n), np.nan, real), layout)
            table.activation(a.code, m, n, *place(x.a), *place(y.a))
            y.check()
            expected = np.asarray(a.f(x.a), real) + np.zeros_like(x.a)
            close(y.a, expected, 8 * eps(real) * (np.abs(expected) + 1e-30))
            dy, dx = (Box(values, layout) for values in (randn(rng, (m, n), real), np.full((m, n), np.nan, real)))
            yz = np.where(np.isfinite(x.a), x.a, 1.0) if a.reads == activations.INPUT else expected
            yz = Box(yz.astype(real), layout)
            table.activation_grad(a.code, m, n, *place(yz.a), *place(dy.a), *place(dx.a))
            dx.check()
            slope = np.asarray(a.df(yz.a), real)
            close(dx.a, dy.a * slope, 16 * eps(real) * np.abs(dy.a) * (1 + np.abs(slope)))
            table.activation_grad(a.code, m, n, *place(yz.a), *place(dy.a), *place(dy.a))
            assert np.array_equal(dy.a, dx.a, equal_nan=True)
            table.activation(a.code, m, n, *place(x.a), *place(x.a))
            x.check()
            assert np.array_equal(x.a, y.a, equal_nan=True)


@pytest.mark.parametrize("f", elementary.FUNCTIONS, ids=lambda f: f.name)
@pytest.mark.filterwarnings("ignore")
def test_elementary_functions(table, rng, real, f):
    for layout in LAYOUTS:
        for m, n in ((1, 1), (3, 5), (2, 17), (1, 33), (40, 3)):
            x = Box(awkward(rng, m * n, real).reshape(m, n), layout)
            y = Box(np.full((m, n), np.nan, real), layout)
            table.elementary(f.code, m, n, *place(x.a), *place(y.a))
            y.check()
            expected = np.asarray(f.f(x.a), real)
            close(y.a, expected, 4 * eps(real) * np.abs(expected))
            table.elementary(f.code, m, n, *place(x.a), *place(x.a))
            x.check()
            assert np.array_equal(x.a, y.a, equal_nan=True)


def test_relu_at_zero_and_nan(table, real):
    x, one, dx = np.array([[0.0, np.nan, -1.0]], real), np.ones((1, 3), real), np.zeros((1, 3), real)
    table.activation_grad(3, 1, 3, *place(x), *place(one), *place(dx))
    assert dx.tolist() == [[0.0, 0.0, 0.0]]
    table.activation(3, 1, 3, *place(x), *place(x))
    assert np.array_equal(x, [[0.0, np.nan, 0.0]], equal_nan=True)


@pytest.mark.parametrize("link", losses.LINKS, ids=lambda link: link.name)
@pytest.mark.filterwarnings("ignore")
def test_link_and_back(table, rng, real, link):
    for layout in LAYOUTS:
        for m, n in ((1, 1), (1, 2), (3, 10), (70, 10), (2, 33), (2, 512), (2, 513), (3, 1300)):
            R, Y = Box(3 * randn(rng, (m, n), real), layout), Box(np.full((m, n), np.nan, real), layout)
            if m > 2:
                R.a[1, n // 2] = np.nan
                R.a[2, 0] = -np.inf
            table.link(link.code, m, n, *place(R.a), *place(Y.a))
            Y.check()
            expected = np.empty((m, n), real)
            link.forward(R.a, expected)
            close(Y.a, expected, 32 * eps(real) * (np.abs(expected) + 1e-30))
            y, dy = Box(np.nan_to_num(expected)), Box(randn(rng, (m, n), real))
            back = dy.a.astype(np.float64)
            link.backward(y.a.astype(np.float64), back)
            table.link_backward(link.code, m, n, at(y.a), at(dy.a))
            dy.check()
            close(dy.a, back, 64 * eps(real) * (1 + np.abs(back)))
            table.link(link.code, m, n, *place(R.a), *place(R.a))
            assert np.array_equal(R.a, Y.a, equal_nan=True)


# ---- losses


def loss_data(rng, loss, m, n, real):
    R = (3 * rng.standard_normal((m, n))).astype(real)
    T = {
        "real": rng.standard_normal((m, n)),
        "unit": rng.integers(0, 2, (m, n)),
        "distribution": rng.dirichlet(np.ones(n), m) if n > 1 else np.ones((m, n)),
        "count": rng.poisson(2, (m, n)),
    }[loss.domain].astype(real)
    if loss.domain == "real":
        R[0, 0] = T[0, 0]  # the kink
    return R, T


@pytest.mark.parametrize("loss", losses.LOSSES, ids=lambda loss: loss.name)
@pytest.mark.parametrize("weighted", [False, True])
def test_loss_and_its_gradient(table, rng, real, loss, weighted):
    const = np.array([[loss.parameter or 0.0, 1, 0, 0]])
    for m, n in ((1, 1), (32, 10), (513, 1), (7, 33), (60, 10), (3, 512), (2, 513), (2, 1100), (700, 3)):
        R, T = loss_data(rng, loss, m, n, real)
        weights = rng.uniform(0.0, 2.0, m).astype(real) if weighted else None
        given = weights if weighted else np.empty(0, real)
        expected = np.empty((m, n), np.float64)
        norm = 0.75 * m
        value = numpy_kernels.KERNELS.loss_grad(
            loss.code, const, *(x.astype(np.float64) for x in (R, T, given)), norm, expected
        )
        boxes = r, t, dR = Box(R), Box(T), Box(np.full((m, n), np.nan, real))
        with_gradient = table.loss(loss.code, const[0, 0], m, n, at(r.a), at(t.a), at(weights), norm, at(dR.a))
        alone = table.loss(loss.code, const[0, 0], m, n, at(r.a), at(t.a), at(weights), norm, None)
        assert with_gradient == alone
        assert alone == pytest.approx(value, rel=20 * eps(real))
        scale = np.abs(expected).max() + 2 / norm * (1 + np.abs(T))
        close(dR.a, expected, 32 * eps(real) * scale)
        in_place = table.loss(loss.code, const[0, 0], m, n, at(r.a), at(t.a), at(weights), norm, at(r.a))
        assert in_place == alone
        assert np.array_equal(r.a, dR.a)
        for box in boxes:
            box.check()


@pytest.mark.parametrize("loss", losses.LOSSES, ids=lambda loss: loss.name)
@pytest.mark.parametrize("n", [3, 40, 600])
def test_loss_swallows_no_nan(table, rng, real, loss, n):
    R, T = loss_data(rng, loss, 5, n, real)
    R[3, n // 2] = np.nan
    dR = np.zeros_like(R)
    assert np.isnan(table.loss(loss.code, 0.5, 5, n, at(R), at(T), None, 5.0, at(dR)))
    assert np.isnan(dR[3, n // 2])
    assert np.isfinite(dR[[0, 1, 2, 4]]).all()


@pytest.mark.parametrize("n", [3, 600])
def test_categorical_cross_entropy_of_large_numbers(table, real, n):
    R = np.zeros((2, n), real)
    R[0, 0], R[1, 1] = 1e4, -1e4
    T = np.zeros_like(R)
    T[:, 1] = 1
    dR = np.zeros_like(R)
    value = table.loss(losses.CATEGORICAL, 0.0, 2, n, at(R), at(T), None, 1.0, at(dR))
    assert value == pytest.approx(2e4 + np.log(n - 1), rel=1e-6)
    close(dR[0, :3], [1, -1, 0], 1e-6)


# ---- sums and arithmetic


def test_column_sums(table, rng, real):
    for layout in LAYOUTS:
        for m in (0, 1, 5, 70):
            for n in WIDTHS:
                A, out = Box(randn(rng, (m, n), real), layout), Box(randn(rng, n, real))
                before = out.a.astype(np.float64)
                expected = A.a.astype(np.float64).sum(axis=0)
                bound = (m + 1) * eps(real) * (np.abs(A.a).sum(axis=0, dtype=np.float64) + np.abs(before))
                table.column_sums(m, n, *place(A.a), True, at(out.a))
                close(out.a, before + expected, bound)
                table.column_sums(m, n, *place(A.a), False, at(out.a))
                close(out.a, expected, bound)
                out.check()


def test_multiply_adds_are_counted_and_done(table, real):
    """x <- a x + b from 0, 1, 2, ... in some number of chains of a register each."""
    total = np.zeros(1)
    a, b = 0.5, 3.0
    lanes = max(1, table.vector_bytes // np.dtype(real).itemsize)
    operations = table.multiply_adds(1, a, b, at(total))
    chains = operations // (2 * lanes)
    assert operations == 2 * lanes * chains
    assert chains >= 8
    assert total[0] == lanes * sum(a * j + b for j in range(chains))
    assert table.multiply_adds(7, a, b, at(total)) == 7 * operations
    table.multiply_adds(100, a, b, at(total))
    assert total[0] == pytest.approx(lanes * chains * b / (1 - a))


@pytest.mark.parametrize("n", [0, *WIDTHS, 63, 64, 65, 127, 129, 1000])
def test_vector_arithmetic(table, rng, real, n):
    x, y, a = Box(randn(rng, n, real)), Box(randn(rng, n, real)), 0.7
    X, Y = x.a.astype(np.float64), y.a.astype(np.float64)
    bound = (n + 1) * eps(real) * np.abs(X * Y).sum()
    assert table.dot(n, at(x.a), 1, at(y.a), 1) == pytest.approx(X @ Y, abs=bound)
    assert table.dot(n // 2, at(x.a), 2, at(y.a[n // 2 :]), -1 if n > 1 else 1) == pytest.approx(
        X[: n // 2 * 2 : 2] @ Y[n // 2 :: -1][: n // 2], abs=bound
    )
    assert table.sum_squares(n, at(x.a)) == pytest.approx(X @ X, rel=1e-14)
    assert table.read(n, at(x.a)) == pytest.approx(X.sum(), abs=(n + 1) * eps(real) * np.abs(X).sum())
    table.axpy(n, a, at(x.a), at(y.a))
    close(y.a, Y + a * X, 2 * eps(real) * (np.abs(Y) + np.abs(X)))
    table.scale(n, a, at(x.a))
    close(x.a, a * X, 2 * eps(real) * np.abs(X))
    x.check()
    y.check()


@pytest.mark.parametrize("rule", updates.UPDATES, ids=lambda rule: rule.name)
def test_update_by_numbers_that_are_none(library, table, real, rule):
    """An infinite gradient must not pass for a step of 0, nor a unit that never learned for one that diverged."""
    g = np.array([np.inf, -np.inf, np.nan, 0, 0, 1e300 if real == np.float64 else 1e30] * 7, real)
    w, s, v = np.ones_like(g), np.zeros_like(g), np.zeros_like(g)
    v[4::6] = np.inf
    hyper = np.array([0.05, 0.0, 0.9, 0.99, 1e-39 if real == np.float32 else 1e-310])
    scalars, decay = np.zeros(4), np.zeros(1)
    library.fnn_prepare(rule.code, at(hyper), 3, at(scalars), at(decay))
    with np.errstate(all="ignore"):
        expected = rule.rule(w.copy(), g, s.copy(), v.copy(), *scalars.astype(real))[0]
    slots = [at(s) if rule.slots > 0 else None, at(v) if rule.slots > 1 else None]
    table.update(rule.code, at(scalars), 1.0, 0, 1, len(g), 0, at(w), at(g), 0, *slots, 0)
    np.testing.assert_allclose(w, expected, 1e-5 if real == np.float32 else 1e-13)


@pytest.mark.parametrize("rule", updates.UPDATES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("n", [0, *WIDTHS, 100])
def test_update(library, table, rng, real, rule, n):
    hyper = np.array([0.05, 0.1, 0.9, 0.99, 1e-8])
    scalars, decay = np.zeros(4), np.zeros(1)
    w, g, s, v = (Box(f(randn(rng, n, real))) for f in (np.copy, np.copy, np.abs, np.abs))
    for t in (0, 1, 500):
        library.fnn_prepare(rule.code, at(hyper), t, at(scalars), at(decay))
        assert scalars == pytest.approx(rule.prepare(hyper, t + 1), rel=1e-12)
        assert decay[0] == 1 - 0.05 * 0.1
        before = [x.a.astype(np.float64) for x in (w, g, s, v)]
        before[0] *= decay[0]
        expected = rule.rule(*before, *scalars)
        untouched = [s.a.copy(), v.a.copy()][rule.slots :]
        slots = [at(s.a) if rule.slots > 0 else None, at(v.a) if rule.slots > 1 else None]
        table.update(rule.code, at(scalars), decay[0], 0, 1, n, 0, at(w.a), at(g.a), 0, *slots, 0)
        for actual, wanted in zip((w, s, v)[: 1 + rule.slots], expected, strict=False):
            close(actual.a, wanted, 200 * eps(real) * (np.abs(before[0]) + np.abs(wanted) + 1))
        for array, held in zip(untouched, [s.a, v.a][rule.slots :], strict=True):
            assert np.array_equal(array, held)
        for box in (w, g, s, v):
            box.check()


@pytest.mark.parametrize("rule", updates.UPDATES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("n", [1, 15, 100, 511, 512, 1030])
def test_update_of_runs_with_a_penalty(library, table, rng, real, rule, n):
    """Runs with a gap between them, the gradient of a penalty added, the new squares measured."""
    step, l2 = n + 3, 0.3
    hyper = np.array([0.05, 0.1, 0.9, 0.99, 1e-8])
    scalars, decay = np.zeros(4), np.zeros(1)
    library.fnn_prepare(rule.code, at(hyper), 4, at(scalars), at(decay))
    w, g, s, v = (f(randn(rng, (3, step), real)) for f in (np.copy, np.copy, np.abs, np.abs))
    kept = [one.copy() for one in (w, g, s, v)]
    W, G, S, V = (one.astype(np.float64) for one in (w, g, s, v))
    expected = rule.rule(W * decay[0], G + l2 * W, S, V, *scalars)
    slots = [at(s) if rule.slots > 0 else None, at(v) if rule.slots > 1 else None]
    tight = g[:, :n].copy()
    found = table.update(rule.code, at(scalars), decay[0], l2, 3, n, step, at(w), at(tight), n, *slots, 1)
    for actual, wanted in zip((w, s, v)[: 1 + rule.slots], expected, strict=False):
        close(actual[:, :n], wanted[:, :n], 200 * eps(real) * (np.abs(W) + np.abs(wanted) + 1)[:, :n])
    for now, before in zip((w, g, s, v), kept, strict=True):
        assert np.array_equal(now[:, n:], before[:, n:])
    assert np.array_equal(g, kept[1])
    assert found == sum(table.sum_squares(n, at(w[i])) for i in range(3))  # a penalty has one value, whoever adds it up
    assert table.update(rule.code, at(scalars), decay[0], l2, 3, n, step, at(w), at(g), step, *slots, 0) == 0


# ---- rows of X and T


def selections(rng, m):
    """Return (rows, first, count): given rows with repeats, and a span."""
    return (rng.integers(0, m, m + 3), 0, m + 3), (None, 2, m - 3)


@pytest.mark.parametrize("x_dtype", ["float32", "float64", "uint8"])
def test_gather(table, rng, real, x_dtype):
    for layout in LAYOUTS:
        for n in WIDTHS:
            X = Box((100 * rng.random((12, n))).astype(x_dtype), layout)
            for rows, first, count in selections(rng, 12):
                index = rows if rows is not None else np.arange(first, first + count)
                for scale in (1.0, 1 / 255):
                    out = Box(np.full((count, n), np.nan, real))
                    given = rows_of(X.a, scale=scale)
                    table.gather(ctypes.addressof(given), at(rows), first, count, at(out.a))
                    out.check()
                    assert np.array_equal(out.a, X.a[index].astype(real) * real.type(scale))


def sparse_data(rng, m, n_in, x_dtype, index):
    """Return values, indices, indptr and the dense matrix; some rows are empty, some entries repeat."""
    counts = rng.integers(0, 6, m)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(index)
    indices = rng.integers(0, n_in, indptr[-1]).astype(index)
    values = (1 + 100 * rng.random(indptr[-1])).astype(x_dtype)
    dense = np.zeros((m, n_in))
    np.add.at(dense, (np.repeat(np.arange(m), counts), indices), values.astype(np.float64))
    return values[None, :], indices, indptr, dense


@pytest.mark.parametrize("x_dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize("index", ["int32", "int64"])
def test_sparse(table, rng, real, x_dtype, index):
    values, indices, indptr, dense = sparse_data(rng, 12, 23, x_dtype, index)
    X = rows_of(values, indices, indptr, scale=0.25)
    for n_out in WIDTHS:
        W, bias = randn(rng, (23, n_out), real), randn(rng, n_out, real)
        for rows, first, count in selections(rng, 12):
            chosen = 0.25 * dense[rows if rows is not None else np.arange(first, first + count)]
            forward = partial(table.sparse_forward, ctypes.addressof(X), at(rows), first, count, n_out, at(W))
            Y, Z = (Box(np.full((count, n_out), np.nan, real)) for _ in range(2))
            expected, bound = chosen @ W, 16 * eps(real) * (np.abs(chosen) @ np.abs(W) + np.abs(bias))
            forward(at(Y.a), None)
            close(Y.a, expected, bound)
            e = Epilogue(at(bias), 2, *place(Z.a))
            forward(at(Y.a), ctypes.addressof(e))
            close(Z.a, expected + bias, bound)
            close(Y.a, np.tanh(expected + bias), bound + 8 * eps(real))
            dZ, dW = randn(rng, (count, n_out), real), Box(randn(rng, (23, n_out), real))
            before = dW.a.astype(np.float64)
            for columns in ((0, 9), (9, 23)):
                table.sparse_weight_gradient(
                    ctypes.addressof(X), at(rows), first, count, n_out, *columns, at(dZ), at(dW.a)
                )
            close(dW.a, before + chosen.T @ dZ, 32 * eps(real) * (np.abs(before) + np.abs(chosen.T) @ np.abs(dZ)))
            for box in (Y, Z, dW):
                box.check()


def test_targets_and_weights(table, rng, real):
    for n in WIDTHS:
        labels, T = rng.integers(0, n, (12, 1)).astype(np.int32), randn(rng, (12, n), real)
        values = randn(rng, 12, real)
        for rows, first, count in selections(rng, 12):
            index = rows if rows is not None else np.arange(first, first + count)
            out, taken = Box(np.full((count, n), np.nan, real)), Box(np.full(count, np.nan, real))
            table.targets(1, at(labels), n, at(rows), first, count, at(out.a))
            assert np.array_equal(out.a, np.eye(n, dtype=real)[labels[index, 0]])
            table.targets(0, at(T), n, at(rows), first, count, at(out.a))
            assert np.array_equal(out.a, T[index])
            table.take(at(values), at(rows), first, count, at(taken.a))
            assert np.array_equal(taken.a, values[index])
            out.check()
            taken.check()


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5, 1 - 2**-40])
def test_dropout(table, rng, real, rate):
    key, t, layer = 2**62 + 12345678901, 2**33 + 5, 3
    for m in (1, 3, 40, 70):
        for n in WIDTHS:
            Y = Box(randn(rng, (m, n), real))
            Y.a[0, 0] = np.nan
            rows = rng.integers(0, 2**34, m)
            for given, first in ((rows, 0), (None, 2**32 - 1)):
                index = given if given is not None else np.arange(first, first + m)
                expected = Y.a * dropout.keep(key, t, layer, index, n, rate, real)
                out = Box(np.zeros((m, n), real))
                table.dropout(key, t, layer, at(given), first, m, n, rate, at(Y.a), at(out.a))
                assert np.array_equal(out.a, expected, equal_nan=True)
                out.check()
            table.dropout(key, t, layer, None, first, m, n, rate, at(Y.a), at(Y.a))
            Y.check()
            assert np.array_equal(Y.a, expected, equal_nan=True)


# ---- the tables themselves


def test_selection(library):
    names = []
    while (name := library.fnn_targets()[len(names)]) is not None:
        names.append(name.decode())
    assert names
    assert names[:-1] == sorted(names[:-1], reverse=True)
    for is_double, size in ((0, 4), (1, 8)):
        for wanted in (None, b""):
            assert library.fnn_select(wanted, is_double).contents.target.decode() == names[0]
        for name in names:
            found = library.fnn_select(name.encode(), is_double).contents
            assert (found.target.decode(), found.real_bytes) == (name, size)
        assert not library.fnn_select(b"v9", is_double)


@cache
def header(name):
    return (SOURCES / name).read_text()


def macro_rows(file, macro):
    """Return the arguments of each row of an X-macro."""
    body = re.search(rf"#define {macro}\(.*?\)((?:[^\n]*\\\n)*[^\n]*)\n", header(file)).group(1)
    return [tuple(re.split(r",\s*", row)) for row in re.findall(r"\w+\((\d+[^)]*)\)", body)]


def test_codes_equal_those_of_python():
    rows = macro_rows("activations.h", "FNN_ACTIVATIONS")
    assert [row[:3] for row in rows] == [(str(a.code), a.name, a.reads.upper()) for a in activations.ACTIVATIONS]
    rows = macro_rows("dense.h", "FNN_FUNCTIONS")
    assert [row[:2] for row in rows] == [(str(f.code), f.name) for f in elementary.FUNCTIONS]
    assert macro_rows("losses.h", "FNN_LOSSES") == [(str(loss.code), loss.name) for loss in losses.LOSSES]
    assert macro_rows("losses.h", "FNN_LINKS") == [(str(link.code), link.name) for link in losses.LINKS]
    assert [row[:4] for row in macro_rows("updates.h", "FNN_UPDATES")] == [
        (str(u.code), u.name, u.prepare.__name__.removeprefix("prepare_"), str(u.slots)) for u in updates.UPDATES
    ]


@pytest.mark.parametrize(("file", "module", "last"), [("plan.h", plan, "DROPOUT"), ("updates.h", updates, "N_HYPER")])
def test_columns_equal_those_of_python(file, module, last):
    seen = []
    for body in re.findall(r"enum \{([^}=(]*)\}", header(file)):
        for value, name in enumerate(re.findall(r"FNN_(\w+)", body)):
            assert getattr(module, name) == value, name
            seen.append(name)
    assert last in seen


def test_constants_equal_those_of_python():
    for name in ("LEAKY_SLOPE", "SILU_ZERO", "GELU_ZERO", "INV_SQRT_2PI"):
        assert float(re.search(rf"#define FNN_{name} (\S+)", header("activations.h")).group(1)) == getattr(
            activations, name
        )


def test_kernels_call_no_math_library(library):
    """The only outside calls of a kernel are memory copies."""
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("no nm")
    for target in TARGETS:
        command = [nm, "-u", f"{library.folder}/{target}.o"]
        undefined = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        names = {name.lstrip("_") for name in re.findall(r"(\w+)\s*$", undefined, re.MULTILINE)}
        assert names <= {"memcpy", "memset", "memmove", "GLOBAL_OFFSET_TABLE_"}
