"""The quick doors of a backend, `Kernels.frozen` and `Kernels.stepper`, against predict and train."""

from __future__ import annotations

import sys
import warnings

import kernels_common as common
import numpy as np
import pytest
from kernels_common import TOLERANCE, assert_close, make_data, make_net, same_bits, unmodified

from fastnn.kernels.activations import ACTIVATIONS
from fastnn.kernels.losses import LOSSES
from fastnn.kernels.updates import BY_NAME

NUMPY = common.load("numpy")
WIDTHS = (1, 3, 4, 7, 8, 9, 15, 16, 17, 33, 64, 100, 127, 129, 260)  # around whole registers and strips of every target


@pytest.fixture(scope="module", params=[name for name in common.BACKENDS if name == "cython"])
def quick(request):
    """The backend that has quick doors."""
    return common.load(request.param)


@pytest.fixture
def door(quick):
    class Door(quick.frozen):
        """Notes what was handed on."""

        general = staticmethod(lambda x, out: "general")
        threads_for = staticmethod(lambda rows: 3)

    return Door


def frozen(door, net, theta, threads=1):
    made = door()
    made.freeze(net.plan, net.const, theta, 1 << 40, threads)
    return made


def reference(net, theta, x):
    """Return the outputs of one row as NumPy has them."""
    empty = np.empty(0, np.int32)
    out = np.empty((1, net.sizes[-1]), theta.dtype)
    work = np.empty(NUMPY.work_size("predict", net.plan, 1, 1), theta.dtype)
    NUMPY.predict(net.plan, net.const, theta, np.array(x)[None], empty, empty, work, out, 1)
    return out[0]


def assert_rows(door, net, dtype, m=3, threads=1):
    rng = np.random.default_rng(len(net.sizes) + net.sizes[0])
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype, m=m)
    expected = common.predict(NUMPY, net, theta, data)
    f = frozen(door, net, theta, threads)
    with unmodified(data.X, theta):
        for x, y in zip(data.X, expected, strict=True):
            found = f(np.array(x))
            assert found.dtype == dtype
            assert_close(found, y, TOLERANCE[np.dtype(dtype)].one_pass)
        assert_close(f(np.array(data.X)), expected, TOLERANCE[np.dtype(dtype)].one_pass)


@pytest.mark.parametrize("act", [entry.name for entry in ACTIVATIONS])
@pytest.mark.parametrize("loss", [entry.name for entry in LOSSES])
def test_a_row_with_every_activation_and_link(door, dtype, act, loss):
    assert_rows(door, make_net((5, 18, 3), act, loss), dtype)


@pytest.mark.parametrize("n", WIDTHS)
def test_a_row_of_every_width(door, dtype, n):
    assert_rows(door, make_net((n, n), "tanh", "categorical_cross_entropy" if n > 1 else "squared_error"), dtype)
    assert_rows(door, make_net((n, 20, n, 2), "tanh", "squared_error"), dtype)
    assert_rows(door, make_net((n, 6), "tanh", "squared_error", bias=False), dtype)


@pytest.mark.parametrize("n_in", [63, 64, 65, 127, 128, 131, 784])
def test_a_row_through_few_outputs_of_many_inputs(door, dtype, n_in):
    """Packed by inputs where a register holds all outputs; every other call goes the other way, to the same bits."""
    for n_out in (1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 16, 17):
        net = make_net((n_in, n_out), "tanh", "squared_error", bias=n_out != 5)
        assert_rows(door, net, dtype, m=2)
        rng = np.random.default_rng(n_out)
        f, x = frozen(door, net, net.theta(rng, dtype)), rng.normal(size=n_in).astype(dtype)
        assert same_bits(f(x), f(x))
        assert same_bits(f(x), f.row(x))


def test_a_row_of_nan_and_infinity(door, dtype):
    """What stands beside the outputs in their register does not count, whatever a product with 0 makes of it."""
    for n_in in (9, 200):
        net = make_net((n_in, 5, 3), "relu", "categorical_cross_entropy")
        f = frozen(door, net, net.theta(np.random.default_rng(4), dtype))
        for odd in (np.nan, np.inf, -np.inf):
            x = np.ones(n_in, dtype)
            x[n_in // 2] = odd
            with np.errstate(all="ignore"):
                expected = reference(net, net.theta(np.random.default_rng(4), dtype), x)
            np.testing.assert_allclose(f(x), expected, rtol=1e-4)  # NaN equals NaN


def test_wide_layers_have_room_and_are_shared(door, dtype):
    """The same bits for any number of threads, and activations that do not fit the stack."""
    net = make_net((700, 600, 2100, 3), "tanh", "squared_error")
    assert_rows(door, net, dtype, threads=3)
    rng = np.random.default_rng(1)
    theta, x = net.theta(rng, dtype), rng.normal(size=700).astype(dtype)
    alone = frozen(door, net, theta, 1)(x)
    for threads in (2, 3, 5, 8):
        assert same_bits(frozen(door, net, theta, threads)(x), alone)


def test_rows_of_every_dtype_and_stride(door, dtype):
    net = make_net((9, 6, 4), "relu", "squared_error", scale=0.25)
    rng = np.random.default_rng(2)
    theta = net.theta(rng, dtype)
    f = frozen(door, net, theta)
    for other in (np.float32, np.float64, np.uint8):
        x = rng.uniform(0, 200, 18).astype(other)
        for view in (x[:9], x[::2], x[::-2]):
            expected = reference(net, theta, view)
            assert_close(f(view), expected, TOLERANCE[np.dtype(dtype)].one_pass)
            assert_close(f(np.repeat(view[None], 2, 0)), np.repeat(expected[None], 2, 0), 1e-5)


def test_what_needs_thought_is_handed_on(door):
    net = make_net((4, 3), "relu", "squared_error")
    f = frozen(door, net, net.theta(np.random.default_rng(0), np.dtype("f4")))
    x, out = np.zeros(4, "f4"), np.zeros(3, "f4")
    read_only = out.copy()
    read_only.flags.writeable = False
    misplaced = np.zeros(17, np.uint8)[1:].view("f4")

    class Array(np.ndarray):
        pass

    for odd in ([0, 0, 0, 0], x.view(Array), x[:3], x.astype("i4"), x.astype(">f4"), x.astype("f2"), misplaced,
                x.reshape(1, 1, 4), np.zeros((0, 4), "f4"), np.zeros(()), None):  # fmt: skip
        assert f(odd) == "general"
    for odd in (np.zeros(2, "f4"), np.zeros(3), np.zeros((1, 3), "f4"), read_only, out.view(Array), [0, 0, 0]):
        assert f(x, odd) == "general"
    assert f(np.zeros((2, 4), "f4"), np.zeros((2, 3), "f4")) == "general"
    assert f(x, out) is out
    assert door()(x) == "general"  # nothing frozen yet


# ---- outputs that nobody refers to any more are filled again


def rows_and_outputs(door, count=12):
    net = make_net((5, 7, 3), "tanh", "squared_error")
    rng = np.random.default_rng(5)
    rows, f = rng.normal(size=(count, 5)), frozen(door, net, net.theta(rng, np.dtype("f8")))
    return f, rows, [np.array(f.row(x)) for x in rows]


def test_an_output_that_is_kept_stays_as_it_was(door):
    f, rows, wanted = rows_and_outputs(door)
    kept = [f(x) for x in rows]
    assert len({a.ctypes.data for a in kept}) == len(rows)
    assert all(np.allclose(a, b) for a, b in zip(kept, wanted, strict=True))


@pytest.mark.parametrize(
    "part",
    [lambda a: a[1:], lambda a: a.reshape(3, 1), memoryview, lambda a: a.T, lambda a: [a], lambda a: a.view("i8"),
     lambda a: np.lib.stride_tricks.as_strided(a), lambda a: np.frombuffer(a), lambda a: np.from_dlpack(a)],
)  # fmt: skip
def test_a_view_keeps_an_output(door, part):
    """Whatever refers to the memory, by name or not."""
    f, rows, _ = rows_and_outputs(door)
    views = [part(f(x)) for x in rows]
    before = [np.array(view) for view in views]
    for x in rows[::-1]:
        f(x)
    assert all(same_bits(np.array(view), b) for view, b in zip(views, before, strict=True))


def test_an_output_that_is_dropped_is_filled_again(door):
    f, rows, wanted = rows_and_outputs(door)
    places = set()
    for x, b in zip(rows, wanted, strict=True):
        y = f(x)
        assert np.allclose(y, b)
        places.add(y.ctypes.data)
    assert len(places) == 2 or not hasattr(sys, "getrefcount") or not getattr(sys, "_is_gil_enabled", lambda: True)()


@pytest.mark.parametrize(
    ("name", "value"), [("shape", (3, 1)), ("dtype", ">f8"), ("strides", (0,)), ("writeable", False)]
)
def test_an_output_that_was_changed_is_not(door, name, value):
    f, rows, wanted = rows_and_outputs(door)
    for x, b in zip(rows, wanted, strict=True):
        y = f(x)
        assert y.shape == (3,)
        assert (y.flags.owndata, y.flags.writeable, y.dtype, y.strides) == (True, True, np.dtype("f8"), (8,))
        assert np.allclose(y, b)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy would rather have no attributes set
            setattr(y.flags if name == "writeable" else y, name, value)


def test_an_output_goes_in_again_as_a_row(door):
    """What comes out is read while the next one is written."""
    net = make_net((4, 6, 4), "tanh", "squared_error")
    rng = np.random.default_rng(6)
    f, x = frozen(door, net, net.theta(rng, np.dtype("f8"))), rng.normal(size=4)
    y, wanted = x, x
    for _ in range(9):
        y, wanted = f(y), np.array(f.row(wanted))
        assert np.allclose(y, wanted, rtol=1e-12)
    assert np.allclose(f(f(f(x))), f.row(f.row(f.row(x))), rtol=1e-12)


def test_outputs_after_another_network_is_frozen(door):
    f, rows, _ = rows_and_outputs(door)
    for x in rows:
        f(x)
    net = make_net((5, 9, 4), "relu", "squared_error")
    theta = net.theta(np.random.default_rng(7), np.dtype("f4"))
    f.freeze(net.plan, net.const, theta, 1 << 40, 1)
    for x in rows:
        y = f(x)
        assert y.shape == (4,)
        assert y.dtype == np.float32


@pytest.fixture
def stepper(quick):
    def make(net, dtype, rule, classes, domain):
        grad = np.empty(net.plan[0, 3], dtype)
        return quick.stepper(net.plan, net.const, net.loss_code, rule, grad, 11, classes, domain, 1 << 40, 1, None)

    return make


@pytest.mark.parametrize("loss", [entry.name for entry in LOSSES])
@pytest.mark.parametrize("rows", [1, 2, 9, 40])
def test_a_quick_step_is_train(stepper, dtype, loss, rows):
    labels = loss == "categorical_cross_entropy"
    net = make_net((6, 9, 4), "gelu", loss, l2=(0.1, 0.2))
    rng = np.random.default_rng(3)
    theta = net.theta(rng, dtype)
    data = make_data(rng, net, dtype, m=rows, labels=labels)
    hyper = common.hyper_rows("adam", 1)
    expected = common.train(NUMPY, net, "adam", hyper, theta, data, np.arange(rows), [0, rows], t=5)
    step, quick = stepper(net, dtype, BY_NAME["adam"].code, labels, "distribution" if labels else "real"), theta.copy()
    state = np.zeros_like(expected.state)
    T = data.T.astype(np.int64)[:, 0] if labels else data.T
    X = np.ascontiguousarray(data.X)
    with unmodified(X, T):
        found = step(X, T, hyper[0], 5, quick, state)
    assert found == pytest.approx(float(expected.losses.sum()), rel=1e-4)
    assert step.outcome == 0
    assert_close(quick - theta, expected.theta - theta, 1e-3 if dtype == np.float32 else 1e-9)
    assert_close(state, expected.state, 1e-3 if dtype == np.float32 else 1e-9)


@pytest.mark.parametrize("sizes", [(5, 37, 35, 3), (40, 64, 64, 1), (3, 16, 33, 16, 2)])
def test_a_step_on_one_row_goes_back_through_wide_layers(stepper, dtype, sizes):
    net = make_net(sizes, "tanh", "squared_error")
    rng = np.random.default_rng(4)
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype, m=1)
    hyper = common.hyper_rows("sgd", 1)
    expected = common.train(NUMPY, net, "sgd", hyper, theta, data, np.arange(1), [0, 1])
    step, quick = stepper(net, dtype, BY_NAME["sgd"].code, False, "real"), theta.copy()
    step(np.ascontiguousarray(data.X), data.T, hyper[0], 0, quick, np.zeros((0, theta.size), dtype))
    assert step.outcome == 0
    assert_close(quick - theta, expected.theta - theta, 1e-4 if dtype == np.float32 else 1e-11)


def test_a_quick_step_leaves_what_is_wrong_alone(stepper):
    net = make_net((3, 4), "relu", "categorical_cross_entropy")
    theta = net.theta(np.random.default_rng(0), np.dtype("f4"))
    step, hyper = stepper(net, "f4", BY_NAME["sgd"].code, True, "distribution"), common.hyper_rows("sgd", 1)[0]
    state = np.zeros((0, 16), "f4")
    X, y = np.ones((2, 3), "f4"), np.array([0, 3])
    with unmodified(theta):
        for bad in (X[:, :2], X[0], X[:0], X.T.copy().T, X * np.inf, X * np.nan, np.full((2, 3), 1e300), X.tolist()):
            assert step(bad, y, hyper, 0, theta, state) is None
        for bad in (y + 1, y - 1, y + 0.5, y * np.nan, y[:1], [0, 3], np.eye(4)[y], y.astype("u1"), y[:, None, None]):
            assert step(X, bad, hyper, 0, theta, state) is None
    assert step(X, y[:, None], hyper, 0, theta, state) > 0
    unit = stepper(make_net((3, 4), "relu", "binary_cross_entropy"), "f4", BY_NAME["sgd"].code, True, "unit")
    with unmodified(theta):
        for bad in (1.5, -0.5, np.nan):
            assert unit(X, np.full((2, 4), bad), hyper, 0, theta, state) is None
    assert unit(X, np.full((2, 4), 0.5), hyper, 0, theta, state) > 0
    assert unit.is_matrix
    assert unit(X, y, hyper, 0, theta, state) > 0
    assert not unit.is_matrix


def test_what_a_quick_step_came_to(stepper):
    net = make_net((3, 4), "relu", "squared_error")
    theta = net.theta(np.random.default_rng(0), np.dtype("f4"))
    step, state = stepper(net, "f4", BY_NAME["sgd"].code, False, "real"), np.zeros((0, 16), "f4")
    hyper = common.hyper_rows("sgd", 1)[0]
    X, T = np.ones((2, 3), "f4"), np.zeros((2, 4), "f4")
    with unmodified(theta):
        assert not np.isfinite(step(np.full((2, 3), 3e38, "f4"), T, hyper, 0, theta, state))
    assert step.outcome == 1
    hyper[0] = 3e38
    assert np.isfinite(step(X, T + 1000, hyper, 0, theta, state))
    assert step.outcome == 2
