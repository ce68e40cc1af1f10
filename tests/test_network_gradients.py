"""The network's gradients: of the loss it reports, of a loss of the caller's, of its outputs."""

from __future__ import annotations

import numpy as np
import pytest
from kernels_common import assert_close, differences, same_bits, unmodified
from network_common import PAIRS, problem, tolerance

import fastnn
from fastnn import Network
from fastnn.kernels.activations import BY_NAME

WEIGHTS = np.array([1.0, 0.5, 2.0, 0.0, 1.0, 3.0, 0.25])


@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("activation", BY_NAME)
def test_loss_grad_is_the_derivative_of_the_loss_it_returns(backend, activation, output, loss):
    net, X, T = problem(output, loss, activation)
    with fastnn.use_backend(backend.name), unmodified(net.theta, X, T, WEIGHTS):
        value, gradient = net.loss_grad(X, T, sample_weight=WEIGHTS, l2=0.1)
        expected = differences(
            lambda theta: net.loss_grad(X, T, theta=theta, sample_weight=WEIGHTS, l2=0.1)[0], net.theta
        )
    assert_close(gradient, expected, tolerance("float64").difference)
    assert isinstance(value, float)
    assert gradient.shape == net.theta.shape
    narrow, _, _ = problem(output, loss, activation, "float32")
    with fastnn.use_backend(backend.name):
        value32, gradient32 = narrow.loss_grad(X, T, sample_weight=WEIGHTS, l2=0.1)
    assert gradient32.dtype == np.float32
    assert value32 == pytest.approx(value, rel=1e-5)
    assert_close(gradient32, gradient, 20 * tolerance("float32").one_pass)  # the parameters are rounded, too


def test_loss_grad_is_fresh_and_takes_theta():
    net, X, T = problem("identity", "squared_error")
    theta = np.zeros(net.n_parameters, np.float32)
    loss, gradient = net.loss_grad(X, T, theta=theta)
    assert loss == pytest.approx(np.square(T).sum(axis=1).mean() / 2)
    second = net.loss_grad(X, T, theta=theta)[1]
    assert not np.shares_memory(gradient, second)
    assert same_bits(gradient, second)


def test_scipy_minimises_with_loss_grad():
    optimize = pytest.importorskip("scipy.optimize")
    net, X, T = problem("identity", "squared_error", sizes=(2, 2), m=40)
    found = optimize.minimize(lambda theta: net.loss_grad(X, T, theta=theta), net.theta, jac=True, method="L-BFGS-B",
                              options={"ftol": 1e-15, "gtol": 1e-10})  # fmt: skip
    net.theta = found.x
    solution = np.linalg.lstsq(np.column_stack([X, np.ones(40)]), T)[0]
    assert_close(net.theta, solution.ravel(), 1e-5)


@pytest.mark.parametrize("output", dict.fromkeys(output for output, _ in PAIRS))
def test_backward_of_the_callers_loss(backend, dtype, output):
    loss = next(loss for name, loss in PAIRS if name == output)
    net, X, _ = problem(output, loss, "silu", input_scale=0.5)
    rng = np.random.default_rng(3)
    dY = rng.normal(size=(7, 3))
    moved = net.copy()

    def own_loss(theta, X):
        moved.theta = theta
        return float((moved.predict(X) * dY).sum())

    by_theta = differences(lambda theta: own_loss(theta, X), net.theta)
    by_X = differences(lambda X: own_loss(net.theta, X), X)
    cast, _, _ = problem(output, loss, "silu", dtype, input_scale=0.5)
    X, dY = X.astype(dtype), np.asfortranarray(dY.astype(dtype))
    with fastnn.use_backend(backend.name), unmodified(X, dY, cast.theta):
        gradient, dX = cast.backward(X, dY)
    bound = max(tolerance(dtype).difference, 5 * tolerance(dtype).one_pass)
    assert_close(gradient, by_theta, bound)
    assert_close(dX, by_X, bound)
    assert gradient.dtype == dX.dtype == dtype


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity", "exp", "relu"])
def test_jacobian_and_input_gradient(backend, output):
    loss = next(loss for name, loss in PAIRS if name == output)
    net, X, _ = problem(output, loss, m=3, input_scale=2.0)
    with fastnn.use_backend(backend.name), unmodified(X, net.theta):
        jacobian = net.jacobian(X)
        total = net.input_gradient(X)
        second = net.input_gradient(X, 1)
    expected = np.stack([
        np.stack([differences(lambda x: net.predict(x[None])[0, j], row) for j in range(3)])  # noqa: B023
        for row in X
    ])  # fmt: skip
    assert jacobian.shape == (3, 3, 4)
    assert_close(jacobian, expected, 10 * tolerance("float64").difference)
    assert same_bits(second, jacobian[:, 1].copy())
    assert np.abs(total - jacobian.sum(axis=1)).max() < 1e-12


def test_nothing_for_no_rows(backend, dtype):
    net, _, _ = problem("softmax", "categorical_cross_entropy", dtype=dtype)
    X, dY = np.empty((0, 4)), np.empty((0, 3))
    with fastnn.use_backend(backend.name):
        gradient, dX = net.backward(X, dY)
        assert net.input_gradient(X).shape == dX.shape == (0, 4)
        assert net.jacobian(X).shape == (0, 3, 4)
    assert not gradient.any()
    assert gradient.shape == net.theta.shape


def test_sparse_and_uint8_rows_have_the_same_gradients(backend):
    sparse = pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, (6, 4)).astype(np.uint8)
    net = Network([4, 5, 2], output="softmax", dtype="float64", seed=0, input_scale=1 / 3)
    y = [0, 1, 0, 1, 1, 0]
    with fastnn.use_backend(backend.name):
        loss, gradient = net.loss_grad(X.astype(float), y)
        _, dX = net.backward(X.astype(float), np.eye(2)[y])
        for form in (X, sparse.csr_array(X.astype(float)), sparse.csc_matrix(X)):
            assert net.loss_grad(form, y)[0] == pytest.approx(loss, rel=1e-14)
            assert_close(net.loss_grad(form, y)[1], gradient, 1e-14)
            assert_close(net.backward(form, np.eye(2)[y])[1], dX, 1e-14)
    assert np.abs(gradient).max() > 0.01
