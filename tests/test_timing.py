"""Kernels timed inside C: each does the piece that it times, fills in seconds, and refuses what would crash."""

from __future__ import annotations

import time

import numpy as np
import pytest

from fastnn.kernels import numpy_kernels
from fastnn.kernels.activations import BY_NAME
from fastnn.kernels.elementary import FUNCTIONS
from fastnn.kernels.losses import BY_NAME as LOSS
from fastnn.kernels.losses import LINK_BY_NAME
from fastnn.kernels.updates import BY_NAME as RULE
from fastnn.kernels.updates import N_HYPER

k = pytest.importorskip("fastnn.kernels.cython_kernels")
reference = numpy_kernels.KERNELS
FUNCTION = {function.name: function for function in FUNCTIONS}


@pytest.fixture
def seconds():
    """Three samples, none of which may stay as it is."""
    return np.full(3, np.nan)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def took(seconds, calls, began):
    """Check that the samples are positive and no longer than the whole call took."""
    assert np.all(seconds > 0)
    assert seconds.sum() * calls <= time.perf_counter() - began


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("transposed", [False, True])
def test_matmul(rng, seconds, threads, transposed, dtype):
    A = rng.standard_normal((7, 5)).astype(dtype).T if transposed else rng.standard_normal((5, 7)).astype(dtype)
    B, C = rng.standard_normal((7, 9)).astype(dtype), np.zeros((5, 9), dtype)
    began = time.perf_counter()
    k.time_matmul(A, B, C, False, threads, 4, seconds)
    took(seconds, 4, began)
    np.testing.assert_allclose(C, A @ B, rtol=1e-4, atol=1e-5)
    k.time_matmul(A, B, C, True, threads, 4, seconds)
    np.testing.assert_allclose(C, 13 * (A @ B), rtol=1e-4, atol=1e-4)  # 3 samples of 4 calls


def test_vectors_and_elements(rng, seconds, dtype):
    x, y = rng.standard_normal((2, 6, 11)).astype(dtype)
    out, expected = np.zeros_like(x), np.zeros_like(x)
    began = time.perf_counter()
    k.time_dot(x[0], y[0], 2, seconds)
    took(seconds, 2, began)
    act = BY_NAME["tanh"].code
    for timed, piece, arguments in (
        (k.time_activation, reference.activation, (act, x)),
        (k.time_elementary, reference.elementary, (FUNCTION["exp"].code, x)),
        (k.time_activation_grad, reference.activation_grad, (act, x, y)),
        (k.time_link, reference.link, (LINK_BY_NAME["softmax"].code, x)),
    ):
        seconds[:] = np.nan
        began = time.perf_counter()
        timed(*arguments, out, 2, seconds)
        took(seconds, 2, began)
        piece(*arguments, expected)
        np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)


def test_loss_and_update(rng, seconds, dtype):
    R, T = rng.standard_normal((2, 6, 3)).astype(dtype)
    dR = np.zeros_like(R)
    code = LOSS["squared_error"].code
    began = time.perf_counter()
    k.time_loss_grad(code, 0.0, R, T, dR, 2, seconds)
    took(seconds, 2, began)
    took(seconds, 2, began)
    np.testing.assert_allclose(dR, (R - T) / 6, rtol=1e-5)
    theta, grad = rng.standard_normal((2, 13)).astype(dtype)
    start, state = theta.copy(), np.zeros((0, 13), dtype)
    hyper = np.zeros(N_HYPER)
    hyper[0] = 0.25
    k.time_update(RULE["sgd"].code, hyper, 0, theta, grad, state, 2, seconds)
    np.testing.assert_allclose(theta, start - 6 * 0.25 * grad, rtol=1e-4, atol=1e-5)


def test_limits(rng, seconds, dtype):
    one = k.time_multiply_adds(dtype, 1, 10, 3, seconds)
    assert one % 20 == 0
    assert k.time_multiply_adds(dtype, 2, 10, 3, seconds) == 2 * one
    assert k.time_multiply_adds(dtype, 1, 1000, 3, seconds) == 100 * one
    x, y = rng.standard_normal(1000).astype(dtype), np.zeros(1000, dtype)
    k.time_copy(x, y, 2, seconds)
    assert np.array_equal(x, y)
    k.time_read(x, 2, seconds)
    assert np.all(seconds > 0)


def test_barrier(seconds):
    began = time.perf_counter()
    k.time_barrier(2, 1000, seconds)
    took(seconds, 1000, began)
    assert k.info()["pool_threads"] >= 1
    seconds[:] = np.nan
    k.time_barrier(3, 20, seconds)  # more than there may be cores
    assert np.all(seconds > 0)


def ones(*shape, dtype="f4"):
    return np.ones(shape, dtype)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: k.time_matmul(ones(2, 3), ones(2, 3), ones(2, 3), False, 1, 1, s), "must chain"),
        (lambda s: k.time_matmul(ones(2, 3), ones(3, 4, dtype="f8"), ones(2, 4), False, 1, 1, s), "one dtype"),
        (lambda s: k.time_matmul(ones(2, 3), ones(3, 4), ones(2, 4), False, 1, 0, s), "at least 1"),
        (lambda s: k.time_matmul(ones(2, 3), ones(3, 4), ones(2, 4), False, 2, 0, s), "at least 1"),
        (lambda s: k.time_dot(ones(3), ones(4), 1, s), "shapes must be equal"),
        (lambda s: k.time_dot(ones(3), ones(3), 1, s.astype("f4")), "float64"),
        (lambda s: k.time_activation(1, ones(0), ones(0), 1, s), "not empty"),
        (lambda s: k.time_activation(1, ones(2, dtype="i4"), ones(2, dtype="i4"), 1, s), "float32 or float64"),
        (lambda s: k.time_loss_grad(0, 0.0, ones(4, 2).T, ones(4, 2).T, ones(4, 2).T, 1, s), "contiguous"),
        (lambda s: k.time_update(0, np.zeros(N_HYPER), 0, ones(3), ones(3), ones(1, 2), 1, s), "state must be"),
        (lambda s: k.time_update(0, np.zeros(1), 0, ones(3), ones(3), ones(0, 3), 1, s), "hyper_row"),
        (lambda s: k.time_copy(ones(4)[::2], ones(2), 1, s), "contiguous"),
        (lambda s: k.time_barrier(2, 0, s), "at least 1"),
        (lambda s: k.time_barrier(2, 2**40, s), "at most 2"),
        (lambda s: k.time_barrier(1, 5, s), "2 threads or more, got 1"),
        (lambda s: k.time_multiply_adds("i4", 1, 1, 1, s), "float32 or float64"),
    ],
)
def test_what_would_crash_is_refused(call, message, seconds):
    with pytest.raises(ValueError, match=message):
        call(seconds)
