"""The formulas of the kernels, apart from any backend: values worked by hand, edges of the domain, finite differences.

Tables here are keyed by name and asserted complete, so that a new activation, loss, link or update needs its rows.
"""

from __future__ import annotations

import math

import kernels_oracle as oracle
import numpy as np
import pytest
from kernels_common import DTYPES, eps

from fastnn.kernels import activations, dropout, losses, plan, updates
from fastnn.kernels.activations import ACTIVATIONS, INPUT
from fastnn.kernels.losses import LINKS, LOSSES
from fastnn.kernels.updates import UPDATES

INF, NAN = math.inf, math.nan


def named(table):
    return pytest.mark.parametrize("entry", table, ids=lambda entry: entry.name)


@pytest.fixture(autouse=True)
def silent():
    """Formulas may overflow where the right answer follows from it; kernels are quiet about that."""
    with np.errstate(all="ignore"):
        yield


# ---- tables


@pytest.mark.parametrize(
    "table", [ACTIVATIONS, LOSSES, LINKS, UPDATES], ids=["activations", "losses", "links", "updates"]
)
def test_codes_are_positions_and_names_unique(table):
    assert [entry.code for entry in table] == list(range(len(table)))
    assert len({entry.name for entry in table}) == len(table)
    assert all(entry.formula for entry in table)


def test_every_table_has_its_twin():
    """A new row of a table needs a scalar twin in kernels_oracle.py and values worked by hand in this file."""
    for table, twins in (
        (ACTIVATIONS, {"oracle.ACTIVATION": oracle.ACTIVATION, "ACTIVATION_VALUES": ACTIVATION_VALUES,
                       "ACTIVATION_LIMITS": ACTIVATION_LIMITS}),
        (LOSSES, {"oracle.LOSS": oracle.LOSS, "LOSS_VALUES": LOSS_VALUES, "AT_OPTIMUM": AT_OPTIMUM}),
        (LINKS, {"oracle.LINK": oracle.LINK, "LINK_VALUES": LINK_VALUES}),
        (UPDATES, {"oracle.UPDATE": oracle.UPDATE, "UPDATE_VALUES": UPDATE_VALUES}),
    ):  # fmt: skip
        for place, entries in twins.items():
            assert {row.name for row in table} == set(entries), f"{place} does not match the table"


@pytest.mark.parametrize("module", [activations, losses], ids=["activations", "losses"])
def test_aliases_name_entries(module):
    assert set(module.ALIASES.values()) <= set(module.BY_NAME)
    assert not set(module.ALIASES) & set(module.BY_NAME)


# ---- activations

ACTIVATION_VALUES = {  # name: [(z, f(z), f'(z))], worked by hand or with a calculator
    "identity": [(-2.0, -2.0, 1.0), (0.0, 0.0, 1.0), (3.5, 3.5, 1.0)],
    "sigmoid": [(0.0, 0.5, 0.25), (math.log(3), 0.75, 0.1875), (-math.log(3), 0.25, 0.1875)],
    "tanh": [(0.0, 0.0, 1.0), (math.log(2), 0.6, 0.64), (-math.log(2), -0.6, 0.64)],
    "relu": [(-1.5, 0.0, 0.0), (0.0, 0.0, 0.0), (2.5, 2.5, 1.0)],
    "leaky_relu": [(-2.0, -0.02, 0.01), (0.0, 0.0, 0.01), (2.5, 2.5, 1.0)],
    "elu": [(-math.log(2), -0.5, 0.5), (0.0, 0.0, 1.0), (2.5, 2.5, 1.0)],
    "softplus": [(0.0, math.log(2), 0.5), (math.log(3), math.log(4), 0.75), (-math.log(3), math.log(4 / 3), 0.25)],
    "silu": [
        (0.0, 0.0, 0.5),
        (1.0, 0.7310585786300049, 0.9276705118714867),
        (-2.0, -0.2384058440442351, -0.0907842487848955),
    ],
    "gelu": [
        (0.0, 0.0, 0.5),
        (1.0, 0.8413447460685429, 1.0833154705876864),
        (-2.0, -0.0455002638963584, -0.0852318010781969),
    ],
}
ACTIVATION_LIMITS = {  # name: f at -inf, -1e4, 1e4, inf
    "identity": (-INF, -1e4, 1e4, INF),
    "sigmoid": (0.0, 0.0, 1.0, 1.0),
    "tanh": (-1.0, -1.0, 1.0, 1.0),
    "relu": (0.0, 0.0, 1e4, INF),
    "leaky_relu": (-INF, -1e2, 1e4, INF),
    "elu": (-1.0, -1.0, 1e4, INF),
    "softplus": (0.0, 0.0, 1e4, INF),
    "silu": (0.0, 0.0, 1e4, INF),
    "gelu": (0.0, 0.0, 1e4, INF),
}


def derivative(entry, z):
    return np.asarray(entry.df(z if entry.reads == INPUT else entry.f(z)), z.dtype)


@named(ACTIVATIONS)
def test_activation_values_worked_by_hand(entry, dtype):
    z, y, dy = np.array(ACTIVATION_VALUES[entry.name]).T
    z = z.astype(dtype)
    np.testing.assert_allclose(entry.f(z), y, rtol=8 * eps(dtype), atol=8 * eps(dtype))
    np.testing.assert_allclose(derivative(entry, z) * np.ones_like(z), dy, rtol=8 * eps(dtype), atol=8 * eps(dtype))


def test_the_slope_of_relu_at_zero_is_zero(dtype):
    assert derivative(activations.BY_NAME["relu"], np.zeros(1, dtype)) == 0


@named(ACTIVATIONS)
def test_activation_at_the_ends_of_the_line(entry, dtype):
    for z, y in zip((-INF, -1e4, 1e4, INF), ACTIVATION_LIMITS[entry.name], strict=True):
        value = float(entry.f(np.array([z], dtype))[0])
        assert value == pytest.approx(y, rel=8 * eps(dtype)), z


@named(ACTIVATIONS)
def test_activation_passes_nan_on(entry, dtype):
    assert np.isnan(entry.f(np.array([NAN], dtype))[0])


@named(ACTIVATIONS)
def test_activation_keeps_the_dtype(entry, dtype):
    z = np.array([-0.5, 0.0, 2.0], dtype)
    assert entry.f(z).dtype == dtype


@named(ACTIVATIONS)
def test_activation_against_the_scalar_twin(entry, dtype):
    z = np.concatenate([np.linspace(-30, 30, 2001), [0.0, 1e-20, -1e-20]]).astype(dtype)
    f, df = oracle.ACTIVATION[entry.name]
    error = np.abs(entry.f(z).astype(float) - [f(v) for v in z.tolist()])
    relative = 8 * eps(dtype) + eps(float) * z.astype(float) ** 2  # the latter the oracle's: erfc of a rounded argument
    rounded = float(np.finfo(dtype).smallest_subnormal) * (1 + np.abs(z))  # silu and gelu: z times a subnormal factor
    bound = relative * np.abs([f(v) for v in z.tolist()]) + rounded
    assert (error <= bound).all(), z[error > bound]
    error = np.abs(derivative(entry, z) * np.ones(z.shape) - [df(v) for v in z.tolist()])
    cancels = np.abs(z) if entry.name in ("gelu", "silu") else 0  # 1 - sigmoid: errors of an ulp of 1, times z
    bound = 8 * eps(dtype) * np.maximum(1, cancels)
    assert (error <= bound).all(), z[error > bound]


@named(ACTIVATIONS)
def test_derivative_against_a_central_difference(entry):
    z = np.linspace(-4, 4, 81) + 0.013  # clear of the kinks
    h = 1e-5
    expected = (entry.f(z + h) - entry.f(z - h)) / (2 * h)
    assert np.ptp(expected) > 0.1 or entry.name == "identity"
    np.testing.assert_allclose(derivative(entry, z) * np.ones_like(z), expected, rtol=0, atol=1e-8)


# ---- losses

LOSS_VALUES = {  # name: (r, t, p, loss of the row, gradient)
    "squared_error": ([3.0, -1.0], [1.0, 1.0], 0.0, 4.0, [2.0, -2.0]),
    "absolute_error": ([3.0, -1.0, 0.5], [1.0, 1.0, 0.5], 0.0, 4.0, [1.0, -1.0, 0.0]),
    "huber": ([3.0, -1.0, 1.25], [1.0, 1.0, 1.0], 0.5, 1.78125, [0.5, -0.5, 0.25]),
    "quantile": ([3.0, -1.0, 0.5], [1.0, 1.0, 0.5], 0.75, 2.0, [0.25, -0.75, 0.0]),
    "binary_cross_entropy": ([0.0, math.log(3)], [1.0, 0.0], 0.0, math.log(2) + math.log(4), [-0.5, 0.75]),
    "categorical_cross_entropy": (
        [math.log(2), 0.0, math.log(5)], [0.0, 1.0, 0.0], None, math.log(8), [0.25, -0.875, 0.625],
    ),
    "poisson": ([0.0, math.log(2)], [1.0, 3.0], 0.0, 3 - 3 * math.log(2), [0.0, -1.0]),
}  # fmt: skip
AT_OPTIMUM = {  # name: (t, the r with the smallest loss)
    "squared_error": ([2.0, -3.0], [2.0, -3.0]),
    "absolute_error": ([2.0, -3.0], [2.0, -3.0]),
    "huber": ([2.0, -3.0], [2.0, -3.0]),
    "quantile": ([2.0, -3.0], [2.0, -3.0]),
    "binary_cross_entropy": ([0.5, 0.25], [0.0, -math.log(3)]),
    "categorical_cross_entropy": ([0.25, 0.125, 0.625], [math.log(2), 0.0, math.log(5)]),
    "poisson": ([1.0, 4.0], [0.0, math.log(4)]),
}


def row_loss(entry, r, t, p, dtype=np.float64):
    """Return the loss of one row and its gradient by the module's formulas."""
    R, T = np.array([r], dtype), np.array([t], dtype)
    parameter = losses.row_parameter(entry.code, R, p)
    return float(entry.f(R, T, parameter).sum()), np.asarray(entry.df(R, T, parameter), np.float64)[0]


@named(LOSSES)
def test_loss_values_worked_by_hand(entry, dtype):
    r, t, p, expected, gradient = LOSS_VALUES[entry.name]
    value, df = row_loss(entry, r, t, p, dtype)
    assert value == pytest.approx(expected, rel=8 * eps(dtype))
    np.testing.assert_allclose(df, gradient, rtol=8 * eps(dtype), atol=8 * eps(dtype))


@named(LOSSES)
def test_gradient_is_zero_at_the_optimum(entry):
    t, r = AT_OPTIMUM[entry.name]
    value, df = row_loss(entry, r, t, 0.5)
    np.testing.assert_allclose(df, 0, atol=1e-15)
    beside = [row_loss(entry, [r[0] + step, *r[1:]], t, 0.5)[0] for step in (-0.1, 0.1)]
    assert value < min(beside)


@named(LOSSES)
@pytest.mark.parametrize("step", [-1.3, -0.4, 0.3, 1.7])
def test_loss_gradient_against_a_central_difference(entry, step):
    t, r = AT_OPTIMUM[entry.name]
    r = [value + step * (1 + i) for i, value in enumerate(r)]
    _, df = row_loss(entry, r, t, 0.7)
    h = 1e-5
    for j in range(len(r)):
        ends = [row_loss(entry, [v + d * (i == j) for i, v in enumerate(r)], t, 0.7)[0] for d in (h, -h)]
        assert df[j] == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-7, abs=1e-9)
    assert np.abs(df).max() > 0.01


@named(LOSSES)
def test_extreme_raw_predictions_do_not_overflow(entry, dtype):
    r, t = [60.0, -1e4] if entry.name == "poisson" else [1e4, -1e4], [0.0, 1.0]
    value, df = row_loss(entry, r, t, 0.5, dtype)
    expected, gradient = oracle.LOSS[entry.name](r, t, 0.5)
    assert math.isfinite(value)
    assert value == pytest.approx(expected, rel=100 * eps(dtype))
    np.testing.assert_allclose(df, gradient, rtol=100 * eps(dtype), atol=8 * eps(dtype))


@named(LOSSES)
@pytest.mark.parametrize("bad", [0, 1])
def test_loss_and_gradient_pass_nan_on(entry, bad):
    r, t = [0.5, 0.25], [0.5, 0.5]
    r[bad] = NAN
    value, df = row_loss(entry, r, t, 0.5)
    assert math.isnan(value)
    assert math.isnan(df[bad])


# ---- links

LINK_VALUES = {
    "identity": ([1.5, -2.0], [1.5, -2.0]),
    "softmax": ([math.log(2), 0.0, math.log(5)], [0.25, 0.125, 0.625]),
    "sigmoid": ([0.0, math.log(3)], [0.5, 0.75]),
    "exp": ([0.0, math.log(3)], [1.0, 3.0]),
}


@named(LINKS)
def test_link_values_worked_by_hand(entry, dtype):
    r, y = LINK_VALUES[entry.name]
    Y = np.empty((1, len(r)), dtype)
    entry.forward(np.array([r], dtype), Y)
    np.testing.assert_allclose(Y[0], y, rtol=8 * eps(dtype))


@named(LINKS)
def test_link_backward_is_the_transposed_jacobian(entry):
    rng = np.random.default_rng(0)
    r, dY, h = rng.standard_normal(4), rng.standard_normal(4), 1e-6

    def forward(r):
        Y = np.empty((1, 4))
        entry.forward(r[None], Y)
        return Y[0]

    jacobian = np.array([(forward(r + h * e) - forward(r - h * e)) / (2 * h) for e in np.eye(4)])
    dR = dY[None].copy()
    entry.backward(forward(r)[None], dR)
    np.testing.assert_allclose(dR[0], jacobian @ dY, rtol=1e-7, atol=1e-8)


def test_softmax_is_shifted(dtype):
    Y = np.empty((2, 2), dtype)
    losses.link_softmax(np.array([[1e4, 1e4 - 0.0], [-1e4, 0.0]], dtype), Y)
    np.testing.assert_array_equal(Y, [[0.5, 0.5], [0.0, 1.0]])


def test_softmax_of_masked_logits_is_zero_there(dtype):
    Y = np.empty((1, 3), dtype)
    losses.link_softmax(np.array([[-INF, 1, 1]], dtype), Y)
    np.testing.assert_array_equal(Y, [[0.0, 0.5, 0.5]])


@named([loss for loss in LOSSES if loss.link])
def test_canonical_gradient_is_output_minus_target(entry):
    t, _ = AT_OPTIMUM[entry.name]
    r = np.linspace(-1, 2, len(t))
    Y = np.empty((1, len(t)))
    losses.LINK_BY_NAME[entry.link].forward(r[None], Y)
    _, df = row_loss(entry, r, t, 0.0)
    np.testing.assert_allclose(df, Y[0] - t, rtol=1e-14)


# ---- updates

# name: (hyper row, gradients, w after each, starting at w = 1), worked by hand
UPDATE_VALUES = {
    "sgd": ([0.5, 0, 0, 0, 0], [1.0, -2.0], [0.5, 1.5]),
    "momentum": ([0.5, 0, 0.5, 0, 0], [1.0, 1.0], [0.5, -0.25]),  # velocity -0.5, then -0.75
    "nesterov": ([0.5, 0, 0.5, 0, 0], [1.0, 1.0], [0.25, -0.625]),  # w + v/2 - g/2: -0.75, then -0.875
    # m = 0.5 g, v = 0.25 g^2, both corrected back to g and g^2 = 9: w = 1 - 0.5 * 3 / (3 + 1)
    "adam": ([0.5, 0, 0.5, 0.75, 1.0], [3.0], [0.625]),
    "adamw": ([0.5, 0, 0.5, 0.75, 1.0], [3.0], [0.625]),
    "rmsprop": ([0.5, 0, 0.75, 0, 1.0], [4.0], [1 - 2 / 3]),  # s = 0.25 * 16, root 2
}


def run_rule(entry, hyper, gradients, dtype=np.float64, w=1.0):
    w, s, v = (np.array([value], dtype) for value in (w, 0, 0))
    history = []
    for t, g in enumerate(gradients, start=1):
        numbers = (dtype(number) for number in entry.prepare(np.array(hyper, float), t))
        w, s, v = entry.rule(w, np.array([g], dtype), s, v, *numbers)
        history.append(float(w[0]))
    return history


@named(UPDATES)
def test_update_values_worked_by_hand(entry):
    hyper, gradients, expected = UPDATE_VALUES[entry.name]
    assert run_rule(entry, hyper, gradients) == pytest.approx(expected, rel=1e-14)


@named(UPDATES)
def test_update_against_the_papers_recurrence(entry):
    hyper = [0.01, 0.0, 0.9, 0.99, 1e-3]
    gradients = np.random.default_rng(1).standard_normal(50).tolist()
    w, memory, expected = 1.0, [0.0, 0.0], []
    for t, g in enumerate(gradients, start=1):
        w = oracle.UPDATE[entry.name](w, g, memory, t, hyper)
        expected.append(w)
    assert np.ptp(expected) > 0.01
    assert run_rule(entry, hyper, gradients) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_epsilon_is_added_after_the_bias_correction(name):
    # first step, g = 1e-3, eps = 1e-3: lr / 2 as in the paper; eps before the correction would give another number
    (w,) = run_rule(updates.BY_NAME[name], [0.1, 0, 0.9, 0.999, 1e-3], [1e-3])
    assert w == pytest.approx(1 - 0.05, rel=1e-12)


def test_the_learning_rate_is_inside_the_velocity():
    # a rate that falls to 0 leaves the old velocity's step; with the rate outside there would be none
    entry, s = updates.BY_NAME["momentum"], np.zeros(1)
    w, s, _ = entry.rule(np.ones(1), np.ones(1), s, s, 0.5, 0.5, 0.0, 0.0)
    w, s, _ = entry.rule(w, np.ones(1), s, s, 0.0, 0.5, 0.0, 0.0)
    assert w[0] == pytest.approx(0.25)


# ---- dropout

KNOWN_ANSWERS = [  # kat_vectors of Random123, philox4x32 with 10 rounds: counter, key, result
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text):
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_philox_known_answers(counter, key, expected):
    arguments = [np.uint64(word) for word in words(counter) + words(key)]
    assert [int(word) for word in dropout.philox(*arguments)] == words(expected)
    assert list(oracle.philox(words(counter), words(key))) == words(expected)


@pytest.mark.parametrize(("key", "t"), [(0, 0), (1, 7), (2**63 - 1, 2**32 - 1), (2**40 + 5, 2**33 + 3)])
def test_keep_against_the_integer_twin(key, t):
    rows = np.array([5, 0, 2**31, 2**33 + 1])
    factors = dropout.keep(key, t, 2, rows, 7, 0.4, np.dtype(np.float64))
    expected = [[oracle.keep_factor(key, t, 2, row, unit, 0.4) for unit in range(7)] for row in rows.tolist()]
    assert len(np.unique(expected)) == 2
    np.testing.assert_array_equal(factors, expected)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_keep_rate_and_mean(rate):
    factors = dropout.keep(3, 1, 1, np.arange(2000), 50, rate, np.dtype(np.float32))
    deviation = 5 * math.sqrt(rate * (1 - rate) / factors.size)
    assert abs((factors > 0).mean() - (1 - rate)) < deviation
    assert factors.mean() == pytest.approx(1, abs=deviation / (1 - rate))
    assert factors.dtype == np.float32


def test_masks_of_steps_layers_rows_and_keys_differ():
    rows = np.arange(64)
    one = dropout.keep(3, 1, 1, rows, 64, 0.5, np.dtype(np.float32))
    others = [(4, 1, 1, rows), (3, 2, 1, rows), (3, 1, 2, rows), (3, 1, 1, rows + 1)]
    for key, t, layer, where in others:
        other = dropout.keep(key, t, layer, where, 64, 0.5, np.dtype(np.float32))
        assert 0.4 < (one != other).mean() < 0.6


# ---- plan


def test_plan_of_a_small_network():
    table = plan.make_plan([3, 4, 2], [3, 0], 1, True)
    assert table.dtype == np.int64
    assert table[0, : plan.UNITS + 1].tolist() == [2, 3, 2, 3 * 4 + 4 + 4 * 2 + 2, 1, 4, 6]
    assert table[1].tolist() == [3, 4, 3, 1, 0, 12, 0, 0]
    assert table[2].tolist() == [4, 2, 0, 1, 16, 24, 4, 0]


def test_plan_without_biases_leaves_no_room_for_them():
    table = plan.make_plan([3, 4, 2], [7, 8], 0, False)
    assert table[0, plan.N_PARAMETERS] == 3 * 4 + 4 * 2
    assert table[2, plan.W_AT] == 12
    assert table[1:, plan.READS_INPUT].tolist() == [1, 1]


def test_plan_refuses_what_int64_cannot_hold():
    with pytest.raises(OverflowError, match="layer 2"):
        plan.make_plan([2, 2**31, 2**32], [0, 0], 0, True)


def test_const_keeps_the_last_layer_from_dropping():
    table = plan.make_const(plan.make_plan([3, 4, 2], [3, 0], 0, True), l2=[0.1, 0.2], dropout=0.5, clip_norm=2.0)
    assert table[:, 0].tolist() == [0.0, 0.1, 0.2]
    assert table[1:, plan.DROPOUT].tolist() == [0.5, 0.0]
    assert table[0, plan.CLIP_NORM] == 2.0
    assert table[0, plan.INPUT_SCALE] == 1.0


def test_both_dtypes_are_tested():
    assert {d.name for d in DTYPES} == {"float32", "float64"}
