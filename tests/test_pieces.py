"""Every piece of every backend against explicit loops, over shapes, strides and dtypes, with guards around outputs."""

from __future__ import annotations

import math

import kernels_oracle as oracle
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels_common import LAYOUTS, SIZES, TOLERANCE, Memory, Net, eps, hyper_rows, make_targets, same_bits, unmodified

from fastnn.kernels import plan
from fastnn.kernels.activations import ACTIVATIONS, INPUT
from fastnn.kernels.losses import BY_NAME, LINKS, LOSSES
from fastnn.kernels.updates import UPDATES

sizes = st.sampled_from(SIZES)
some = st.sampled_from(SIZES[1:])
layouts = st.sampled_from(sorted(LAYOUTS))
seeds = st.integers(0, 2**32 - 1)
threads = st.sampled_from([1, 2, 3])


def named(table):
    return pytest.mark.parametrize("entry", table, ids=lambda entry: entry.name)


def normal(seed, shape, dtype, scale=1.0):
    return (scale * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def each(f, *arrays):
    """Apply a scalar function elementwise in float64."""
    found = [f(*values) for values in zip(*(np.asarray(a, float).ravel().tolist() for a in arrays), strict=True)]
    return np.array(found, float).reshape(arrays[0].shape)


def assert_within(actual, expected, bound):
    """Assert |actual - expected| <= bound elementwise; the bound must follow the data."""
    error = np.abs(np.asarray(actual, float) - expected)
    assert (error <= bound).all(), f"worst {np.max(error - bound):.3g} beyond its bound"


def products(A, B):
    """Return A B and its rounding bound over one ulp, |A| |B|, by float64 loops."""
    A, B = A.astype(float), B.astype(float)
    C, size = np.zeros((len(A), B.shape[1])), np.zeros((len(A), B.shape[1]))
    for p in range(A.shape[1]):
        term = A[:, p, None] * B[None, p, :]
        C += term
        size += np.abs(term)
    return C, size


def tiny(dtype):
    return float(np.finfo(dtype).tiny)


# ---- products


@given(n=sizes, step_x=st.sampled_from([1, 2, -1, -3, 0]), step_y=st.sampled_from([1, 2, -1, 0]), seed=seeds)
def test_dot(backend, dtype, n, step_x, step_y, seed):
    def strided(values, step):
        if step == 0:
            return np.lib.stride_tricks.as_strided(values[:1], (n,), (0,))
        return values[: abs(step) * n][::step]

    x, y = strided(normal(seed, 3 * n + 1, dtype), step_x), strided(normal(seed + 1, 3 * n + 1, dtype), step_y)
    assert len(x) == len(y) == n
    with unmodified(x, y):
        value = backend.dot(x, y)
    terms = [a * b for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    assert isinstance(value, float)
    assert abs(value - math.fsum(terms)) <= (n + 4) * eps(dtype) * math.fsum(map(abs, terms))


@given(m=sizes, n=sizes, k=sizes, ways=st.tuples(layouts, layouts, layouts), accumulate=st.booleans(), threads=threads,
       seed=seeds)  # fmt: skip
def test_matmul(backend, dtype, m, n, k, ways, accumulate, threads, seed):
    memory = Memory()
    A = memory.laid_out(ways[0], normal(seed, (m, k), dtype))
    B = memory.laid_out(ways[1], normal(seed + 1, (k, n), dtype))
    before = normal(seed + 2, (m, n), dtype) if accumulate else np.full((m, n), np.nan, dtype)
    C = memory.laid_out(ways[2], before)
    with unmodified(A, B):
        backend.matmul(A, B, C, accumulate, threads)
    expected, size = products(A, B)
    if accumulate:
        expected, size = expected + before, size + np.abs(before)
    assert_within(C, expected, (k + 4) * eps(dtype) * size)
    memory.check()


@pytest.mark.parametrize("shape", [(67, 70, 300), (130, 16, 784), (5, 520, 65), (1, 1, 3000)])
def test_matmul_beyond_one_tile(backend, dtype, shape):
    m, n, k = shape
    A, B, C = normal(1, (m, k), dtype), normal(2, (k, n), dtype), np.full((m, n), np.nan, dtype)
    backend.matmul(A, B, C, False, 2)
    expected, size = products(A, B)
    assert_within(C, expected, math.sqrt(k) * 4 * eps(dtype) * size)


@given(m=st.integers(8, 24), whole=st.sampled_from([0, 16, 48]), few=st.integers(1, 4),
       k=st.sampled_from([1, 15, 33, 800]), ways=st.tuples(layouts, layouts, layouts), accumulate=st.booleans(),
       seed=seeds)  # fmt: skip
def test_matmul_of_few_columns_more(backend, dtype, m, whole, few, k, ways, accumulate, seed):
    """Columns that fill a quarter of a register at most, alone or behind whole registers."""
    memory, n = Memory(), whole + few
    A = memory.laid_out(ways[0], normal(seed, (m, k), dtype))
    B = memory.laid_out(ways[1], normal(seed + 1, (k, n), dtype))
    before = normal(seed + 2, (m, n), dtype) if accumulate else np.full((m, n), np.nan, dtype)
    C = memory.laid_out(ways[2], before)
    with unmodified(A, B):
        backend.matmul(A, B, C, accumulate, 1)
    expected, size = products(A, B)
    if accumulate:
        expected, size = expected + before, size + np.abs(before)
    assert_within(C, expected, (k + 4) * eps(dtype) * size)
    memory.check()


@pytest.mark.parametrize("which", [0, 1])
def test_matmul_of_a_broadcast_operand(backend, dtype, which):
    operands = [normal(1, (9, 17), dtype), normal(2, (17, 5), dtype)]
    row = operands[which][0].copy()
    operands[which] = np.lib.stride_tricks.as_strided(row, operands[which].shape, (0, dtype.itemsize))
    C = np.full((9, 5), np.nan, dtype)
    backend.matmul(*operands, C, False, 1)
    expected, size = products(*operands)
    assert_within(C, expected, 20 * eps(dtype) * size)


# ---- activations and links


def spread(seed, m, n, dtype):
    """Return inputs of both signs, small and large, with some zeros."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((m, n)) * 10.0 ** rng.integers(-3, 2, (m, n))
    z[rng.random((m, n)) < 0.1] = 0
    return z.astype(dtype)


@named(ACTIVATIONS)
@given(m=sizes, n=sizes, ways=st.tuples(layouts, layouts), alias=st.booleans(), seed=seeds)
def test_activation(entry, backend, dtype, m, n, ways, alias, seed):
    memory, values = Memory(), spread(seed, m, n, dtype)
    x = memory.laid_out(ways[0], values)
    y = x if alias else memory.laid_out(ways[1], np.full((m, n), np.nan, dtype))
    with unmodified(*([] if alias else [x])):
        backend.activation(entry.code, x, y)
    expected = each(oracle.ACTIVATION[entry.name][0], values)
    cancels = np.abs(values.astype(float)) if entry.name == "gelu" else 0
    assert_within(y, expected, TOLERANCE[dtype].ulps * eps(dtype) * (np.abs(expected) + cancels) + tiny(dtype))
    memory.check()


@named(ACTIVATIONS)
@given(m=sizes, n=sizes, ways=st.tuples(layouts, layouts, layouts), alias=st.booleans(), seed=seeds)
def test_activation_grad(entry, backend, dtype, m, n, ways, alias, seed):
    memory, z = Memory(), spread(seed, m, n, dtype)
    f, df = oracle.ACTIVATION[entry.name]
    yz = memory.laid_out(ways[0], z if entry.reads == INPUT else each(f, z).astype(dtype))
    upstream = normal(seed + 1, (m, n), dtype)
    dy = memory.laid_out(ways[1], upstream)
    dx = dy if alias else memory.laid_out(ways[2], np.full((m, n), np.nan, dtype))
    with unmodified(yz, *([] if alias else [dy])):
        backend.activation_grad(entry.code, yz, dy, dx)
    expected = upstream * each(df, z)
    # f' from a rounded y, or by 1 - s in it, is off by ulps of one
    size = np.abs(upstream) * (1 + np.abs(z.astype(float)) * (entry.reads == INPUT))
    assert_within(dx, expected, TOLERANCE[dtype].ulps * eps(dtype) * size + tiny(dtype))
    memory.check()


@named(ACTIVATIONS)
def test_activation_of_special_values(entry, backend, dtype):
    """NaN passes, overflow saturates; every lane of a SIMD register and the tail give the reference's answer."""
    special = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 104, -104, 720, -720, 0.0, -0.0, 1e-30, -1e-30], dtype)
    x = np.tile(special, (2, 5))
    y = np.full_like(x, 7)
    backend.activation(entry.code, x, y)
    with np.errstate(all="ignore"):
        expected = np.asarray(entry.f(x))
    np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
    assert np.isnan(y[:, 0]).all()
    np.testing.assert_allclose(y, expected, rtol=16 * eps(dtype), atol=tiny(dtype))


def test_the_slope_of_relu_at_zero_is_zero(backend, dtype):
    relu = next(a for a in ACTIVATIONS if a.name == "relu").code
    dx = np.full((1, 19), np.nan, dtype)
    backend.activation_grad(relu, np.zeros((1, 19), dtype), np.ones((1, 19), dtype), dx)
    np.testing.assert_array_equal(dx, 0)


@named(LINKS)
@given(m=sizes, n=some, ways=st.tuples(layouts, layouts), alias=st.booleans(), seed=seeds)
def test_link(entry, backend, dtype, m, n, ways, alias, seed):
    memory, values = Memory(), np.clip(spread(seed, m, n, dtype), -50, 50)
    R = memory.laid_out(ways[0], values)
    Y = R if alias else memory.laid_out(ways[1], np.full((m, n), np.nan, dtype))
    with unmodified(*([] if alias else [R])):
        backend.link(entry.code, R, Y)
    expected = np.array([oracle.LINK[entry.name](row) for row in values.tolist()]).reshape(m, n)
    # the softmax subtracts the row's maximum, which rounds the exponent
    shift = 1 + (np.ptp(values, axis=1, keepdims=True).astype(float) if entry.name == "softmax" else 0)
    assert_within(Y, expected, (8 + n) * eps(dtype) * shift * np.abs(expected) + tiny(dtype))
    memory.check()


def test_softmax_of_extreme_logits(backend, dtype):
    softmax = next(entry for entry in LINKS if entry.name == "softmax").code
    R = np.array([[1e30, 0, -1e30], [-1e30, -1e30, -1e30], [-np.inf, 1, 1], [np.nan, 0, 0], [0, 0, np.nan]], dtype)
    Y = np.empty_like(R)
    backend.link(softmax, R, Y)
    np.testing.assert_allclose(Y[:3], [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3], [0, 0.5, 0.5]], rtol=4 * eps(dtype))
    assert np.isnan(Y[3:]).all()


# ---- layers


@given(entry=st.sampled_from(ACTIVATIONS), m=sizes, n_in=some, n_out=some, bias=st.booleans(), keep_z=st.booleans(),
       ways=st.tuples(layouts, layouts, layouts, layouts), threads=threads, seed=seeds)  # fmt: skip
def test_dense_forward(backend, dtype, entry, m, n_in, n_out, bias, keep_z, ways, threads, seed):
    memory = Memory()
    X = memory.laid_out(ways[0], normal(seed, (m, n_in), dtype))
    W = memory.laid_out(ways[1], normal(seed + 1, (n_in, n_out), dtype))
    b = memory.like(normal(seed + 2, n_out * bias, dtype))
    Y = memory.laid_out(ways[2], np.full((m, n_out), np.nan, dtype))
    Z = memory.laid_out(ways[3], np.full((m, n_out), -7, dtype)) if keep_z else np.empty((0, 0), dtype)
    with unmodified(X, W, b):
        backend.dense_forward(X, W, b, entry.code, Y, Z, threads)
    z, size = products(X, W)
    z, size = z + (b if bias else 0), size + (np.abs(b) if bias else 0)
    bound = (n_in + 6) * eps(dtype) * size
    assert_within(Y, each(oracle.ACTIVATION[entry.name][0], z), 1.2 * bound + 8 * eps(dtype) * (np.abs(z) + 1))
    if keep_z and entry.reads == INPUT:
        assert_within(Z, z, bound)
    elif keep_z:
        assert (Z == -7).all(), "Z was written though the derivative reads the output"
    memory.check()


@given(entry=st.sampled_from(ACTIVATIONS), m=sizes, n_in=some, n_out=some, wants=st.sets(st.sampled_from("Xwb")),
       ways=st.tuples(*[layouts] * 6), threads=threads, seed=seeds)  # fmt: skip
def test_dense_backward(backend, dtype, entry, m, n_in, n_out, wants, ways, threads, seed):
    memory, nothing = Memory(), np.empty((0, 0), dtype)
    z = normal(seed, (m, n_out), dtype)
    f, df = oracle.ACTIVATION[entry.name]
    yz = memory.laid_out(ways[0], z if entry.reads == INPUT else each(f, z).astype(dtype))
    X = memory.laid_out(ways[1], normal(seed + 1, (m, n_in), dtype))
    W = memory.laid_out(ways[2], normal(seed + 2, (n_in, n_out), dtype))
    upstream = normal(seed + 3, (m, n_out), dtype)
    dY = memory.laid_out(ways[3], upstream)
    dX = memory.laid_out(ways[4], np.full((m, n_in), np.nan, dtype)) if "X" in wants else nothing
    dW = memory.laid_out(ways[5], np.full((n_in, n_out), np.nan, dtype)) if "w" in wants else nothing
    db = memory.take(n_out, dtype) if "b" in wants else np.empty(0, dtype)
    with unmodified(yz, X, W):
        backend.dense_backward(X if "w" in wants else nothing, W, yz, dY, entry.code, dX, dW, db, threads)
    expected = upstream * each(df, z)
    assert_within(dY, expected, 16 * eps(dtype) * (np.abs(upstream) + 1))
    dZ = dY.astype(float)  # already held against the oracle: what follows is a function of it
    if "X" in wants:
        product, size = products(dZ, W.T)
        assert_within(dX, product, (n_out + 4) * eps(dtype) * size)
    if "w" in wants:
        product, size = products(X.T, dZ)
        assert_within(dW, product, (m + 4) * eps(dtype) * size)
    if "b" in wants:
        assert_within(db, dZ.sum(axis=0), (m + 4) * eps(dtype) * np.abs(dZ).sum(axis=0))
    memory.check()


# ---- losses


@named(LOSSES)
@given(m=sizes, n=some, weighted=st.booleans(), gradient=st.sampled_from(["no", "apart", "alias"]), seed=seeds)
def test_loss_grad(entry, backend, dtype, m, n, weighted, gradient, seed):
    rng, memory = np.random.default_rng(seed), Memory()
    net = Net((1, n), ("identity",), entry.name, parameter=0.6)
    values = rng.standard_normal((m, n)).astype(dtype) * 3
    R, T = memory.like(values), memory.like(make_targets(rng, net, dtype, m)[0])
    if entry.domain == "distribution":
        T *= 1.5  # rows need not sum to one
    weights = (rng.random(m) * (rng.random(m) < 0.8)).astype(dtype) if weighted else np.empty(0, dtype)
    dR = {"no": np.empty((0, 0), dtype), "apart": memory.take((m, n), dtype), "alias": R}[gradient]
    const, norm = net.const, 2.5
    with unmodified(T, weights, const, *([] if gradient == "alias" else [R])):
        value = backend.loss_grad(entry.code, const, R, T, weights, norm, dR)
    share = [w / norm for w in weights.tolist()] if weighted else [1 / norm] * m
    rows = [oracle.LOSS[entry.name](r, t, 0.6) for r, t in zip(values.tolist(), T.tolist(), strict=True)]
    loss_size = math.fsum(w * (abs(row[0]) + n) for w, row in zip(share, rows, strict=True))
    expected = math.fsum(w * row[0] for w, row in zip(share, rows, strict=True))
    assert isinstance(value, float)
    assert abs(value - expected) <= (20 + n) * eps(dtype) * loss_size * (1 + np.abs(values).max(initial=0))
    if gradient != "no":
        slopes = np.array([row[1] for row in rows]).reshape(m, n) * np.array(share)[:, None]
        size = (1 + np.abs(values) + np.exp(values)) * np.array(share)[:, None]
        assert_within(dR, slopes, (8 + n) * eps(dtype) * size * 3)
    memory.check()


@named(LOSSES)
@pytest.mark.parametrize("n", [2, 3, 1000])
def test_a_loss_divides_by_a_norm_that_its_dtype_cannot_hold(entry, backend, n):
    net, weights = Net((1, n), ("identity",), entry.name), np.full(5, 1e38, np.float32)
    R, T = np.full((5, n), 0.5, np.float32), np.full((5, n), 0.25, np.float32)
    dR, plain = np.empty_like(R), np.empty_like(R)
    value = backend.loss_grad(entry.code, net.const, R, T, weights, 5e38, dR)
    expected = backend.loss_grad(entry.code, net.const, R, T, np.empty(0, np.float32), 5.0, plain)
    assert value == pytest.approx(expected, rel=1e-6)
    assert value > 0
    np.testing.assert_allclose(dR, plain, rtol=1e-6)


@named(LOSSES)
def test_loss_of_extreme_raw_predictions(entry, backend, dtype):
    rows = [[60.0, -1e4], [-1e4, 60.0]] if entry.name == "poisson" else [[1e4, -1e4], [-1e4, 1e4]]
    R, T = np.array(rows, dtype), np.array([[0.0, 1.0], [0.0, 1.0]], dtype)
    dR, net = np.full_like(R, np.nan), Net((1, 2), ("identity",), entry.name)
    value = backend.loss_grad(entry.code, net.const, R, T, np.empty(0, dtype), 1.0, dR)
    expected = [oracle.LOSS[entry.name](r, t, net.parameter) for r, t in zip(rows, T.tolist(), strict=True)]
    assert value == pytest.approx(sum(row[0] for row in expected), rel=100 * eps(dtype))
    np.testing.assert_allclose(dR, [row[1] for row in expected], rtol=100 * eps(dtype), atol=8 * eps(dtype))


@named(LOSSES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_no_non_finite_prediction_is_swallowed(entry, backend, dtype, bad):
    net = Net((1, 3), ("identity",), entry.name)
    for column in range(3):
        R, dR = np.full((5, 3), 0.5, dtype), np.zeros((5, 3), dtype)
        R[3, column] = bad
        T = np.full((5, 3), 0.25, dtype)
        value = backend.loss_grad(entry.code, net.const, R, T, np.empty(0, dtype), 5.0, dR)
        assert not np.isfinite(value)
        assert np.isnan(dR[3, column]) or not np.isnan(bad)


# ---- updates


@named(UPDATES)
@given(sizes=st.lists(st.sampled_from([1, 2, 3, 5, 8, 17]), min_size=2, max_size=4), bias=st.booleans(),
       t=st.integers(0, 1000), decay=st.sampled_from([0.0, 0.3]), seed=seeds)  # fmt: skip
def test_update(entry, backend, dtype, sizes, bias, t, decay, seed):
    rng, memory = np.random.default_rng(seed), Memory()
    net = Net(tuple(sizes), ("tanh",) * (len(sizes) - 1), bias=bias)
    start = net.theta(rng, dtype)
    theta, grad = memory.like(start), memory.like(rng.standard_normal(start.size).astype(dtype))
    past = np.abs(rng.standard_normal((entry.slots, start.size))).astype(dtype)
    state = memory.like(past)
    (hyper,) = hyper_rows(entry.name, 1, decay=decay)
    table = net.plan
    with unmodified(grad, hyper, table):
        backend.update(table, entry.code, hyper, t, theta, grad, state)
    slots = np.zeros((2, start.size))
    slots[: entry.slots] = past
    kept = slots.T.tolist()
    expected = oracle.update(net, entry.name, hyper.tolist(), t, start.tolist(), grad.tolist(), kept)
    step = np.abs(np.array(expected) - start)
    # 1 - 0.999 in float32, taken after 0.999 is rounded, would be off by 200 eps
    assert_within(theta, expected, 4 * eps(dtype) * (1 + np.abs(start)) + 16 * eps(dtype) * step)
    for row, memory_row in zip(state, np.array(kept).T, strict=False):
        assert_within(row, memory_row, 16 * eps(dtype) * (1 + np.abs(memory_row)))
    memory.check()


@pytest.mark.parametrize("name", ["adam", "adamw", "rmsprop"])
def test_averages_weigh_new_gradients_to_the_last_bits(name, backend, dtype):
    """The slots begin at 0, so one step leaves (1 - beta) g and (1 - beta) g^2 there."""
    net, hyper = Net((3, 4), ("identity",)), np.array([0.1, 0, 0.9, 0.999, 1e-8])
    theta = net.theta(np.random.default_rng(0), dtype)
    entry = next(update for update in UPDATES if update.name == name)
    state = np.zeros((entry.slots, theta.size), dtype)
    backend.update(net.plan, entry.code, hyper, 0, theta, np.full_like(theta, 2), state)
    expected = [(1 - 0.9) * 4] if name == "rmsprop" else [(1 - 0.9) * 2, (1 - 0.999) * 4]
    for row, value in zip(state, expected, strict=True):
        np.testing.assert_allclose(row, value, rtol=2 * eps(dtype))


@named(UPDATES)
def test_decay_passes_biases_over(entry, backend, dtype):
    net, rng = Net((3, 4, 2), ("tanh", "tanh")), np.random.default_rng(5)
    theta = net.theta(rng, dtype)
    before, grad = theta.copy(), np.zeros_like(theta)
    (hyper,) = hyper_rows(entry.name, 1, decay=0.5)
    backend.update(net.plan, entry.code, hyper, 0, theta, grad, np.zeros((entry.slots, theta.size), dtype))
    W1, b1, W2, b2 = net.arrays(theta)
    W1_before, b1_before, W2_before, b2_before = net.arrays(before)
    factor = 1 - hyper[0] * hyper[1]
    np.testing.assert_allclose(W1, factor * W1_before, rtol=4 * eps(dtype))
    np.testing.assert_allclose(W2, factor * W2_before, rtol=4 * eps(dtype))
    assert same_bits(b1, b1_before)
    assert same_bits(b2, b2_before)


def test_pack_fills_what_packed_size_says(backend, dtype):
    net, memory = Net((5, 17, 3), ("relu", "identity")), Memory()
    theta, table = net.theta(np.random.default_rng(0), dtype), net.plan
    size = backend.packed_size(table)
    packed = memory.take(size, dtype)
    with unmodified(theta, table):
        backend.pack(table, theta, packed)
    assert size == 0 or size >= table[0, plan.N_PARAMETERS]
    assert np.isfinite(packed).all()
    memory.check()


@pytest.mark.parametrize("name", ["categorical_cross_entropy", "binary_cross_entropy"])
@pytest.mark.parametrize("n", [3, 700])  # short rows, and rows that no block holds
def test_a_negative_parameter_cuts_what_a_cross_entropy_reports(backend, dtype, name, n):
    """No element counts more than the cut; the gradient is that of the loss itself, and NaN stays NaN."""
    code, cut = BY_NAME[name].code, 20.0
    R, T = np.zeros((3, n), dtype), np.zeros((3, n), dtype)
    R[:, 0], R[:, 1], T[:, 1] = [0.5, 30, 80], [0, -30, 3], 1
    weights, empty = np.array([1, 2, 3], dtype), np.empty((0, 0), dtype)
    gradients = [np.empty_like(R) for _ in range(2)]
    const = np.zeros((2, 4))
    plain = backend.loss_grad(code, const, R, T, weights, 2.0, gradients[0])
    const[0, 0] = -cut
    value = backend.loss_grad(code, const, R, T, weights, 2.0, gradients[1])
    assert backend.loss_grad(code, const, R, T, weights, 2.0, empty) == pytest.approx(value, rel=4 * eps(dtype))
    np.testing.assert_array_equal(*gradients)
    if name == "binary_cross_entropy":
        pairs = (zip(r.tolist(), t.tolist(), strict=True) for r, t in zip(R, T, strict=True))
        elements = [[oracle.LOSS[name]([r], [t], 0)[0] for r, t in row] for row in pairs]
    else:
        elements = [[oracle.LOSS[name](r.tolist(), t.tolist(), 0)[0]] for r, t in zip(R, T, strict=True)]
    rows = [math.fsum(min(cut, element) for element in row) for row in elements]
    assert value == pytest.approx(float(np.dot(rows, weights)) / 2, rel=100 * eps(dtype))
    assert plain > value + 10
    R[1, 2] = np.nan
    assert math.isnan(backend.loss_grad(code, const, R, T, weights, 2.0, empty))
