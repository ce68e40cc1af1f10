"""Gradients against differences of what is reported: gradient() of its own return value, backward() of predict().

float64 is differenced directly.  In float32 a difference quotient has three digits at best, so float32 gradients are
held against the float64 gradient of the same backend at the same parameters, which the difference has just confirmed.
"""

from __future__ import annotations

import functools

import kernels_common as common
import numpy as np
import pytest
from kernels_common import DTYPES, LAYOUTS, TOLERANCE, assert_close, differences, make_data, make_net

from fastnn.kernels.activations import ACTIVATIONS
from fastnn.kernels.losses import LINKS, LOSSES

FLOAT32, FLOAT64 = DTYPES
ACTS = [a.name for a in ACTIVATIONS]


@functools.cache
def problem(loss, act):
    """Return a net with everything switched on, and float32 parameters and rows for it, held in float64."""
    net = make_net((3, 4, 2), act, loss, l2=(0.1, 0.2), l2_over_norm=True, dropout=(0.3, 0.0), parameter=0.4, scale=0.5)
    rng = np.random.default_rng([ACTS.index(act), len(loss)])
    theta = net.theta(rng, FLOAT32).astype(FLOAT64)
    return net, theta, make_data(rng, net, FLOAT32, m=5, weighted=True)


def in_dtype(data, dtype):
    return common.replace(data, X=data.X.astype(dtype), T=data.T.astype(dtype), weights=data.weights.astype(dtype))


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("loss", [entry.name for entry in LOSSES])
def test_gradient_of_the_reported_loss(backend, dtype, loss, act):
    net, theta, data = problem(loss, act)
    data64 = in_dtype(data, FLOAT64)

    def reported(theta):
        return common.gradient(backend, net, theta, data64, 4.0, t=3)[0]

    value, _, grad = common.gradient(backend, net, theta, data64, 4.0, t=3)
    assert abs(value) > 0.1
    assert np.linalg.norm(grad) > 0.02
    if dtype == FLOAT64:
        assert_close(grad, differences(reported, theta), TOLERANCE[dtype].difference)
    else:
        value32, _, grad32 = common.gradient(backend, net, theta.astype(dtype), data, 4.0, t=3)
        assert value32 == pytest.approx(value, rel=TOLERANCE[dtype].one_pass)
        assert_close(grad32, grad, TOLERANCE[dtype].one_pass)


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("link", [entry.name for entry in LINKS])
def test_backward_is_the_transposed_jacobian_of_predict(backend, dtype, link, act):
    """For random dY: d sum(dY * predict) / d theta and / d X, X as given, before its scale; no dropout, no penalty."""
    loss = next((entry.name for entry in LOSSES if entry.link == link), "squared_error")
    net, theta, data = problem(loss, act)
    assert net.link == link
    data64 = in_dtype(data, FLOAT64)
    dY = np.random.default_rng(1).standard_normal((5, 2)).astype(FLOAT32)

    def of_theta(theta):
        return float(np.sum(dY * common.predict(backend, net, theta, data64)))

    def of_x(X):
        return float(np.sum(dY * common.predict(backend, net, theta, common.replace(data64, X=X))))

    grad, dX = common.backward(backend, net, theta, data64, dY.astype(FLOAT64))
    assert np.linalg.norm(grad) > 0.02
    assert np.linalg.norm(dX) > 0.02
    if dtype == FLOAT64:
        assert_close(grad, differences(of_theta, theta), TOLERANCE[dtype].difference)
        assert_close(dX, differences(of_x, data64.X), TOLERANCE[dtype].difference)
    else:
        grad32, dX32 = common.backward(backend, net, theta.astype(dtype), data, dY)
        assert_close(grad32, grad, TOLERANCE[dtype].one_pass)
        assert_close(dX32, dX, TOLERANCE[dtype].one_pass)


@pytest.mark.parametrize("kind", ["uint8", "fortran", "csr32", "csr64", "csr_uint8", "csr_empty"])
@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_backward_of_every_input(backend, dtype, kind, layout):
    """Sparse and strided X, strided dY and dX, and either result alone give what a plain dense X gives."""
    net = make_net((6, 5, 3), "tanh", "categorical_cross_entropy", scale=1 / 64 if "uint8" in kind else 1.0)
    rng = np.random.default_rng(2)
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype, kind=kind, m=7)
    dY = rng.standard_normal((7, 3)).astype(dtype)
    plain = common.replace(data, X=np.array(data.dense, dtype), indices=common.EMPTY, indptr=common.EMPTY)
    expected, expected_dX = common.backward(backend, net, theta, plain, dY)
    strided = common.Memory().laid_out(layout, dY)
    grad, dX = common.backward(backend, net, theta, data, strided, layout=layout)
    assert_close(grad, expected, TOLERANCE[dtype].one_pass)
    assert_close(dX, expected_dX, TOLERANCE[dtype].one_pass)
    alone, nothing = common.backward(backend, net, theta, data, strided, wants="grad")
    assert nothing is None
    assert_close(alone, expected, TOLERANCE[dtype].one_pass)
    nothing, alone = common.backward(backend, net, theta, data, strided, wants="dX", layout=layout)
    assert nothing is None
    assert_close(alone, expected_dX, TOLERANCE[dtype].one_pass)


def test_small_steps_against_the_gradient_lower_the_loss(backend, dtype):
    net = make_net((4, 8, 3), "gelu", "categorical_cross_entropy")
    rng = np.random.default_rng(3)
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype, m=30, labels=True)
    hyper = np.tile([[0.5, 0, 0, 0, 0]], (40, 1)).astype(float)
    order, starts = np.tile(np.arange(30), 40), np.arange(41) * 30
    done = common.train(backend, net, "sgd", hyper, theta, data, order, starts)
    curve = done.losses.sum(axis=1)
    assert (np.diff(curve) < 0).all()
    assert curve[-1] < 0.8 * curve[0]
    assert common.evaluate(backend, net, done.theta, data, 30.0) < curve[-1]
