"""functional: every name against NumPy or SciPy, in both dtypes, any shape, with out and without."""

from __future__ import annotations

import math

import numpy as np
import pytest
from kernels_common import assert_close, differences, same_bits, unmodified
from kernels_oracle import ACTIVATION
from network_common import tolerance

import fastnn
from fastnn import functional as F
from fastnn.kernels.activations import BY_NAME as ACTIVATIONS
from fastnn.kernels.losses import BY_NAME as LOSSES
from fastnn.kernels.losses import LINK_BY_NAME

Z = np.concatenate([np.linspace(-6, 6, 49), [-40.0, -1e-3, 1e-3, 40.0, 700.0, -700.0]])
OF_LOSS = {
    "categorical_cross_entropy": "softmax_cross_entropy_with_logits",
    "binary_cross_entropy": "binary_cross_entropy_with_logits",
    "poisson": "poisson_with_log_rates",
}
NUMPY = {name: np.vectorize(f, otypes=[np.float64]) for name, (f, _) in ACTIVATION.items()}


@pytest.fixture(autouse=True)
def on_each_backend(backend):
    with fastnn.use_backend(backend.name):
        yield


# ---- the tables


def test_every_entry_of_the_tables_has_its_function():
    for name in ACTIVATIONS:
        assert name in F.__all__
        assert f"{name}_grad" in F.__all__
        assert getattr(F, name).__name__ == name
        assert ACTIVATIONS[name].formula in getattr(F, name).__doc__
        assert name in NUMPY
    for name in LOSSES:
        assert OF_LOSS.get(name, name) in F.__all__
    assert "softmax" in LINK_BY_NAME
    assert all(getattr(F, name).__doc__ for name in F.__all__)


# ---- activations


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(dtype, name):
    z = Z.astype(dtype)
    with unmodified(z):
        y = getattr(F, name)(z)
    assert y.dtype == dtype
    expected = NUMPY[name](Z.astype(dtype).astype(np.float64))
    assert_close(y, expected, tolerance(dtype).one_pass)
    assert np.abs(y - expected)[np.abs(Z) < 7].max() < 20 * np.finfo(dtype).eps
    assert np.isnan(getattr(F, name)(np.array([np.nan], dtype))).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_gradient(dtype, name):
    z = Z[np.abs(Z) < 7] + 0.0123  # off the kinks
    expected = np.diag(np.array([differences(lambda x: float(NUMPY[name](x)[i]), z) for i in range(z.size)]))  # noqa: B023
    with unmodified(z):
        slope = getattr(F, f"{name}_grad")(z.astype(dtype))
    assert slope.dtype == dtype
    assert_close(slope, expected, 2e-5 if dtype == np.float32 else 1e-8)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_slopes_for_nan_are_what_the_docstrings_say(dtype, name):
    slope, known = getattr(F, f"{name}_grad"), {"identity": 1, "relu": 0, "leaky_relu": 0.01}
    np.testing.assert_allclose(slope(np.full(20, np.nan, dtype)), known.get(name, np.nan), rtol=1e-6)
    said = f"the slope for NaN is {known[name]}" if name in known else "NaN gives NaN"
    assert said in slope.__doc__


def test_slopes_at_the_kink():
    assert F.relu_grad(0.0) == 0
    assert F.leaky_relu_grad(0.0) == 0.01
    assert F.elu_grad(0.0) == 1


@pytest.mark.parametrize("name", [*ACTIVATIONS, "softmax"])
@pytest.mark.parametrize("shape", [(), (0,), (5,), (1, 1), (3, 4), (0, 4), (2, 3, 4), (2, 0, 2, 1)])
def test_any_shape(dtype, name, shape):
    if name == "softmax" and len(shape) not in (1, 2) or shape == (0,) and name == "softmax":
        with pytest.raises(ValueError, match="one row or a matrix of rows"):
            F.softmax(np.ones(shape))
        return
    function = getattr(F, name)
    z = np.random.default_rng(0).normal(size=shape).astype(dtype)
    y = function(z)
    assert isinstance(y, np.ndarray)
    assert (y.shape, y.dtype) == (shape, dtype)
    if name != "softmax":
        flat = np.array([function(entry.reshape(1, 1))[0, 0] for entry in z.reshape(-1)], dtype).reshape(shape)
        assert np.allclose(y, flat, rtol=1e-5, atol=0)
        assert getattr(F, f"{name}_grad")(z).shape == shape
    out = np.full(shape, np.nan, dtype)
    assert function(z, out=out) is out
    assert same_bits(out, y)
    assert function(z, z) is z  # in place
    assert same_bits(z, y)


@pytest.mark.parametrize("name", [*ACTIVATIONS, "softmax"])
def test_strided_and_overlapping_out(dtype, name):
    function = getattr(F, name)
    room = np.random.default_rng(0).normal(size=(7, 12)).astype(dtype)
    expected = function(room[1:, ::2].copy())
    out = np.zeros((12, 6), dtype).T[:, ::-2]
    function(room[1:, ::2], out=out)
    assert_close(out, expected, 1e-6)
    function(room[1:, ::2], out=room[:-1, 1::2])  # in one block, but no entry twice
    assert_close(room[:-1, 1::2], expected, 1e-6)
    for before, after in ((slice(1, None), slice(-1)), (slice(-1), slice(1, None))):
        room = np.random.default_rng(0).normal(size=(70, 60)).astype(dtype)
        expected = function(room[before].copy())
        function(room[before], out=room[after])
        assert_close(room[after], expected, 1e-6)
    square = np.random.default_rng(0).normal(size=(5, 5)).astype(dtype)
    expected = function(square.T.copy())
    function(square.T, out=square)
    assert_close(square, expected, 1e-6)
    row = np.random.default_rng(0).normal(size=9).astype(dtype)
    expected = function(row[:-1].copy())
    function(row[:-1], out=row[1:])
    assert_close(row[1:], expected, 1e-6)


@pytest.mark.parametrize("value", [[1, -2], [[1, 0]], np.array([1, 2], ">f4"), np.float16([1, 2]), [True, False], 3])
def test_other_dtypes_are_computed_in_float64(value):
    for function in (F.sigmoid, F.sigmoid_grad):
        found = function(value)
        wanted = np.float32 if getattr(value, "dtype", None) == np.dtype(">f4") else np.float64
        assert found.dtype == wanted
        assert_close(found, function(np.array(value, np.float64)), 1e-6)


def test_softmax(dtype):
    x = (np.random.default_rng(0).normal(size=(5, 4)) * 300).astype(dtype)
    shifted = np.exp(x.astype(float) - x.max(axis=1, keepdims=True))
    expected = shifted / shifted.sum(axis=1, keepdims=True)
    with unmodified(x):
        assert_close(F.softmax(x), expected, 10 * tolerance(dtype).one_pass)
    assert F.softmax(x).sum() == pytest.approx(5, rel=1e-6)
    assert_close(F.softmax(x[0]), expected[0], 10 * tolerance(dtype).one_pass)


# ---- products and layers


@pytest.mark.parametrize("n", [0, 1, 7, 16, 33, 1000])
def test_dot(dtype, n):
    x, y = np.random.default_rng(0).normal(size=(2, 3 * n)).astype(dtype)
    assert F.dot(x[::3], y[::-3]) == pytest.approx(float(x[::3].astype(float) @ y[::-3]), rel=1e-4, abs=1e-5)
    assert isinstance(F.dot(x, y), float)
    assert F.dot([1, 2], np.float32([3, 4])) == 11


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 4, 5), (17, 33, 9), (5, 0, 3), (0, 4, 2), (2, 3, 0)])
def test_matmul(dtype, shape):
    m, k, n = shape
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=(k, m)).astype(dtype).T, rng.normal(size=(k, 2 * n)).astype(dtype)[:, ::-2]
    expected = A.astype(float) @ B.astype(float)
    with unmodified(A, B):
        C = F.matmul(A, B)
    assert C.dtype == dtype
    assert_close(C, expected, tolerance(dtype).one_pass)
    out = np.full((n, m), np.nan, dtype).T
    assert F.matmul(A, B, out=out, num_threads=2) is out
    assert_close(out, expected, tolerance(dtype).one_pass)
    assert F.matmul(A.astype(np.float32), B.astype(np.float64)).dtype == np.float64


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("bias", [True, False])
def test_dense_layers(dtype, name, bias):
    rng = np.random.default_rng(0)
    X, W, b, dY = (rng.normal(size=shape) for shape in ((6, 4), (4, 3), 3, (6, 3)))
    if not bias:
        b = None
    expected = NUMPY[name](X @ W + (b if bias else 0))
    given = [a if a is None else a.astype(dtype) for a in (X, W, b, dY)]
    with unmodified(*(a for a in given if a is not None)):
        assert_close(F.dense_forward(*given[:3], name), expected, tolerance(dtype).one_pass)
        dX, dW, db = F.dense_backward(*given, name)
    assert dX.dtype == dW.dtype == db.dtype == dtype

    def loss(X, W, b):
        return float((NUMPY[name](X @ W + b) * dY).sum())

    at = b if bias else np.zeros(3)
    bound = 2e-5 if dtype == np.float32 else tolerance(dtype).difference
    assert_close(dX, differences(lambda x: loss(x, W, at), X), bound)
    assert_close(dW, differences(lambda w: loss(X, w, at), W), bound)
    assert_close(db, differences(lambda c: loss(X, W, c), at), bound)


def test_dense_layers_take_aliases_and_no_rows():
    assert F.dense_forward([[1.0]], [[0.0]], None, "logistic").item() == 0.5
    X, W = np.zeros((0, 4)), np.ones((4, 3))
    assert F.dense_forward(X, W).shape == (0, 3)
    dX, dW, db = F.dense_backward(X, W, None, np.zeros((0, 3)), "gelu")
    assert dX.shape == (0, 4)
    assert not dW.any()
    assert not db.any()
    assert (dW.shape, db.shape) == ((4, 3), (3,))


# ---- losses


def log_sum_exp(R):
    return np.log(np.exp(R - R.max(axis=1, keepdims=True)).sum(axis=1)) + R.max(axis=1)


BY_HAND = {
    "squared_error": lambda R, T: ((R - T) ** 2).sum(axis=1) / 2,
    "absolute_error": lambda R, T: np.abs(R - T).sum(axis=1),
    "huber": lambda R, T: np.where(np.abs(R - T) <= 1, (R - T) ** 2 / 2, np.abs(R - T) - 0.5).sum(axis=1),
    "quantile": lambda R, T: np.maximum((T - R) / 2, (R - T) / 2).sum(axis=1),
    "binary_cross_entropy": lambda R, T: (np.logaddexp(0, R) - R * T).sum(axis=1),
    "categorical_cross_entropy": lambda R, T: log_sum_exp(R) * T.sum(axis=1) - (R * T).sum(axis=1),
    "poisson": lambda R, T: (np.exp(R) - R * T).sum(axis=1),
}
assert set(BY_HAND) == set(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
def test_losses(dtype, name):
    rng = np.random.default_rng(0)
    R, T = rng.normal(size=(6, 3)) * 2, rng.dirichlet(np.ones(3), 6)
    function, by_hand = getattr(F, OF_LOSS.get(name, name)), BY_HAND[name]
    given = R.astype(dtype), T.astype(dtype)
    with unmodified(*given):
        each, each_dR = function(*given, "none")
        mean, dR = function(*given)
    assert_close(each, by_hand(R, T), 2 * tolerance(dtype).one_pass)
    assert mean == pytest.approx(by_hand(R, T).mean(), rel=2e-6)
    assert isinstance(mean, float)
    assert each.dtype == each_dR.dtype == dR.dtype == dtype
    by_difference = differences(lambda r: float(by_hand(r, T).sum()), R)
    bound = 2e-5 if dtype == np.float32 else tolerance(dtype).difference
    assert_close(each_dR, by_difference, bound)
    assert_close(dR, by_difference / 6, bound)
    weights = np.linspace(0, 2, 6)
    weighted, weighted_dR = function(*given, sample_weight=weights)
    assert weighted == pytest.approx(np.average(by_hand(R, T), weights=weights), rel=2e-6)
    assert_close(weighted_dR, by_difference * weights[:, None] / weights.sum(), bound)
    if name != "categorical_cross_entropy":
        one, one_dR = function(given[0][:, 0], given[1][:, 0])
        column, column_dR = function(given[0][:, :1], given[1][:, :1])
        assert one == pytest.approx(column, rel=4 * float(np.finfo(dtype).eps))  # at another address
        assert np.array_equal(one_dR, column_dR[:, 0])


def test_parameters_of_losses():
    assert F.huber([[3.0]], [[0.0]], delta=2.0)[0] == 4.0
    loss, dR = F.quantile([[0.0]], [[2.0]], q=0.9)
    assert loss == pytest.approx(1.8)
    assert dR.item() == pytest.approx(-0.9)


def test_losses_of_large_logits(dtype):
    R = np.array([[500.0, -500.0]], dtype)
    assert F.softmax_cross_entropy_with_logits(R, [[0, 1]])[0] == pytest.approx(1000)
    assert F.softmax_cross_entropy_with_logits(R, [[1, 0]])[0] == 0
    assert F.binary_cross_entropy_with_logits(R, [[0, 1]])[0] == pytest.approx(1000)


@pytest.mark.parametrize(("call", "error", "words"), [
    (lambda: F.relu("a"), TypeError, "x must hold real numbers"),
    (lambda: F.relu_grad([1j]), TypeError, "z must hold real numbers"),
    (lambda: F.relu(np.ones(3), out=np.ones(2)), ValueError, r"out must be a float64 array of shape \(3,\)"),
    (lambda: F.relu(np.ones(3, "f4"), out=np.ones(3)), ValueError, "out must be a float32 array"),
    (lambda: F.dot([1.0], [1.0, 2.0]), ValueError, "vectors of one length"),
    (lambda: F.dot([[1.0]], [[1.0]]), ValueError, "vectors of one length"),
    (lambda: F.matmul([[1.0]], [[1.0], [2.0]]), ValueError, "must chain"),
    (lambda: F.matmul([1.0], [[1.0]]), ValueError, "must chain"),
    (lambda: (lambda A: F.matmul(A, A, out=A))(np.ones((2, 2))), ValueError, "out overlaps A or B"),
    (lambda: F.matmul([[1.0]], [[1.0]], num_threads=0), ValueError, "num_threads"),
    (lambda: F.dense_forward([[1.0]], [[1.0]], [1.0, 2.0]), ValueError, r"b must have shape \(1,\)"),
    (lambda: F.dense_forward([[1.0]], [[1.0, 2.0]], 3.0), ValueError, r"b must have shape \(2,\)"),
    (lambda: F.dense_forward([[1.0]], [[1.0]], None, "rleu"), ValueError, "Did you mean 'relu'"),
    (lambda: F.dense_backward([[1.0]], [[1.0]], None, [[1.0, 2.0]]), ValueError, "dY must have the output's shape"),
    (lambda: F.squared_error([[1.0]], [[1.0, 2.0]]), ValueError, "R and T must have one shape"),
    (lambda: F.squared_error(1.0, 1.0), ValueError, "R and T must have one shape"),
    (lambda: F.squared_error(np.ones((0, 2)), np.ones((0, 2))), ValueError, "R is empty"),
    (lambda: F.squared_error([np.nan], [1.0]), ValueError, r"R\[0\] is nan"),
    (lambda: F.squared_error([1.0], [1.0], "sum"), ValueError, "unknown reduction 'sum'"),
    (lambda: F.squared_error([1.0], [1.0], "none", sample_weight=[1]), ValueError, "is for reduction='mean'"),
    (lambda: F.squared_error([1.0], [1.0], sample_weight=[-1]), ValueError, "must not be negative"),
    (lambda: F.huber([1.0], [1.0], delta=0), ValueError, "delta"),
    (lambda: F.quantile([1.0], [1.0], q=1), ValueError, "q must be"),
    (lambda: F.binary_cross_entropy_with_logits([1.0], [2.0]), ValueError, "T must lie in 0 ... 1"),
    (lambda: F.softmax_cross_entropy_with_logits([[1.0, 2.0]], [[1, 1]]), ValueError, "row 0 of T sums to 2"),
    (lambda: F.poisson_with_log_rates([1.0], [-1.0]), ValueError, "T must not be negative"),
])  # fmt: skip
def test_bad_arguments(call, error, words):
    with pytest.raises(error, match=words):
        call()


# ---- elementary functions, and the short way of plain arrays


@pytest.mark.parametrize("name", ["exp", "expm1", "log", "log1p", "erf"])
def test_elementary_function(dtype, name):
    x = np.linspace(0.01, 3, 101).astype(dtype)
    with unmodified(x):
        y = getattr(F, name)(x)
    assert y.dtype == dtype
    expected = [getattr(math, name)(v) for v in x.tolist()]
    np.testing.assert_allclose(y, expected, rtol=4 * np.finfo(dtype).eps)
    assert np.isnan(getattr(F, name)(np.array([np.nan], dtype))).all()


def layouts(x):
    """Yield x in layouts that the short way takes and declines."""
    yield x.copy()
    yield x.astype(x.dtype.newbyteorder())
    yield np.asfortranarray(x)
    yield np.repeat(x, 2, axis=1)[:, ::2]
    yield x[::-1].copy()[::-1]
    packed = np.zeros(x.shape, [("a", "u1"), ("x", x.dtype)])["x"]
    packed[...] = x
    yield packed
    read_only = x.copy()
    read_only.flags.writeable = False
    yield read_only
    yield x.tolist()


@pytest.mark.parametrize("name", ["exp", "tanh", "log1p"])
def test_any_layout_gives_the_same(dtype, name):
    x = np.random.default_rng(3).random((6, 11)).astype(dtype)
    function = getattr(F, name)
    expected = function(x).copy()
    for given in layouts(x):
        np.testing.assert_allclose(function(given), expected, rtol=4 * np.finfo(dtype).eps)
        for out in (np.empty((6, 11), dtype), np.empty((11, 6), dtype).T, np.empty((6, 22), dtype)[:, ::2]):
            if isinstance(given, list) and dtype == np.float32:
                continue  # computed in float64
            out[...] = np.nan
            assert function(given, out=out) is out
            np.testing.assert_allclose(out, expected, rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("shift", [1, 3, 16])
def test_out_may_overlap_x(dtype, shift):
    for one, other in ((slice(shift, None), slice(None, -shift)), (slice(None, -shift), slice(shift, None))):
        memory = np.linspace(-2, 2, 200).astype(dtype)
        expected = F.exp(memory[one].copy())
        assert F.exp(memory[one], out=memory[other]).base is memory
        assert same_bits(memory[other], expected)


def test_bad_out_is_refused():
    x = np.ones((2, 3), np.float32)
    for out in (np.ones((3, 2), np.float32), np.ones((2, 3)), [1.0], np.ones(6, np.float32)):
        with pytest.raises(ValueError, match="out must be a float32 array of shape"):
            F.exp(x, out=out)
    out = np.ones((2, 3), np.float32)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        F.exp(x, out=out)
    with pytest.raises(TypeError, match="complex"):
        F.exp(np.ones(3, np.complex64))
