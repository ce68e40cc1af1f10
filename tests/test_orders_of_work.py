"""The orders of work that the compiled kernels choose by shape: each gives what the reference gives.

Slabs are for batches in front of a wide first layer, layer by layer goes a network that no core's cache holds, by bands
a batch that is long beside the weights; most of the other tests' networks go by row tiles.  ``kernels/layout.pxi`` has
the limits that the shapes here pass.
"""

from __future__ import annotations

from dataclasses import replace

import kernels_common as common
import numpy as np
import pytest
from kernels_common import TOLERANCE, assert_close, hyper_rows, make_data, make_net, same_bits

from fastnn.kernels import updates


@pytest.fixture(scope="module")
def compiled():
    return common.load("cython")


@pytest.fixture(scope="module")
def reference():
    return common.load("numpy")


def batches(m, sizes, seed=0):
    """Return order, starts: shuffled rows of m, some of them twice, in batches of the sizes given."""
    starts = np.concatenate([[0], np.cumsum(sizes)])
    return np.random.default_rng(seed).integers(0, m, starts[-1]), starts


def train_on_both(compiled, reference, net, dtype, rule, sizes, *, m=61, threads=2, decay=0.0, **options):
    """Train on both backends, compare all that is left behind, and return the compiled one's."""
    rng = np.random.default_rng(len(sizes) + net.sizes[0])
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype, m=m, **options)
    order, starts = batches(m, sizes)
    hyper = hyper_rows(rule, len(sizes), decay=decay)
    expected = common.train(reference, net, rule, hyper, theta, data, order, starts, t=3)
    done = common.train(compiled, net, rule, hyper, theta, data, order, starts, t=3, threads=threads)
    assert done.finished == expected.finished == len(sizes)
    tolerance = TOLERANCE[dtype].ten_steps
    assert_close(done.losses, expected.losses, tolerance)
    assert_close(done.theta - theta, expected.theta - theta, 10 * tolerance)  # of the way gone, not of where it ends
    for slot, wanted in zip(done.state, expected.state, strict=True):
        assert_close(slot, wanted, 10 * tolerance)
    alone = common.train(compiled, net, rule, hyper, theta, data, order, starts, t=3, threads=1)
    assert same_bits(alone.theta, done.theta)
    assert same_bits(alone.losses, done.losses)
    return done


# ---- relu, whose slope is taken where the product before it is made, in every order of work


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize(
    ("hidden", "sizes"),
    [
        ((20, 35), [32, 9, 1, 40]),  # by row tiles
        ((50, 33), [200, 203, 130]),  # by bands
        ((400, 700, 380), [50, 40, 50]),  # layer by layer
    ],
    ids=["tiles", "bands", "layers"],
)
def test_relu(compiled, reference, dtype, hidden, sizes, dropout):
    """Every second layer drops outputs, so that slopes are taken both ways in one step."""
    rates = tuple(dropout if i % 2 else 0.0 for i in range(len(hidden))) + (0.0,)
    net = make_net((40, *hidden, 3), "relu", "categorical_cross_entropy", dropout=rates)
    train_on_both(compiled, reference, net, dtype, "momentum", sizes, labels=True)


def test_relu_of_many_inputs(compiled, reference, dtype):
    """So many that their products are added up in several parts."""
    net = make_net((900, 230, 70, 3), "relu", "categorical_cross_entropy")
    train_on_both(compiled, reference, net, dtype, "sgd", [20, 33], labels=True)


# ---- slabs: at least 256 inputs, and four to each unit of the first layer


def slab_net(*sizes, act="tanh", loss="categorical_cross_entropy", **options):
    return make_net(sizes, act, loss, **options)


@pytest.mark.parametrize("rule", updates.BY_NAME)
def test_slabs_with_every_update(compiled, reference, dtype, rule):
    net = slab_net(261, 17, 9, 5, l2=(0.03, 0.05, 0.0))
    train_on_both(compiled, reference, net, dtype, rule, [7, 7, 16, 1, 7, 3], decay=0.1, labels=True, weighted=True)


@pytest.mark.parametrize(
    "sizes",
    [
        (256, 1),
        (256, 64, 3),
        (257, 8, 2),
        (263, 16, 4),
        (288, 33, 10),
        (384, 33, 5),
        (1200, 31, 15, 10),
        (2100, 7, 3),
        (784, 16, 10),
    ],
    ids=str,
)
@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_slabs_of_every_width(compiled, reference, dtype, rule, sizes):
    """One slab more or less full, units around whole registers, a single layer."""
    net = make_net(sizes, "sigmoid", "squared_error")
    train_on_both(compiled, reference, net, dtype, rule, [5, 33, 32, 2])


@pytest.mark.parametrize("threads", [2, 8])
@pytest.mark.parametrize("kind", common.DENSE)
def test_slabs_of_every_kind_of_rows(compiled, reference, dtype, kind, threads):
    net = slab_net(300, 12, 5, scale=1 / 255 if kind == "uint8" else 1.0, l2=(0.02, 0.02))
    train_on_both(compiled, reference, net, dtype, "sgd", [9, 9, 9, 4], kind=kind, labels=True, threads=threads)


@pytest.mark.parametrize("kind", ["float32", "fortran"])
def test_slabs_of_scaled_rows(compiled, reference, dtype, kind):
    train_on_both(compiled, reference, slab_net(300, 12, 5, scale=0.4), dtype, "momentum", [9, 9, 4], kind=kind)


@pytest.mark.parametrize("l2_over_norm", [False, True])
@pytest.mark.parametrize("l2", [(0.2, 0.0), (0.0, 0.2), (0.2, 0.1)], ids=str)
@pytest.mark.parametrize("rule", ["sgd", "rmsprop"])
@pytest.mark.parametrize("sizes", [(320, 10, 4), (320, 30, 10)], ids=["whole", "cut"])  # the second layer
def test_penalties_of_slabs(compiled, reference, dtype, sizes, rule, l2, l2_over_norm):
    """The penalty is that of the weights before the step, over the norm of its own batch."""
    net = slab_net(*sizes, l2=l2, l2_over_norm=l2_over_norm)
    done = train_on_both(compiled, reference, net, dtype, rule, [8, 3, 12, 1], weighted=True)
    assert (done.losses[:, 1] > 0).all()


@pytest.mark.parametrize("act", ["sigmoid", "softplus", "relu", "gelu", "identity"])
@pytest.mark.parametrize("bias", [True, False])
def test_slabs_under_every_kind_of_activation(compiled, reference, dtype, act, bias):
    net = slab_net(272, 20, 6, act=act, loss="squared_error", bias=bias)
    train_on_both(compiled, reference, net, dtype, "sgd", [6, 6, 5])


@pytest.mark.parametrize("act", ["tanh", "silu"])
def test_slabs_with_dropout(compiled, reference, dtype, act):
    """The masks are of the step and the row, and db is of the batch that was dropped from."""
    net = slab_net(280, 40, 16, 4, act=act, dropout=(0.4, 0.25, 0.0))
    train_on_both(compiled, reference, net, dtype, "adam", [11, 11, 11, 2], labels=True)


@pytest.mark.parametrize("rule", ["sgd", "adam"])
@pytest.mark.parametrize("kind", ["uint8", None])
def test_batches_too_long_for_slabs_in_between(compiled, reference, dtype, rule, kind):
    """A megabyte of X is the longest batch; longer and empty ones take another order, in the same call."""
    net = slab_net(2048, 8, 3, l2=(0.01, 0.0), scale=1 / 255 if kind == "uint8" else 1.0)
    limit = 2**20 // (2048 * dtype.itemsize)
    train_on_both(
        compiled, reference, net, dtype, rule, [4, limit, limit + 1, 5, 0, 6, limit + 8, limit + 3, 2], kind=kind
    )


def test_a_wide_first_layer_that_is_not_cut(compiled, reference, dtype):
    """Clipping needs the whole gradient before the update; a layer beyond a megabyte stays in no cache."""
    train_on_both(compiled, reference, slab_net(300, 12, 5, clip=0.05), dtype, "sgd", [9, 9, 4])
    units = 2**20 // (2400 * dtype.itemsize) + 20
    train_on_both(compiled, reference, slab_net(2400, units, 5), dtype, "sgd", [9, 9, 4])


@pytest.mark.parametrize("rule", ["sgd", "adam"])
@pytest.mark.parametrize("where", [0, 1, 3])
def test_slabs_stop_before_the_update_of_a_batch_that_is_not_finite(compiled, dtype, rule, where):
    net, rng = slab_net(290, 13, 4, loss="squared_error"), np.random.default_rng(3)
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype, m=20)
    order, starts, hyper = np.arange(20), np.arange(5) * 5, hyper_rows(rule, 4)
    before = common.train(compiled, net, rule, hyper[:where], theta, data, order, starts[: where + 1])
    for array in (data.T, data.X):
        array[5 * where + 2, 1] = np.nan
        done = common.train(compiled, net, rule, hyper, theta, data, order, starts, threads=2)
        assert done.finished == where == before.finished
        assert same_bits(done.theta, before.theta)
        assert same_bits(done.state, before.state)
        assert same_bits(done.losses[:where], before.losses)
        assert np.isnan(done.losses[where, 0])


# ---- bands: batches that are long beside the weights


def band_net(*hidden, act="tanh", loss="categorical_cross_entropy", **options):
    return make_net((40, *hidden, 3), act, loss, **options)


LONG = [200, 64, 5, 203, 0, 130]  # by bands, but for the short ones


@pytest.mark.parametrize("rule", updates.BY_NAME)
def test_bands_with_every_update(compiled, reference, dtype, rule):
    net = band_net(64, 32, l2=(0.03, 0.05, 0.0))
    train_on_both(compiled, reference, net, dtype, rule, LONG, decay=0.1, labels=True, weighted=True)


@pytest.mark.parametrize("threads", [3, 8])
@pytest.mark.parametrize("clip", [0.0, 0.02])
@pytest.mark.parametrize("kind", [*common.DENSE, "csr32"])
def test_bands_of_every_kind_of_rows(compiled, reference, dtype, kind, clip, threads):
    net = band_net(40, scale=1 / 255 if kind == "uint8" else 1.0, l2=(0.02, 0.02), l2_over_norm=True, clip=clip)
    train_on_both(compiled, reference, net, dtype, "sgd", LONG, kind=kind, labels=True, threads=threads)


@pytest.mark.parametrize("act", ["tanh", "silu"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dropout", [(0.0, 0.0, 0.0), (0.4, 0.25, 0.0)], ids=str)
def test_bands_with_dropout(compiled, reference, dtype, act, bias, dropout):
    net = band_net(40, 16, act=act, bias=bias, dropout=dropout)
    train_on_both(compiled, reference, net, dtype, "adam", LONG, labels=True)


@pytest.mark.parametrize("sizes", [(33, 10), (64, 100, 10), (7, 90, 1), (12, 24, 24, 24, 2)], ids=str)
@pytest.mark.parametrize("batch", [199, 800, 2500])
def test_bands_of_other_shapes(compiled, reference, dtype, sizes, batch):
    """Four bands to sixteen, of one row tile or several."""
    net = make_net(sizes, "sigmoid", "squared_error")
    train_on_both(compiled, reference, net, dtype, "adam", [batch, batch - 66, batch + 1], m=300, threads=5)


@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_bands_of_few_rows(compiled, reference, dtype, rule):
    """A long single unit: few rows are far more numbers than its weights, but bands have 16 rows at least."""
    net = make_net((8000, 1), "identity", "squared_error", l2=(0.01,))
    train_on_both(compiled, reference, net, dtype, rule, [80, 64, 63, 40, 8, 79], m=80, weighted=True)


def test_bands_beside_batches_of_several_blocks(compiled, reference, dtype):
    train_on_both(compiled, reference, make_net((30, 60, 2), "tanh", "squared_error"), dtype, "adam", [300, 4200, 300])


# ---- layer by layer: more than 768 KiB of parameters


def large_net(*hidden, dtype, act="tanh", loss="squared_error", **options):
    """Return a network of 300 inputs and 7 outputs that is large enough in either dtype."""
    net = make_net((300, *hidden, 7), act, loss, **options)
    assert net.plan[0, common.plan.N_PARAMETERS] * dtype.itemsize > 3 << 18
    return net


@pytest.mark.parametrize("rule", updates.BY_NAME)
def test_layers_with_every_update(compiled, reference, dtype, rule):
    net = large_net(420, 180, dtype=dtype, l2=(0.03, 0.0, 0.05))
    train_on_both(compiled, reference, net, dtype, rule, [7, 40, 0, 1, 7], decay=0.1, weighted=True)


@pytest.mark.parametrize("clip", [0.0, 0.02, 1e9])
@pytest.mark.parametrize("kind", ["csr32", "csr_uint8", "uint8", "fortran", "broadcast"])
def test_layers_of_every_kind_of_rows(compiled, reference, dtype, kind, clip):
    scale = 1 / 255 if "uint8" in kind else 1.0
    net = large_net(420, 180, dtype=dtype, loss="categorical_cross_entropy", clip=clip, scale=scale)
    train_on_both(compiled, reference, net, dtype, "sgd", [9, 33, 4], kind=kind, labels=True, m=40)


@pytest.mark.parametrize("act", ["tanh", "relu", "silu"])
@pytest.mark.parametrize("dropout", [(0.0, 0.0, 0.0), (0.4, 0.0, 0.0), (0.2, 0.5, 0.0)], ids=str)
def test_layers_with_dropout(compiled, reference, dtype, act, dropout):
    net = large_net(420, 180, dtype=dtype, act=act, dropout=dropout)
    train_on_both(compiled, reference, net, dtype, "momentum", [33, 33, 5], threads=3)


@pytest.mark.parametrize("hidden", [(700,), (260, 450), (300, 300, 80, 33, 90)], ids=str)
def test_layers_of_other_shapes(compiled, reference, dtype, hidden):
    """Tiles of a layer that end beside its last column or row."""
    net = make_net((300, *hidden, 7), "sigmoid", "squared_error", bias=len(hidden) != 2, l2_over_norm=True)
    train_on_both(compiled, reference, net, dtype, "sgd", [71, 130, 65], m=150)


@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_layers_and_slabs_in_one_call(compiled, reference, dtype, rule):
    """A network for both: short batches go by slabs, long ones layer by layer."""
    net = slab_net(1024, 832 // dtype.itemsize, 4, dropout=(0.2, 0.0))
    assert net.plan[0, common.plan.N_PARAMETERS] * dtype.itemsize > 3 << 18
    limit = 2**20 // (1024 * dtype.itemsize)
    train_on_both(compiled, reference, net, dtype, rule, [4, limit + 1, limit + 2, 5, limit + 9], kind="float64")


WIDE = (6, 5000, 33)  # its blocks have 272 rows


@pytest.mark.parametrize("rule", ["sgd", "adam"])
@pytest.mark.parametrize("kind", [None, "csr64"])
def test_layers_with_batches_longer_than_a_block(compiled, reference, dtype, rule, kind):
    net = make_net(WIDE, "tanh", "squared_error", l2=(0.02, 0.01), clip=0.5 if rule == "adam" else 0.0)
    train_on_both(compiled, reference, net, dtype, rule, [20, 290, 5, 555], kind=kind, m=70, weighted=True)


@pytest.mark.parametrize("rows", [1, 31, 33, 300])
@pytest.mark.parametrize("act", ["tanh", "silu"])
@pytest.mark.parametrize("kind", [None, "uint8", "csr32"])
def test_gradient_and_backward_layer_by_layer(compiled, reference, dtype, rows, act, kind):
    scale = 1 / 255 if kind == "uint8" else 0.7
    net, rng = make_net(WIDE, act, "squared_error", l2=(0.02, 0.01), scale=scale), np.random.default_rng(rows)
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype, m=rows, kind=kind, weighted=True)
    dY = rng.standard_normal((rows, 33)).astype(dtype)
    close = 10 * TOLERANCE[dtype].one_pass
    for one, other in zip(
        common.gradient(compiled, net, theta, data, 5.0, threads=2),
        common.gradient(reference, net, theta, data, 5.0),
        strict=True,
    ):
        assert_close(one, other, close)
    wants = "grad" if kind == "csr32" else "grad dX"
    for one, other in zip(
        common.backward(compiled, net, theta, data, dY, wants=wants, layout="fortran", threads=2),
        common.backward(reference, net, theta, data, dY, wants=wants),
        strict=True,
    ):
        assert one is other is None or assert_close(one, other, close) is None


def test_no_rows_layer_by_layer(compiled, reference, dtype):
    net, rng = make_net(WIDE, "tanh", "squared_error", l2=(0.5, 0.25)), np.random.default_rng(1)
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype, m=0)
    _, parts, grad = common.gradient(compiled, net, theta, data, 1.0, threads=2)
    _, expected_parts, expected = common.gradient(reference, net, theta, data, 1.0)
    assert_close(parts, expected_parts, TOLERANCE[dtype].one_pass)
    assert_close(grad, expected, TOLERANCE[dtype].one_pass)
    grad, dX = common.backward(compiled, net, theta, data, np.empty((0, 33), dtype), threads=2)
    np.testing.assert_array_equal(grad, 0)
    assert dX.shape == (0, 6)


@pytest.mark.parametrize("where", [0, 2])
def test_layers_stop_before_the_update_of_a_batch_that_is_not_finite(compiled, dtype, where):
    net, rng = large_net(420, 180, dtype=dtype), np.random.default_rng(3)
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype, m=20)
    data.X[5 * where + 2, 1] = np.nan
    hyper, starts = hyper_rows("adam", 4), np.arange(5) * 5
    done = common.train(compiled, net, "adam", hyper, theta, data, range(20), starts, threads=2)
    before = common.train(compiled, net, "adam", hyper[:where], theta, data, range(20), starts[: where + 1])
    assert done.finished == where == before.finished
    assert same_bits(done.theta, before.theta)
    assert same_bits(done.state, before.state)
    assert np.isnan(done.losses[where, 0])


# ---- either


@pytest.mark.parametrize("sizes", [(270, 9, 4), WIDE], ids=["slabs", "layers"])
def test_slices_are_one_call(compiled, dtype, sizes):
    """The caller may come back between any two batches."""
    net, rng = make_net(sizes, "tanh", "squared_error", dropout=(0.3, 0.0), l2=(0.1, 0.1)), np.random.default_rng(9)
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype, m=40, kind="float64", weighted=True)
    order, starts = batches(40, [5, 5, 12, 3, 5])
    hyper = hyper_rows("adam", 5)
    whole = common.train(compiled, net, "adam", hyper, theta, data, order, starts, t=2, threads=2)
    first = common.train(compiled, net, "adam", hyper[:2], theta, data, order, starts[:3], t=2, threads=2)
    second = common.train(
        compiled, net, "adam", hyper[2:], first.theta, data, order, starts[2:], t=4, state=first.state, threads=2
    )
    assert same_bits(whole.theta, second.theta)
    assert same_bits(whole.state, second.state)
    assert same_bits(whole.losses, np.concatenate([first.losses, second.losses]))


# ---- predict by columns: narrow layers, and rows for some registers


@pytest.mark.parametrize("act", ["tanh", "sigmoid", "relu", "gelu"])
@pytest.mark.parametrize(
    "sizes", [(8, 30, 31, 4), (1, 1), (3, 2, 1), (17, 32, 5), (7, 9, 11, 13, 12, 10, 9, 3), (5,) * 9], ids=str
)
def test_predict_by_columns(compiled, reference, dtype, sizes, act):
    """Rows around whole registers and tiles; every width of a tile of outputs; activations beside the sums, and not."""
    net = make_net(sizes, act, "categorical_cross_entropy" if sizes[-1] > 1 else "binary_cross_entropy")
    rng = np.random.default_rng(sizes[0])
    theta = net.theta(rng, dtype)
    for m in (15, 16, 31, 63, 64, 65, 127, 128, 145, 1040):
        data = make_data(rng, net, dtype, m=m)
        expected = common.predict(reference, net, theta, data)
        found = common.predict(compiled, net, theta, data)
        assert_close(found, expected, TOLERANCE[dtype].one_pass)
        assert same_bits(common.predict(compiled, net, theta, data, threads=3), found)


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "binary_cross_entropy", "categorical_cross_entropy"])
@pytest.mark.parametrize("layout", common.LAYOUTS)
def test_predict_by_columns_of_any_form(compiled, reference, dtype, layout, loss):
    """Links, outputs of any strides, and rows that have to be gathered: the same bits as those that have not."""
    net = make_net((6, 20, 12, 3), "tanh", loss, bias=False)
    rng = np.random.default_rng(5)
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype, m=300)
    expected = common.predict(reference, net, theta, data)
    found = common.predict(compiled, net, theta, data, layout=layout)
    assert_close(found, expected, TOLERANCE[dtype].one_pass)
    backwards = replace(data, X=np.asfortranarray(data.X)[::-1])
    assert same_bits(common.predict(compiled, net, theta, backwards)[::-1], found)


def test_predict_by_columns_carries_nan_no_further_than_its_row(compiled, dtype):
    net = make_net((4, 20, 20, 3), "tanh", "categorical_cross_entropy")
    rng = np.random.default_rng(6)
    theta, data = net.theta(rng, dtype), make_data(rng, net, dtype, m=200)
    whole = common.predict(compiled, net, theta, data)
    X = data.X.copy()
    X[[3, 70, 199], [0, 1, 2]] = np.nan
    found = common.predict(compiled, net, theta, replace(data, X=X))
    odd = np.isin(np.arange(200), [3, 70, 199])
    assert np.isnan(found[odd]).all()
    assert same_bits(found[~odd], whole[~odd])
