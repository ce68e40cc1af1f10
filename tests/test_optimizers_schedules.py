"""Optimisers and schedules: settings, ranges, formulas by hand."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle

import numpy as np
import pytest

import fastnn
from fastnn import SGD, Adam, AdamW, Network, OptimizerState, RMSprop, schedules
from fastnn.kernels.updates import BY_NAME, DECAY, EPSILON, FIRST, LR, N_HYPER, SECOND
from fastnn.optimizers import BY_SHORT_NAME, as_optimizer
from fastnn.schedules import Cosine, Exponential, InverseScaling, OneCycle, Step

# ---- optimisers


@pytest.mark.parametrize(("optimizer", "rule", "columns"), [
    (SGD(), "sgd", {LR: 0.01}),
    (SGD(0.1, 0.9), "momentum", {LR: 0.1, FIRST: 0.9}),
    (SGD(0.1, 0.8, True, 0.2), "nesterov", {LR: 0.1, FIRST: 0.8, DECAY: 0.2}),
    (Adam(), "adam", {LR: 0.001, FIRST: 0.9, SECOND: 0.999, EPSILON: 1e-8}),
    (Adam(0.1, 0.5, 0.6, 0.7), "adam", {LR: 0.1, FIRST: 0.5, SECOND: 0.6, EPSILON: 0.7}),
    (AdamW(), "adamw", {LR: 0.001, FIRST: 0.9, SECOND: 0.999, EPSILON: 1e-8, DECAY: 0.01}),
    (RMSprop(), "rmsprop", {LR: 0.001, FIRST: 0.9, EPSILON: 1e-8}),
    (RMSprop(0.1, 0.5, 0.6, 0.7), "rmsprop", {LR: 0.1, FIRST: 0.5, EPSILON: 0.6, DECAY: 0.7}),
])  # fmt: skip
def test_hyper(optimizer, rule, columns):
    assert optimizer.rule == rule
    expected = [columns.get(column, 0.0) for column in range(N_HYPER)]
    assert optimizer.hyper(5, 2).tolist() == [expected] * 2


def test_every_rule_has_an_optimiser():
    assert {as_optimizer(name).rule for name in BY_SHORT_NAME} == set(BY_NAME)
    assert [as_optimizer(name).rule for name in BY_NAME] == list(BY_NAME)


def test_optimisers_are_immutable_values():
    optimizer = Adam(Cosine(0.1))
    with pytest.raises(dataclasses.FrozenInstanceError):
        optimizer.learning_rate = 1.0
    assert optimizer == Adam(Cosine(0.1)) == pickle.loads(pickle.dumps(optimizer)) == copy.deepcopy(optimizer)
    assert optimizer != Adam(Cosine(0.2))
    assert len({optimizer, Adam(Cosine(0.1))}) == 1
    assert as_optimizer(optimizer) is optimizer


@pytest.mark.parametrize("name", BY_SHORT_NAME)
def test_describe_has_settings_and_formula(name):
    optimizer = as_optimizer(name)
    assert BY_NAME[optimizer.rule].formula in optimizer.describe()
    assert f"learning_rate={optimizer.learning_rate}" in optimizer.describe()
    state = OptimizerState(optimizer, 3, np.dtype(np.float32))
    assert state.slots.shape == (BY_NAME[optimizer.rule].slots, 3)
    assert state.slots.dtype == np.float32
    assert "after 0 steps" in repr(state)


@pytest.mark.parametrize(("make", "words"), [
    (lambda: SGD(-1), "learning_rate"), (lambda: SGD(momentum=1.0), r"momentum must be .*\[0, 1\), got 1.0"),
    (lambda: SGD(momentum=-0.1), "momentum"), (lambda: SGD(weight_decay=-1), "weight_decay"),
    (lambda: SGD(nesterov=True), "nesterov=True needs momentum > 0"),
    (lambda: Adam(beta_1=1), "beta_1"), (lambda: Adam(beta_2=1.0), "beta_2"), (lambda: Adam(epsilon=0), "epsilon"),
    (lambda: Adam(beta_1=math.nan), "beta_1"), (lambda: AdamW(weight_decay=-0.1), "weight_decay"),
    (lambda: AdamW(beta_2=-0.1), "beta_2"), (lambda: RMSprop(rho=1), "rho"), (lambda: RMSprop(epsilon=-1), "epsilon"),
    (lambda: RMSprop(weight_decay=math.inf), "weight_decay"),
    (lambda: Step(0.0, 1), "initial"), (lambda: Step(0.1, 0), "every"), (lambda: Step(0.1, 1, 1.5), "factor"),
    (lambda: Exponential(0.1, 0), "factor"), (lambda: Exponential(-0.1), "initial"),
    (lambda: Cosine(0.1, -1), "final"), (lambda: Cosine(0.1, length=0), "length"), (lambda: Cosine(0), "initial"),
    (lambda: OneCycle(0), "peak"), (lambda: OneCycle(1, 1), "rise"), (lambda: OneCycle(1, 0), "rise"),
    (lambda: OneCycle(1, 0.5, 0.5), "start_factor"), (lambda: OneCycle(1, 0.5, 1, 0), "end_factor"),
    (lambda: OneCycle(1, length=-1), "length"), (lambda: InverseScaling(0), "initial"),
    (lambda: InverseScaling(1, -1), "power"), (lambda: Step(1, 1, unit="epochs"), "Did you mean 'epoch'"),
])  # fmt: skip
def test_ranges(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("make", [lambda: SGD(None), lambda: Adam([0.1]), lambda: Step("a", 1), lambda: Cosine(True)])
def test_what_is_no_number(make):
    with pytest.raises(TypeError, match="must be a number"):
        make()


@pytest.mark.parametrize("make", [
    lambda: SGD(0), lambda: SGD(np.float32(0.1)), lambda: SGD(np.int64(1)), lambda: Adam(beta_1=0, beta_2=0),
])  # fmt: skip
def test_ends_of_the_ranges(make):
    X, t = np.array([[1.0], [2.0]]), np.array([1.0, 0.0])
    net = Network([1, 1], output="identity", init="zeros", dtype="float64")
    history = net.fit(X, t, epochs=1, batch_size=None, optimizer=make())
    assert history.loss == [pytest.approx(0.25)]


def test_nesterov_is_true_or_false():
    with pytest.raises(TypeError, match="nesterov must be True or False, got 'yes'"):
        SGD(momentum=0.9, nesterov="yes")


# ---- schedules


def rates(schedule, steps, per=None, total=None):
    return schedule.rates(np.asarray(steps), per, total).tolist()


def test_formulas_by_hand():
    assert rates(Step(1.0, every=2, factor=0.5), range(6)) == [1, 1, 0.5, 0.5, 0.25, 0.25]
    assert rates(Step(1.0, every=2.5, factor=0.1), [2, 3, 5]) == pytest.approx([1, 0.1, 0.01])
    assert rates(Exponential(2.0, 0.5), range(4)) == [2, 1, 0.5, 0.25]
    assert rates(InverseScaling(3.0), [0, 3, 8]) == [3, 1.5, 1]
    assert rates(InverseScaling(3.0, power=1), [0, 2]) == [3, 1]
    assert rates(InverseScaling(3.0, power=0), [0, 2]) == [3, 3]
    assert rates(Cosine(1.0, length=4), range(6)) == pytest.approx([1, 0.5 + 0.5**1.5, 0.5, 0.5 - 0.5**1.5, 0, 0])
    assert rates(Cosine(3.0, final=1.0, length=2), range(4)) == pytest.approx([3, 2, 1, 1])


def test_one_cycle_by_hand():
    cycle = OneCycle(10.0, rise=0.25, start_factor=10, end_factor=100, length=8)
    assert rates(cycle, [0, 1, 2, 5, 8, 99]) == pytest.approx([1, 5.5, 10, 5.05, 0.1, 0.1])


def test_a_length_of_none_is_the_whole_fit():
    assert rates(Cosine(1.0), [0, 50, 100], 10, 100) == pytest.approx([1, 0.5, 0])
    found = rates(OneCycle(1.0, rise=0.5), [0, 50, 100], 10, 100)
    assert found == pytest.approx([1 / 25, 1, 1 / 250000])
    assert rates(Cosine(1.0, unit="epoch"), [0, 50, 100], 10, 100) == pytest.approx([1, 0.5, 0])


def test_units():
    assert rates(Step(1.0, every=2, factor=0.5, unit="epoch"), [0, 13, 14, 27, 28], 7) == [1, 1, 0.5, 0.5, 0.25]
    assert rates(Exponential(1.0, 0.25, unit="epoch"), [0, 1, 2], 2) == [1, 0.5, 0.25]  # a fraction counts too
    assert rates(Cosine(1.0, length=2, unit="epoch"), [0, 5, 10], 5) == pytest.approx([1, 0.5, 0])
    assert rates(Step(1.0, every=2, factor=0.5, unit="step"), [0, 2], 7) == [1, 0.5]


@pytest.mark.parametrize("make", [
    lambda **k: Step(0.1, 3, **k), lambda **k: Exponential(0.1, **k), lambda **k: Cosine(0.1, length=10, **k),
    lambda **k: OneCycle(0.1, length=10, **k), lambda **k: InverseScaling(0.1, **k),
], ids=["Step", "Exponential", "Cosine", "OneCycle", "InverseScaling"])  # fmt: skip
def test_every_schedule_online_and_finite(make):
    found = rates(make(), range(10_000))
    assert np.isfinite(found).all()
    assert min(found) >= 0
    assert max(found) == pytest.approx(0.1)
    trainer = Network([1, 1], output="identity", seed=0).trainer(SGD(make()))
    assert trainer.step([[1.0]], [2.0]) >= 0
    assert make() == pickle.loads(pickle.dumps(make()))
    assert rates(make(unit="epoch"), [0, 7], 7)[1] == rates(make(), [1])[0]
    with pytest.raises(ValueError, match="needs epochs"):
        make(unit="epoch").rates(np.arange(3), None, None)


def test_every_schedule_is_tested():
    known = {name for name in schedules.__all__ if name != "Schedule"}
    assert known == {"Step", "Exponential", "Cosine", "OneCycle", "InverseScaling"}
    assert set(schedules.__all__) >= {type(s).__name__ for s in (Step(1, 1), Cosine(1), OneCycle(1))}


@pytest.mark.parametrize("schedule", [Cosine(0.1), OneCycle(0.1)])
def test_spans_need_an_end(schedule):
    with pytest.raises(ValueError, match="online steps have no end. Give length="):
        schedule.rates(np.arange(3), 5, None)


def test_resuming_a_span_counts_on():
    """The second fit's end is its own; the steps done before count."""
    seen = []

    class Recording(schedules.Schedule):
        def _rate(self, t, end):
            seen.append((t.tolist(), end))
            return np.full(len(t), 0.1)

    net = Network([1, 1], output="identity", seed=0)
    X, t = np.ones((4, 1)), np.ones(4)
    optimizer = SGD(Recording())
    net.fit(X, t, epochs=2, batch_size=2, optimizer=optimizer)
    net.fit(X, t, epochs=1, batch_size=2, optimizer=optimizer, resume=True)
    epochs = [call for call in seen if len(call[0]) == 2]
    assert epochs == [([0, 1], 4), ([2, 3], 4), ([4, 5], 6)]


def test_names_are_at_the_top():
    for cls in (SGD, Adam, AdamW, RMSprop, OptimizerState):
        assert getattr(fastnn, cls.__name__) is cls
    assert fastnn.schedules is schedules
