"""The backends agree: with the reference after ten steps, with the golden curve, and with themselves bit for bit."""

from __future__ import annotations

import functools
import importlib

import golden_curve
import kernels_common as common
import numpy as np
import pytest
from kernels_common import (
    BACKENDS,
    DENSE,
    DTYPES,
    EMPTY,
    SPARSE,
    TOLERANCE,
    assert_close,
    hyper_rows,
    make_data,
    same_bits,
)

from fastnn.kernels.activations import ACTIVATIONS
from fastnn.kernels.losses import LOSSES
from fastnn.kernels.updates import UPDATES

RULES = [u.name for u in UPDATES]
ACTS = [a.name for a in ACTIVATIONS]
KINDS = (*DENSE, *SPARSE)
NETWORKS = 40


@pytest.fixture(scope="module", params=[name for name in BACKENDS if name != "numpy"])
def compiled(request):
    """Every backend but the reference."""
    return common.load(request.param)


@functools.cache
def random_problem(number, dtype):
    """Return network, parameters, data and batches no. ``number``: every feature comes up many times in forty."""
    rng = np.random.default_rng(1000 + number)
    kind, loss = KINDS[number % len(KINDS)], LOSSES[number % len(LOSSES)].name
    n_layers = int(rng.integers(1, 4))
    sizes = tuple(int(n) for n in rng.integers(1, 40, n_layers + 1))
    if loss == "categorical_cross_entropy":
        sizes = (*sizes[:-1], max(2, sizes[-1]))
    acts = tuple(ACTS[(number + 5 * layer) % len(ACTS)] for layer in range(n_layers))
    net = common.make_net(
        sizes,
        acts,
        loss,
        bias=number % 5 != 4 or kind == "csr_empty",
        l2=tuple(float(v) for v in rng.choice([0.0, 0.01, 0.1], n_layers)),
        l2_over_norm=number % 3 == 0,
        dropout=tuple(float(v) for v in rng.choice([0.0, 0.2, 0.5], n_layers - 1)) + (0.0,),
        clip=0.5 if number % 4 == 1 else 0.0,
        scale=1 / 255 if "uint8" in kind else 1.0,
        parameter=0.3,
    )
    m = int(rng.integers(20, 90))
    data = make_data(rng, net, dtype, kind=kind, m=m, labels=number % 4 == 2, weighted=number % 2 == 1)
    batch = int(rng.integers(1, 40))
    starts = np.minimum(np.arange(11) * batch, 10 * batch - batch // 2)  # a short last batch
    starts[4] = starts[3]  # an empty one
    order = rng.integers(0, m, starts[-1])  # with repeats
    return net, net.theta(rng, dtype), data, order, starts


def ten_steps(kernels, number, dtype, rule, **options):
    net, theta, data, order, starts = random_problem(number, dtype)
    hyper = hyper_rows(rule, 10, decay=0.05 if number % 2 else 0.0, rate=0.1 if net.loss == "poisson" else 0.3)
    return common.train(
        kernels, net, rule, hyper, theta, data, order, starts, t=number % 3, key=2**33 + number, **options
    )


@functools.cache
def reference_ten_steps(number, dtype, rule):
    return ten_steps(common.load("numpy"), number, dtype, rule)


def test_the_random_networks_cover_every_name():
    nets = [random_problem(number, DTYPES[1]) for number in range(NETWORKS)]
    assert {act for net, *_ in nets for act in net.acts} == set(ACTS)
    assert {net.loss for net, *_ in nets} == {entry.name for entry in LOSSES}
    for feature in ("bias", "clip", "l2_over_norm"):
        assert len({bool(getattr(net, feature)) for net, *_ in nets}) == 2
    assert sum(any(net.dropout) for net, *_ in nets) >= 10
    assert sum((data.weights == 0).any() for _, _, data, *_ in nets) >= 10


def assert_same_course(number, actual, expected, tolerance):
    """Compare two runs array by array, and assert that they went somewhere."""
    net, theta, *_ = random_problem(number, expected.theta.dtype)
    assert actual.finished == expected.finished == 10
    assert np.linalg.norm(expected.theta - theta) > 1e-3 * np.linalg.norm(theta)
    for one, other in zip(net.arrays(actual.theta), net.arrays(expected.theta), strict=True):
        assert_close(one, other, tolerance)
    assert_close(actual.losses, expected.losses, tolerance)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("number", range(NETWORKS))
def test_ten_steps_agree_with_the_reference(compiled, dtype, number, rule):
    done = ten_steps(compiled, number, dtype, rule, threads=1 + number % 3)
    assert_same_course(number, done, reference_ten_steps(number, dtype, rule), TOLERANCE[dtype].ten_steps)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("number", range(NETWORKS))
def test_the_reference_agrees_with_itself_in_float64(number, rule):
    single, double = (reference_ten_steps(number, dtype, rule) for dtype in DTYPES)
    assert_same_course(number, single, double, TOLERANCE[DTYPES[0]].ten_steps)


@pytest.mark.parametrize("number", range(NETWORKS))
def test_predict_and_evaluate_agree_with_the_reference(backend, dtype, number):
    net, theta, data, *_ = random_problem(number, dtype)
    reference = common.load("numpy")
    rel = TOLERANCE[dtype].one_pass
    expected = common.predict(reference, net, theta, data)
    assert np.abs(expected).max() > 0.01
    assert_close(common.predict(backend, net, theta, data, threads=2), expected, rel)
    value = common.evaluate(backend, net, theta, data, 7.0, threads=2)
    assert value == pytest.approx(common.evaluate(reference, net, theta, data, 7.0), rel=rel)


LARGE = [  # what no small network reaches: layers and rows wider than a tile, batches longer than a block
    ((40, 600, 530), "categorical_cross_entropy", "uint8", 70, 40),
    ((300, 260, 4), "binary_cross_entropy", "csr32", 120, 80),
    ((1, 1500, 1), "huber", "float32", 60, 31),
    ((20, 700, 650, 3), "squared_error", "fortran", 50, 50),
    ((6, 20, 3), "categorical_cross_entropy", "float64", 9001, 9000),
    ((6, 20, 3), "poisson", "csr64", 9001, 9000),
]


@pytest.mark.parametrize("clip", [0.0, 0.05])
@pytest.mark.parametrize(("sizes", "loss", "kind", "m", "batch"), LARGE, ids=[str(case[0]) + case[2] for case in LARGE])
def test_large_networks_and_batches_agree_with_the_reference(compiled, dtype, sizes, loss, kind, m, batch, clip):
    n_layers, rng = len(sizes) - 1, np.random.default_rng(m)
    net = common.make_net(
        sizes, "silu", loss, l2=(0.02,) * n_layers, dropout=(0.2,) * (n_layers - 1) + (0.0,), clip=clip,
        scale=1 / 255 if kind == "uint8" else 1.0,
    )  # fmt: skip
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype, kind=kind, m=m, weighted=True)
    starts = [0, batch, 2 * batch, 2 * batch + 5]
    order, hyper = rng.integers(0, m, starts[-1]), hyper_rows("adam", 3, decay=0.1, rate=0.3)
    expected, done = (
        common.train(kernels, net, "adam", hyper, theta, data, order, starts, threads=3)
        for kernels in (common.load("numpy"), compiled)
    )
    assert done.finished == expected.finished == 3
    for actual, wanted in zip(net.arrays(done.theta), net.arrays(expected.theta), strict=True):
        assert_close(actual, wanted, TOLERANCE[dtype].ten_steps)
    assert_close(done.losses, expected.losses, TOLERANCE[dtype].ten_steps)
    dY = rng.standard_normal((m, sizes[-1])).astype(dtype)
    pairs = zip(
        *(everything(kernels, net, theta, data, dY) for kernels in (compiled, common.load("numpy"))), strict=True
    )
    for actual, wanted in pairs:
        assert_close(actual, wanted, 10 * TOLERANCE[dtype].one_pass)


# ---- the golden curve


def test_golden_curve_is_what_the_oracle_computes():
    losses = golden_curve.curve(golden_curve.golden_net(common.make_net))
    np.testing.assert_allclose(losses, golden_curve.kept(), rtol=1e-12)
    assert np.shape(losses) == (10, 2)


def test_golden_curve(backend, dtype):
    net = golden_curve.golden_net(common.make_net)
    theta, X, labels, weights, order = golden_curve.inputs()
    data = common.Data(
        np.array(X, dtype), EMPTY, EMPTY, np.array(labels, np.int32)[:, None], np.array(weights, dtype), X, [], []
    )
    starts = np.arange(11) * golden_curve.BATCH
    done = common.train(
        backend, net, "adamw", np.array(golden_curve.HYPER), np.array(theta, dtype), data, order, starts,
        key=golden_curve.KEY,
    )  # fmt: skip
    assert_close(done.losses, golden_curve.kept(), TOLERANCE[dtype].ten_steps)


# ---- the same bits


def everything(kernels, net, theta, data, dY, threads=3):
    """Return what every program but train writes."""
    m = data.rows
    value, parts, grad = common.gradient(kernels, net, theta, data, float(m), threads=threads)
    return [
        common.predict(kernels, net, theta, data, threads=threads),
        np.array([common.evaluate(kernels, net, theta, data, float(m), threads=threads), value, *parts]),
        grad,
        *common.backward(kernels, net, theta, data, dY, threads=threads),
    ]


def everything_and_train(kernels, net, theta, data, starts, threads):
    """Return what every program writes."""
    hyper = hyper_rows("adam", len(starts) - 1, decay=0.1)
    order = np.arange(data.rows)[::-1]
    done = common.train(kernels, net, "adam", hyper, theta, data, order, starts, threads=threads)
    dY = np.random.default_rng(0).standard_normal((data.rows, net.sizes[-1])).astype(theta.dtype)
    return [*everything(kernels, net, theta, data, dY, threads), done.theta, done.state, done.losses]


@pytest.mark.parametrize("sizes", [(17, 9, 5), (200, 16, 16, 10), (30, 130, 1)])
@pytest.mark.parametrize("kind", ["float32", "uint8", "csr32"])
def test_same_bits_for_any_number_of_threads(dtype, kind, sizes):
    """The promise of the cython backend."""
    kernels, rng = common.load("cython"), np.random.default_rng(5)
    net = common.make_net(
        sizes, "sigmoid", "squared_error", dropout=(0.1,) * (len(sizes) - 2) + (0.0,), clip=0.5,
        l2=(0.01,) * (len(sizes) - 1), scale=1 / 255 if kind == "uint8" else 1.0,
    )  # fmt: skip
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype, kind=kind, m=1500, weighted=True)
    starts = [0, 1, 300, 1500]
    one = everything_and_train(kernels, net, theta, data, starts, 1)
    assert all(np.isfinite(array).all() for array in one)
    for threads in (2, 3, 5, 8):
        other = everything_and_train(kernels, net, theta, data, starts, threads)
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            assert same_bits(a, b), f"result {number} differs with {threads} threads"


def test_same_bits_with_helpers_at_work(dtype):
    """A busy machine may leave all the work to the caller, so this goes on until a helper was seen to take part."""
    kernels, rng = common.load("cython"), np.random.default_rng(6)
    pool = importlib.import_module("fastnn.kernels.cython_kernels")
    net = common.make_net((100, 64, 10), "tanh", "categorical_cross_entropy")
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype, m=4000, labels=True)
    _, _, expected = common.gradient(kernels, net, theta, data, 4000.0)
    pool.pool_reset_statistics()
    for _ in range(300):
        _, _, grad = common.gradient(kernels, net, theta, data, 4000.0, threads=3)
        assert same_bits(grad, expected)
        if pool.info()["pool_most_used"] > 1:
            break
    assert pool.info()["pool_most_used"] > 1


def test_same_bits_again(backend, dtype):
    net, theta, data, _, _ = random_problem(7, dtype)
    starts = [0, 7, data.rows]
    runs = [everything_and_train(backend, net, theta, data, starts, 1) for _ in range(2)]
    assert all(same_bits(a, b) for a, b in zip(*runs, strict=True))


def test_every_backend_is_a_complete_record(backend):
    assert backend.name in BACKENDS
    assert all(callable(getattr(backend, name)) for name in type(backend).__dataclass_fields__
               if name not in ("name", "frozen", "stepper", "shuffle"))  # fmt: skip
