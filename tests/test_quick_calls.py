"""A predictor's and a trainer's quick doors from Python: the answers of the general way, and nothing left behind."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import threading
import tracemalloc

import numpy as np
import pytest
from kernels_common import assert_close, same_bits, unmodified
from network_common import PAIRS, blobs, problem, tolerance

import fastnn
from fastnn import SGD, Adam, Network, Predictor


@pytest.fixture
def slow():
    """Turn a trainer into one that always takes the general way."""

    def without(trainer):
        trainer._stepper = None
        return trainer

    return without


# ---- Predictor


def test_a_call_is_the_general_call(backend, dtype):
    for output, loss in PAIRS:
        net, X, _ = problem(output, loss, "silu", dtype, sizes=(4, 40, 3), input_scale=0.5)
        f = net.predictor(backend=backend.name)
        for x in (X.astype(dtype), X.astype("f4"), (3 * X).clip(0, 5).astype("u1"), X[::-2], np.asfortranarray(X)):
            assert_close(f(x), f.general(x), tolerance(dtype).one_pass)
            assert_close(f(x[1]), f.general(x[1]), tolerance(dtype).one_pass)


@pytest.mark.parametrize("units", [16, 30, 40, 64])
def test_every_call_has_the_same_bits(backend, dtype, units):
    """Every other call may read the weights in another order."""
    net = Network([784, units, 10], output="softmax", dtype=dtype, seed=1)
    f, X = net.predictor(backend=backend.name), np.random.default_rng(2).random((3, 784)).astype(dtype)
    first = f(X[0])
    for _ in range(4):
        assert same_bits(f(X[0]), first)
    assert_close(first, f(X)[0], tolerance(dtype).one_pass)


def test_it_is_a_predictor_all_the_same(backend):
    net = Network([4, 3], output="softmax", seed=0)

    class Mine(Predictor):
        """One of the caller's."""

        extra = 1

    for f in (net.predictor(backend=backend.name), Mine(net, backend=backend.name)):
        made = pickle.loads(pickle.dumps(f)) if type(f).__name__ == "Predictor" else copy.copy(f)
        assert isinstance(made, Predictor)
        assert type(made) is type(f)
        assert type(f).__doc__
        assert same_bits(made(np.ones(4, "f4")), f(np.ones(4, "f4")))
    assert f.extra == made.extra == 1


def test_an_out_that_is_the_input(dtype):
    net = Network([4, 8, 4], output="softmax", dtype=dtype, seed=0)
    f, x = net.predictor(), np.linspace(-1, 1, 8).astype(dtype)
    expected = f(x[:4].copy())
    shifted = x.copy()
    assert same_bits(f(shifted[:4], shifted[2:6]), expected)
    assert same_bits(f(x[:4], x[:4]), expected)
    assert same_bits(shifted[[0, 1, 6, 7]], np.linspace(-1, 1, 8).astype(dtype)[[0, 1, 6, 7]])


def test_read_only_input_and_output():
    f = Network([4, 3], output="softmax", seed=0).predictor()
    x, out = np.ones(4, "f4"), np.empty(3, "f4")
    x.flags.writeable = out.flags.writeable = False
    assert f(x).shape == (3,)
    with pytest.raises(ValueError, match="read-only"):
        f(x, out)


def test_eight_threads_call_one_predictor(backend, dtype):
    net, X, _ = problem("softmax", "categorical_cross_entropy", dtype=dtype, sizes=(4, 300, 3), m=64)
    f, X = net.predictor(backend=backend.name), X.astype(dtype)
    rows, all_rows = [f(x) for x in X], f(X)
    wrong = []

    def call(k):
        for i in range(200):
            at = (i * 7 + k) % 64
            if not same_bits(f(X[at]), rows[at]) or (i % 20 == 0 and not same_bits(f(X), all_rows)):
                wrong.append(at)

    threads = [threading.Thread(target=call, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_updates_while_others_call_with_one_row(backend):
    """A call under way sees one network or the other, never half of each."""
    nets = [Network([5, 64, 3], output="identity", seed=0, init={"constant": c}) for c in (0.0, 1.0)]
    x = np.ones(5, np.float32)
    f = nets[0].predictor(backend=backend.name)
    wrong, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            found = set(f(x).tolist())
            if found not in ({0.0}, {320.0}):
                wrong.append(found)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for i in range(300):
        f.update(nets[i % 2])
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong


def test_calls_leave_nothing_behind():
    net = Network([8, 64, 4], output="softmax", seed=0)
    f, trainer = net.predictor(), net.trainer()
    x, X, out, y = np.ones(8, "f4"), np.ones((3, 8)), np.empty(4, "f4"), np.zeros(3, np.int64)

    def calls(n):
        for _ in range(n):
            f(x), f(x, out), f(X), f(x.tolist()), f(X[:0]), trainer.step(X, y)
            f.update(net)

    calls(20)
    gc.collect()
    counts = [sys.getrefcount(thing) for thing in (x, X, out, y, f, net.theta)]
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    calls(300)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert [sys.getrefcount(thing) for thing in (x, X, out, y, f, net.theta)] == counts
    assert grown < 20_000


# ---- Trainer


@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("outputs", [1, 3])
def test_a_quick_step_is_a_general_step(output, loss, outputs, dtype, slow):
    if output == "softmax" and outputs == 1:
        pytest.skip("softmax has two outputs or more")
    options = {"l2": 0.1, "clip_norm": 0.5, "dropout": 0.3}
    net, X, T = problem(output, loss, "elu", dtype, sizes=(4, 9, outputs), m=6)
    other = net.copy()
    quick, general = net.trainer(Adam(0.01), **options), slow(other.trainer(Adam(0.01), **options))
    if output == "softmax":
        T = T.argmax(axis=1)
    for rows in (6, 1, 1, 3):
        for x in (X[:rows], X[:rows].astype("f4"), np.abs(X[:rows] * 9).astype("u1")):
            with unmodified(X, T):
                assert quick.step(x, T[:rows]) == pytest.approx(general.step(x, T[:rows]), rel=1e-5)
    assert_close(net.theta, other.theta, tolerance(dtype).steps)
    assert net.multilabel is other.multilabel
    assert quick.optimizer.steps == general.optimizer.steps == 12


def test_settings_may_change_between_steps(slow):
    X, y = blobs()
    nets = [Network([5, 3], output="softmax", seed=0) for _ in range(2)]
    quick, general = nets[0].trainer(SGD(0.1)), slow(nets[1].trainer(SGD(0.1)))
    schedule = fastnn.schedules.Step(0.5, every=2)
    for settings in (SGD(0.1), SGD(0.2, weight_decay=0.1), SGD(schedule), SGD(schedule), SGD(schedule), SGD(0.1)):
        quick.optimizer.optimizer = general.optimizer.optimizer = settings
        assert quick.step(X[:4], y[:4]) == pytest.approx(general.step(X[:4], y[:4]), rel=1e-5)
    assert_close(nets[0].theta, nets[1].theta, 1e-5)


def test_steps_of_many_sizes_and_kinds_in_turn(slow):
    """A step after another number of rows, a gradient, weights or a list is what it would have been alone."""
    X, y = blobs()
    nets = [Network([5, 16, 3], output="softmax", seed=0) for _ in range(2)]
    trainers = [nets[0].trainer(l2=0.1), slow(nets[1].trainer(l2=0.1))]
    for trainer in trainers:
        for i, rows in enumerate((1, 200, 7, 1, 64)):
            trainer.step(X[:rows], y[:rows])
            trainer.step(X[:rows].tolist(), y[:rows].tolist())
            trainer.step(X[:rows], y[:rows], np.linspace(0.5, 1, rows))
            trainer.apply_gradient(np.full(nets[0].n_parameters, 0.1 * i))
    assert_close(nets[0].theta, nets[1].theta, 1e-5)


def test_only_the_compiled_backend_has_quick_doors(backend):
    net = Network([5, 3], output="softmax", seed=0)
    has = backend.name == "cython"
    assert (net.trainer(backend=backend.name)._stepper is not None) is has
    assert (type(net.predictor(backend=backend.name)) is not Predictor) is has


def test_a_read_only_theta_is_not_trained():
    net = Network([5, 3], output="softmax", seed=0)
    trainer = net.trainer()
    net.theta.flags.writeable = False
    with unmodified(net.theta), pytest.raises(ValueError, match="read-only"):
        trainer.step(np.ones((1, 5), "f4"), np.array([1]))
