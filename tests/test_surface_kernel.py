"""The surface program: at every point of the plane it gives what evaluate gives there."""

from __future__ import annotations

import kernels_common as common
import numpy as np
import pytest
from kernels_common import TOLERANCE, Memory, make_data, make_net, same_bits, unmodified

from fastnn.kernels import activations

LOSSES = ("squared_error", "absolute_error", "huber", "quantile", "binary_cross_entropy", "categorical_cross_entropy",
          "poisson")  # fmt: skip


def surface(kernels, net, theta, D, points, data, norm, *, threads=1):
    memory, plan, const = Memory(), net.plan, net.const
    work = memory.take(kernels.work_size("surface", plan, data.rows, threads), theta.dtype)
    out = memory.take(len(points), np.float64)
    with unmodified(plan, const, theta, D, points, *data.everything):
        kernels.surface(
            plan, const, net.loss_code, theta, D, points, *data.everything, norm, work, out, threads
        )
    memory.check()
    return np.array(out)


def problem(net, dtype, seed=0, n=5, **options):
    rng = np.random.default_rng(seed)
    theta = net.theta(rng, dtype)
    D = (0.3 * rng.standard_normal((2, theta.size))).astype(dtype)
    return theta, D, rng.uniform(-1, 1, (n, 2)), make_data(rng, net, dtype, **options)


def expected(net, theta, D, points, data, norm):
    """The reference's evaluate at each point, in float64."""
    reference = common.load("numpy")
    theta, D = theta.astype(np.float64), D.astype(np.float64)
    T, weights = data.T, data.weights.astype(np.float64)
    data = common.with_targets(data, T if T.dtype == np.int32 else T.astype(np.float64), weights)
    return [common.evaluate(reference, net, theta + a * D[0] + b * D[1], data, norm) for a, b in points]


def check(backend, net, dtype, **options):
    theta, D, points, data = problem(net, dtype, **options)
    found = surface(backend, net, theta, D, points, data, 3.0)
    wanted = expected(net, theta, D, points, data, 3.0)
    assert np.ptp(wanted) > 1e-4 * np.abs(wanted).max(), "the oracle is flat"
    common.assert_close(found, wanted, 10 * TOLERANCE[dtype].one_pass)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("weighted", [False, True])
def test_every_loss(backend, dtype, loss, weighted):
    check(backend, make_net((6, 5, 4, 3), "tanh", loss), dtype, m=37, weighted=weighted)


@pytest.mark.parametrize("act", [a.name for a in activations.ACTIVATIONS])
def test_every_activation(backend, dtype, act):
    check(backend, make_net((4, 7, 5, 2), act, "squared_error"), dtype, m=19)


@pytest.mark.parametrize("m", [1, 2, 15, 16, 17, 63, 64, 65, 255, 256, 257, 700])
def test_every_number_of_rows(backend, dtype, m):
    check(backend, make_net((5, 8, 3), "sigmoid", "categorical_cross_entropy"), dtype, m=m, labels=True)


@pytest.mark.parametrize("sizes", [(3, 2), (1, 1, 1), (5, 40, 1), (20, 1, 33, 4), (9, 300, 11), (2, 1200, 3)])
@pytest.mark.parametrize("bias", [False, True])
def test_every_shape(backend, dtype, sizes, bias):
    check(backend, make_net(sizes, "elu", "squared_error", bias=bias), dtype, m=40, n=3)


@pytest.mark.parametrize("kind", [*common.DENSE, *common.SPARSE])
def test_every_kind_of_input(backend, dtype, kind):
    net = make_net((6, 5, 3), "tanh", "categorical_cross_entropy", scale=0.01 if "uint8" in kind else 0.7)
    check(backend, net, dtype, kind=kind, m=70)


def test_softmax_of_more_outputs_than_a_block(backend, dtype):
    check(backend, make_net((3, 4, 530), "tanh", "categorical_cross_entropy"), dtype, m=9, n=2)


def test_no_rows_and_no_points(backend, dtype):
    net = make_net((3, 4, 2), "tanh", "squared_error")
    theta, D, points, data = problem(net, dtype, m=0)
    assert surface(backend, net, theta, D, points, data, 1.0).tolist() == [0.0] * 5
    theta, D, _, data = problem(net, dtype, m=4)
    assert surface(backend, net, theta, D, np.empty((0, 2)), data, 1.0).size == 0


def test_a_nan_stays_one(backend, dtype):
    net = make_net((3, 4, 2), "tanh", "categorical_cross_entropy")
    theta, D, points, data = problem(net, dtype, m=20)
    theta[0] = np.nan
    assert np.isnan(surface(backend, net, theta, D, points, data, 1.0)).all()


def test_threads_slices_and_order_of_points_do_not_change_a_bit(backend, dtype):
    net = make_net((30, 16, 12, 4), "sigmoid", "categorical_cross_entropy")
    theta, D, points, data = problem(net, dtype, m=600, n=300, labels=True, weighted=True)
    whole = surface(backend, net, theta, D, points, data, 7.0)
    for threads in (2, 5):
        assert same_bits(surface(backend, net, theta, D, points, data, 7.0, threads=threads), whole)
    apart = [surface(backend, net, theta, D, np.ascontiguousarray(part), data, 7.0) for part in (points[::-1][:120],
             points[::-1][120:])]  # fmt: skip
    assert same_bits(np.concatenate(apart)[::-1].copy(), whole)
