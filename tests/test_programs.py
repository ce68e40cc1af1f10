"""The programs of every backend against the oracle's loops, and what the contract promises around them."""

from __future__ import annotations

import math

import kernels_common as common
import kernels_oracle as oracle
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels_common import (
    DENSE,
    EMPTY,
    LAYOUTS,
    SPARSE,
    TOLERANCE,
    assert_close,
    hyper_rows,
    make_data,
    make_net,
    same_bits,
)

from fastnn.kernels.activations import ACTIVATIONS
from fastnn.kernels.losses import LINKS, LOSSES
from fastnn.kernels.updates import UPDATES

PROGRAMS = ("predict", "evaluate", "gradient", "backward", "train")
ACTS = [a.name for a in ACTIVATIONS]
RULES = [u.name for u in UPDATES]
KINDS = (*DENSE, *SPARSE)


def small(loss="categorical_cross_entropy", act="tanh", sizes=(5, 4, 3), **options):
    return make_net(sizes, act, loss, **options)


def scale_of(kind):
    return 1 / 255 if "uint8" in kind else 1.0


# ---- against the oracle


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("link", [entry.name for entry in LINKS])
def test_predict(backend, dtype, link, kind):
    loss = next((entry.name for entry in LOSSES if entry.link == link), "squared_error")
    net, rng = small(loss, scale=scale_of(kind)), np.random.default_rng(3)
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype, kind=kind, m=7)
    expected = oracle.predict(net, theta.tolist(), data.dense)
    for layout in LAYOUTS:
        assert_close(common.predict(backend, net, theta, data, layout=layout), expected, TOLERANCE[dtype].one_pass)


@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_evaluate(backend, dtype, kind, labels):
    net, rng = small(scale=scale_of(kind), l2=(0.3, 0.2), dropout=(0.5, 0.0)), np.random.default_rng(4)
    theta = net.theta(rng, dtype)
    data = make_data(rng, net, dtype, kind=kind, m=9, labels=labels, weighted=True)
    value = common.evaluate(backend, net, theta, data, 3.5)
    expected = oracle.evaluate(net, theta.tolist(), data.dense, data.targets, data.sample_weights, 3.5)
    assert isinstance(value, float)
    assert expected > 0.1
    assert value == pytest.approx(expected, rel=TOLERANCE[dtype].one_pass)


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_gradient(backend, dtype, loss, act):
    """Dropout, weights, both kinds of L2, labels and input kinds in turn, over every activation and loss."""
    turn = loss.code * len(ACTS) + ACTS.index(act)
    kind = KINDS[turn % len(KINDS)]
    net = small(
        loss.name, act, sizes=((5, 4, 3), (6, 2), (3, 9, 4, 2))[turn % 3], bias=turn % 4 != 3, scale=scale_of(kind)
    )
    n_layers = len(net.sizes) - 1
    options = {"l2": tuple(0.1 * turn % 0.37 for _ in range(n_layers)), "l2_over_norm": turn % 2 == 0}
    options["dropout"] = (0.4,) * (n_layers - 1) + (0.0,)
    net, rng = common.replace(net, **options), np.random.default_rng(turn)
    theta, weighted = net.theta(rng, dtype), turn % 2 == 1
    data = make_data(rng, net, dtype, kind=kind, m=6, labels=turn % 5 == 0, weighted=weighted)
    value, parts, grad = common.gradient(backend, net, theta, data, 4.5, key=2**40 + turn, t=turn)
    data_loss, penalty, expected = oracle.gradient(
        net, theta.tolist(), data.dense, data.targets, data.sample_weights, 4.5, range(6), 2**40 + turn, turn
    )
    rel = TOLERANCE[dtype].one_pass
    assert parts == pytest.approx((data_loss, penalty), rel=rel)
    assert value == pytest.approx(sum(parts), rel=1e-15)
    assert np.linalg.norm(expected) > 1e-3
    assert_close(grad, expected, 2 * rel)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", [*DENSE[:4], *SPARSE])
def test_train(backend, dtype, rule, kind):
    """Everything at once: repeats, an empty and a short batch, t > 0, dropout, weights, clipping, L2, decay."""
    turn = RULES.index(rule) + KINDS.index(kind)
    net = small(
        ("categorical_cross_entropy", "squared_error", "binary_cross_entropy", "poisson")[turn % 4],
        ("sigmoid", "tanh", "silu", "relu", "softplus")[turn % 5],
        sizes=((5, 4, 3), (6, 5, 4, 2))[turn % 2],
        scale=scale_of(kind),
        clip=0.2 if turn % 3 else 0.0,
        l2_over_norm=turn % 2 == 0,
    )
    n_layers = len(net.sizes) - 1
    net = common.replace(net, l2=(0.1,) * n_layers, dropout=(0.3,) * (n_layers - 1) + (0.0,))
    rng = np.random.default_rng(turn)
    theta = net.theta(rng, dtype)
    data = make_data(rng, net, dtype, kind=kind, m=10, labels=turn % 4 < 2, weighted=turn % 2 == 0)
    order, starts = [*rng.permutation(10).tolist(), 3, 3, 3, 0, 1], [0, 4, 4, 8, 13, 14, 15]
    hyper = hyper_rows(rule, 6, decay=0.4)
    done = common.train(backend, net, rule, hyper, theta, data, order, starts, key=77, t=5)
    batches = [order[a:b] for a, b in zip(starts[:-1], starts[1:], strict=True)]
    expected, memory, losses = oracle.train(
        net, rule, hyper.tolist(), 5, theta.tolist(), data.dense, data.targets, data.sample_weights, batches, 77
    )
    rel = TOLERANCE[dtype].steps
    assert done.finished == 6
    assert np.linalg.norm(np.array(expected) - theta) > 0.01 * np.linalg.norm(theta)
    assert_close(done.losses, losses, rel)
    assert_close(done.theta, expected, rel)
    assert_close(done.theta - theta, np.array(expected) - theta, rel, scale=expected)
    for row, expected_row in zip(done.state, np.array(memory).T, strict=False):
        assert_close(row, expected_row, 10 * rel)


@given(
    sizes=st.lists(st.sampled_from([1, 2, 3, 7, 8, 9, 16, 17]), min_size=2, max_size=4),
    act=st.sampled_from(ACTS), loss=st.sampled_from([entry.name for entry in LOSSES]), kind=st.sampled_from(KINDS),
    m=st.sampled_from([1, 2, 7, 8, 9, 16, 17, 33]), batch=st.integers(1, 20), rule=st.sampled_from(RULES),
    bias=st.booleans(), weighted=st.booleans(), threads=st.sampled_from([1, 2, 3]), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_train_is_the_composition_of_the_pieces(
    backend, dtype, sizes, act, loss, kind, m, batch, rule, bias, weighted, threads, seed
):
    """Three steps of train equal three times gradient and update of the same backend, on gathered rows."""
    net, rng = (
        small(loss, act, sizes=sizes, bias=bias, scale=scale_of(kind), l2=(0.05,) * (len(sizes) - 1)),
        np.random.default_rng(seed),
    )
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype, kind=kind, m=m, weighted=weighted)
    rate = 1e-3 if loss == "poisson" else 0.1  # exp turns three large steps into overflow, where rounding decides
    hyper, update = hyper_rows(rule, 3, decay=0.1, rate=rate), next(u for u in UPDATES if u.name == rule)
    order = rng.integers(0, m, 3 * batch)
    done = common.train(backend, net, rule, hyper, theta, data, order, np.arange(4) * batch, threads=threads)
    expected, state = theta.copy(), np.zeros((update.slots, theta.size), dtype)
    losses = []
    for i in range(3):
        rows = order[i * batch : (i + 1) * batch]
        part = common.Data(
            np.array(data.dense, dtype)[rows], EMPTY, EMPTY, data.T[rows],
            data.weights[rows] if weighted else data.weights, [data.dense[r] for r in rows], [], [],
        )  # fmt: skip
        norm = float(data.weights[rows].sum(dtype=np.float64)) if weighted else float(batch)
        _, parts, grad = common.gradient(backend, net, expected, part, norm or 1.0, threads=threads)
        losses.append(parts)
        backend.update(net.plan, update.code, hyper[i], i, expected, grad, state)
    assert done.finished == 3
    assert_close(done.losses, losses, 100 * TOLERANCE[dtype].one_pass)
    assert_close(done.theta, expected, TOLERANCE[dtype].ten_steps)


# ---- dropout


def test_dropout_depends_on_key_step_and_row_only(backend, dtype):
    """Row r of batch i sees the mask of (key, t + i, r), wherever it stands in the batch and however often."""
    net, rng = small("squared_error", dropout=(0.5, 0.0)), np.random.default_rng(6)
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype, m=8)
    hyper = np.zeros((1, 5))

    def loss(order, t, key):
        return common.train(backend, net, "sgd", hyper, theta, data, order, [0, len(order)], t=t, key=key).losses[0, 0]

    one = loss([5, 2, 7], 3, 9)
    assert loss([7, 5, 2], 3, 9) == pytest.approx(one, rel=TOLERANCE[dtype].one_pass)
    assert loss([5, 2, 7, 5, 2, 7], 3, 9) == pytest.approx(one, rel=TOLERANCE[dtype].one_pass)
    others = [loss([5, 2, 7], 4, 9), loss([5, 2, 7], 3, 10), loss([5, 2, 7], 3, 9 + 2**32), loss([5, 2, 6], 3, 9)]
    assert all(abs(other - one) > 1e-3 * one for other in others)


@pytest.mark.parametrize("rate", [0.25, 0.8])
def test_dropout_rate_and_rescaling(backend, dtype, rate):
    """One linear unit per hidden output: the mean over many units is kept, its loss tells how many were dropped."""
    n = 4001
    net = make_net((1, n, 1), ("identity", "identity"), "absolute_error", bias=False, dropout=(rate, 0.0))
    theta = np.concatenate([np.ones(n), np.full(n, 1 / n)]).astype(dtype)
    data = common.Data(
        np.ones((1, 1), dtype), EMPTY, EMPTY, np.full((1, 1), -9, dtype), np.empty(0, dtype), [[1.0]], [], []
    )
    _, (value, _), _ = common.gradient(backend, net, theta, data, 1.0, key=5)
    assert value - 9 == pytest.approx(1, abs=5 * math.sqrt(rate / (1 - rate) / n))
    kept = (value - 9) * n * (1 - rate)
    assert kept == pytest.approx(round(kept), abs=0.02)
    assert common.evaluate(backend, net, theta, data, 1.0) == pytest.approx(10, rel=1e-5)


# ---- the contract


@pytest.mark.parametrize("kind", [DENSE[0], "csr32"])
def test_no_rows(backend, dtype, kind):
    net, rng = small(l2=(0.5, 0.25)), np.random.default_rng(1)
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype, kind=kind, m=0)
    assert common.predict(backend, net, theta, data).shape == (0, 3)
    assert common.evaluate(backend, net, theta, data, 1.0) == 0
    value, parts, grad = common.gradient(backend, net, theta, data, 1.0)
    _, penalty, expected = oracle.gradient(net, theta.tolist(), [], [], [], 1.0, [], 0, 0)
    assert parts == pytest.approx((0, penalty), rel=TOLERANCE[dtype].one_pass)
    assert value == parts[1] > 0
    assert_close(grad, expected, TOLERANCE[dtype].one_pass)
    grad, dX = common.backward(backend, net, theta, data, np.empty((0, 3), dtype))
    np.testing.assert_array_equal(grad, 0)
    assert dX.shape == (0, 5)


def test_no_batches(backend, dtype):
    net, rng = small(), np.random.default_rng(1)
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype)
    done = common.train(backend, net, "adam", hyper_rows("adam", 0), theta, data, [1, 2], [1])
    assert done.finished == 0
    assert same_bits(done.theta, theta)


def test_a_batch_of_zero_weight_still_updates(backend, dtype):
    net, rng = small(l2=(0.5, 0.25)), np.random.default_rng(2)
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype)
    data = common.with_targets(data, data.T, weights=np.zeros(8, dtype))
    hyper = hyper_rows("sgd", 1)
    done = common.train(backend, net, "sgd", hyper, theta, data, range(8), [0, 8])
    assert done.finished == 1
    assert done.losses[0, 0] == 0
    W1, b1 = net.arrays(theta)[:2]
    np.testing.assert_allclose(net.arrays(done.theta)[0], W1 * (1 - hyper[0, 0] * 0.5), rtol=8 * common.eps(dtype))
    assert same_bits(net.arrays(done.theta)[1], b1)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", [0, 2, 4])
@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_train_stops_before_the_update_of_a_batch_that_is_not_finite(backend, dtype, rule, where, bad):
    net, rng = small("squared_error", "relu", clip=1.0), np.random.default_rng(7)
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype, m=15)
    data.T[3 * where + 1] = bad  # a row of batch `where` only
    hyper = hyper_rows(rule, 5, decay=0.1)
    done = common.train(backend, net, rule, hyper, theta, data, range(15), np.arange(6) * 3)
    before = common.train(backend, net, rule, hyper[:where], theta, data, range(15), np.arange(where + 1) * 3)
    assert done.finished == where == before.finished
    assert same_bits(done.theta, before.theta)
    assert same_bits(done.state, before.state)
    np.testing.assert_array_equal(done.losses[:where], before.losses)
    assert not np.isfinite(done.losses[where].sum())


def test_a_nan_in_x_reaches_the_loss(backend, dtype):
    for kind in (dtype.name, "csr64"):
        for act in ACTS:
            net, rng = small("squared_error", act), np.random.default_rng(8)
            theta, data = net.theta(rng, dtype), make_data(rng, net, dtype, kind=kind)
            data.X[-1, -1] = np.nan
            assert np.isnan(common.evaluate(backend, net, theta, data, 8.0)), act
            assert common.train(backend, net, "sgd", hyper_rows("sgd", 1), theta, data, range(8), [0, 8]).finished == 0


def test_train_in_slices_is_train_in_one_call(backend, dtype):
    """Twelve batches at once, or five and seven: the caller may come back between any two."""
    net, rng = small(dropout=(0.3, 0.0), clip=0.3, l2=(0.1, 0.1)), np.random.default_rng(9)
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype, m=40, labels=True, weighted=True)
    order, starts, hyper = rng.permutation(40), np.minimum(np.arange(13) * 3, 35), hyper_rows("adam", 12, decay=0.1)
    whole = common.train(backend, net, "adam", hyper, theta, data, order, starts, t=2)
    first = common.train(backend, net, "adam", hyper[:5], theta, data, order, starts[:6], t=2)
    second = common.train(backend, net, "adam", hyper[5:], first.theta, data, order, starts[5:], t=7, state=first.state)
    assert (whole.finished, first.finished, second.finished) == (12, 5, 7)
    assert same_bits(whole.theta, second.theta)
    assert same_bits(whole.state, second.state)
    np.testing.assert_array_equal(whole.losses, np.concatenate([first.losses, second.losses]))


def test_inputs_may_be_read_only(backend, dtype):
    net, rng = small(), np.random.default_rng(10)
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype, weighted=True)
    expected = common.train(backend, net, "sgd", hyper_rows("sgd", 2), theta, data, range(8), [0, 4, 8])
    outputs = common.predict(backend, net, theta, data)
    for array in data.everything:
        array.flags.writeable = False
    theta.flags.writeable = False
    done = common.train(backend, net, "sgd", hyper_rows("sgd", 2), theta, data, range(8), [0, 4, 8])
    assert same_bits(done.theta, expected.theta)
    assert same_bits(common.predict(backend, net, theta, data), outputs)


def test_where_scratch_lies_does_not_matter(backend, dtype):
    net, rng = small(sizes=(19, 17, 9), dropout=(0.2, 0.0), l2=(0.1, 0.1)), np.random.default_rng(11)
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype, m=37)
    results = []
    for aligned in (False, True):
        done = common.train(
            backend, net, "adam", hyper_rows("adam", 3), theta, data, range(37), [0, 16, 33, 37], aligned=aligned
        )
        _, _, grad = common.gradient(backend, net, theta, data, 37.0, aligned=aligned)
        results.append((done.theta, grad, common.predict(backend, net, theta, data, aligned=aligned)))
    for one, other in zip(*results, strict=True):
        assert_close(one, other, TOLERANCE[dtype].one_pass)


@pytest.mark.parametrize("program", PROGRAMS)
def test_scratch_is_bounded(backend, program):
    """A hundred times the rows need no more than a few times the scratch: programs work on tiles."""
    for sizes in ((784, 16, 16, 10), (8, 300, 1)):
        table = small(sizes=sizes).plan
        few, many = (backend.work_size(program, table, rows, 2) for rows in (10**4, 10**6))
        assert 0 <= many <= 3 * few
        assert isinstance(many, int)


@pytest.mark.parametrize("m", [1000, 4097])
def test_many_rows(backend, dtype, m):
    """More rows than any tile: the sums over tiles are the sums over rows."""
    net, rng = small("squared_error", sizes=(3, 4, 2)), np.random.default_rng(m)
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype, m=m, weighted=True)
    weights, X = common.make_net((3, 4, 2), "tanh", "squared_error").arrays(theta.astype(float)), np.array(data.dense)
    W1, b1, W2, b2 = (a.reshape(s) for a, s in zip(weights, [(3, 4), 4, (4, 2), 2], strict=True))
    A = np.tanh(X @ W1 + b1)
    Y = np.tanh(A @ W2 + b2)
    T, w = np.array(data.targets), np.array(data.sample_weights)[:, None]
    assert_close(common.predict(backend, net, theta, data), Y, TOLERANCE[dtype].one_pass)
    expected = 0.5 * np.sum(w * (Y - T) ** 2) / m
    assert common.evaluate(backend, net, theta, data, float(m)) == pytest.approx(
        expected, rel=TOLERANCE[dtype].one_pass
    )
    dZ = w * (Y - T) * (1 - Y * Y) / m
    dA = dZ @ W2.T * (1 - A * A)
    value, _, grad = common.gradient(backend, net, theta, data, float(m))
    assert value == pytest.approx(expected, rel=TOLERANCE[dtype].one_pass)
    flat = np.concatenate([(X.T @ dA).ravel(), dA.sum(0), (A.T @ dZ).ravel(), dZ.sum(0)])
    assert_close(grad, flat, 3 * TOLERANCE[dtype].one_pass)
