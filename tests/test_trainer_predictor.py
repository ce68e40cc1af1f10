"""Trainer: a step is a batch of fit.  Predictor: a frozen, thread-safe snapshot."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import threading

import numpy as np
import pytest
from kernels_common import assert_close, same_bits, unmodified
from network_common import PAIRS, blobs, problem, tolerance

import fastnn
from fastnn import SGD, Adam, DivergenceError, Network
from fastnn.kernels import numpy_kernels
from fastnn.optimizers import BY_SHORT_NAME

# ---- Trainer


@pytest.mark.parametrize("optimizer", BY_SHORT_NAME)
def test_a_step_is_fit_with_one_batch(backend, dtype, optimizer):
    net, X, T = problem("identity", "huber", dtype=dtype, m=20)
    plain = net.copy()
    weights = np.linspace(0, 2, 20)
    trainer = net.trainer(optimizer, l2=0.1, clip_norm=0.5, backend=backend.name)
    for epochs in range(1, 5):
        loss = trainer.step(X, T, weights)
        history = plain.fit(X, T, epochs=1, batch_size=None, shuffle=False, optimizer=optimizer, l2=0.1, clip_norm=0.5,
                            sample_weight=weights, backend=backend.name, resume=epochs > 1)  # fmt: skip
        assert loss == pytest.approx(history.loss[0], rel=1e-6)
        assert trainer.optimizer.steps == epochs
    assert same_bits(net.theta, plain.theta)
    assert not np.array_equal(net.theta, problem("identity", "huber", dtype=dtype, m=20)[0].theta)


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_the_loss_is_what_was_differentiated(output, loss):
    net, X, T = problem(output, loss)
    expected, _ = net.loss_grad(X, T, l2=0.3)
    assert net.trainer("sgd", l2=0.3).step(X, T) == pytest.approx(expected, rel=1e-12)


def test_steps_of_any_number_of_rows():
    X, y = blobs()
    net, plain = (Network([5, 4, 3], output="softmax", dtype="float64", seed=0) for _ in range(2))
    trainer = net.trainer(SGD(0.1))
    for start, stop in ((0, 1), (1, 64), (64, 70), (70, 200), (0, 1)):
        trainer.step(X[start:stop], y[start:stop])
        plain.theta = plain.theta - 0.1 * plain.loss_grad(X[start:stop], y[start:stop])[1]
    assert_close(net.theta, plain.theta, 1e-12)


def test_dropout_in_a_trainer_is_that_of_fit():
    X, y = blobs()
    net, plain = (Network([5, 8, 3], output="softmax", seed=0) for _ in range(2))
    trainer = net.trainer("sgd", dropout=0.5)
    trainer.step(X, y)
    plain.fit(X, y, epochs=1, batch_size=None, shuffle=False, optimizer="sgd", dropout=0.5)
    assert same_bits(net.theta, plain.theta)
    without = Network([5, 8, 3], output="softmax", seed=0)
    without.trainer("sgd").step(X, y)
    assert not np.array_equal(without.theta, net.theta)


@pytest.mark.parametrize("optimizer", BY_SHORT_NAME)
def test_apply_gradient_is_the_update_alone(backend, dtype, optimizer):
    net, X, T = problem("identity", "squared_error", dtype=dtype)
    plain = net.copy()
    trainer, own = net.trainer(optimizer, backend=backend.name), plain.trainer(optimizer, backend=backend.name)
    for _ in range(3):
        _, gradient = plain.loss_grad(X, T)
        with unmodified(gradient):
            own.apply_gradient(gradient)
        trainer.step(X, T)
    assert own.optimizer.steps == 3
    assert_close(plain.theta, net.theta, tolerance(dtype).steps)
    own.apply_gradient(np.zeros(net.n_parameters, int))
    assert own.optimizer.steps == 4


def test_apply_gradient_of_theta_itself():
    net, _, _ = problem("identity", "squared_error")
    start = net.theta.copy()
    net.trainer(SGD(0.25)).apply_gradient(net.theta)
    assert_close(net.theta, 0.75 * start, 1e-15)


@pytest.mark.parametrize("how", [lambda t: pickle.loads(pickle.dumps(t)), copy.deepcopy], ids=["pickle", "deepcopy"])
@pytest.mark.parametrize("optimizer", [*BY_SHORT_NAME, Adam(fastnn.schedules.Step(0.01, every=3))], ids=str)
def test_copies_go_on_identically(how, optimizer):
    X, y = blobs()
    net = Network([5, 4, 3], output="softmax", seed=0)
    trainer = net.trainer(optimizer, l2=0.1, clip_norm=1.0, dropout=0.2)
    trainer.step(X, y)
    made = how(trainer)
    assert made.network is not net
    assert not np.shares_memory(made.network.theta, net.theta)
    with unmodified(net.theta):
        second = [made.step(X, y) for _ in range(4)]
    first = [trainer.step(X, y) for _ in range(4)]
    assert first == second
    assert same_bits(made.network.theta, net.theta)
    assert made.optimizer.steps == trainer.optimizer.steps == 5
    assert repr(made) == repr(trainer)
    assert "after 5 steps" in repr(trainer)


def test_the_rule_of_a_live_state_stays():
    X, y = blobs()
    net = Network([5, 3], output="softmax", seed=0)
    trainer = net.trainer("sgd")
    trainer.optimizer.optimizer = SGD(0.5)
    assert trainer.optimizer.optimizer == SGD(0.5)
    for other in (Adam(), SGD(momentum=0.9), "adam"):
        with pytest.raises(ValueError, match="cannot become .*the same kind of optimizer"):
            trainer.optimizer.optimizer = other
    with pytest.raises(TypeError, match="optimizer must be"):
        trainer.optimizer.optimizer = 0.5
    with pytest.raises(AttributeError, match="slots"):
        trainer.optimizer.slots = np.zeros((2, 1), "f4")
    start = net.theta.copy()
    _, gradient = net.loss_grad(X, y)
    trainer.step(X, y)
    assert_close(net.theta, start - np.float32(0.5) * gradient, 1e-6)

    def change(state):
        state.optimizer.optimizer = Adam()

    with pytest.raises(ValueError, match="cannot become that of Adam"):
        net.fit(X, y, optimizer="sgd", callbacks=[change])


def test_threads_may_share_a_trainer(backend):
    X, y = blobs()
    net = Network([5, 16, 3], output="softmax", seed=0)
    trainer = net.trainer("adam", backend=backend.name)
    failed = []

    def train(k):
        try:
            for i in range(60):
                rows = 1 + (7 * i + 53 * k) % 200
                trainer.step(X[:rows], y[:rows])
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=train, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert trainer.optimizer.steps == 240
    assert np.isfinite(net.theta).all()


def test_what_a_trainer_trains_stays():
    net = Network([5, 3], output="softmax", seed=0)
    trainer = net.trainer("sgd")
    with pytest.raises(AttributeError, match="network"):
        trainer.network = Network([50, 3], output="softmax", seed=0)
    with pytest.raises(AttributeError, match="optimizer"):
        trainer.optimizer = Network([50, 3], output="softmax", seed=0).trainer("adam").optimizer


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_parameters_that_overflow_are_told(backend):
    X, y = blobs()
    net = Network([5, 3], output="softmax", seed=0)
    trainer = net.trainer(SGD(0.9), backend=backend.name)
    gradient = np.full(net.n_parameters, 3e38)
    trainer.apply_gradient(gradient)
    with pytest.raises(DivergenceError, match=r"step 2: a parameter is no longer finite, .* not undone.*net.theta"):
        trainer.apply_gradient(gradient)
    with pytest.raises(DivergenceError, match="parameters were not finite before.*net.theta = "):
        trainer.step(X, y)
    net = Network([5, 3], output="softmax", seed=0)
    trainer = net.trainer(SGD(3e38), backend=backend.name)
    with pytest.raises(DivergenceError, match="step 1: a parameter is no longer finite"):
        trainer.step(100 * X, y)


def test_a_bad_step_changes_nothing():
    X, y = blobs()
    net = Network([5, 3], output="softmax", seed=0)
    trainer = net.trainer("adam")
    trainer.step(X, y)
    with unmodified(net.theta, trainer.optimizer.slots):
        for bad in (X[:, :4], X * np.inf):
            with pytest.raises(ValueError, match="X"):
                trainer.step(bad, y)
        with pytest.raises(ValueError, match="y has 9"):
            trainer.step(X, y[:9])
        with pytest.raises(DivergenceError, match="step 2: the loss is (inf|nan); the network is unchanged"):
            trainer.step(np.full((1, 5), [3e38, 3e38, -3e38, -3e38, 3e38]), [0])
    assert trainer.optimizer.steps == 1
    trainer.step(X, y)
    assert trainer.optimizer.steps == 2


def test_a_trainer_sets_how_classify_answers():
    X, y = blobs()
    net = Network([5, 3], output="sigmoid", seed=0)
    trainer = net.trainer()
    trainer.step(X, np.eye(3)[y])
    assert net.classify(X).shape == (200, 3)
    trainer.step(X, np.full((200, 3), 0.5))  # soft rows are a matrix too
    assert net.classify(X).shape == (200, 3)
    trainer.step(X, y)
    assert net.classify(X).shape == (200,)


def test_two_trainers_of_one_network():
    X, y = blobs()
    net = Network([5, 3], output="softmax", seed=0)
    first, second = net.trainer("sgd"), net.trainer("sgd")
    start = net.theta.copy()
    losses = [trainer.step(X, y) for trainer in (first, second, first)]
    assert losses == sorted(losses, reverse=True)
    assert (first.optimizer.steps, second.optimizer.steps) == (2, 1)
    assert first.network is second.network is net
    assert not np.array_equal(net.theta, start)


def test_a_trainers_signature_is_the_designs():
    net, X, T = problem("identity", "squared_error")
    other = net.copy()
    net.trainer("sgd", 0.1, 0.5).step(X, T)
    other.trainer(optimizer="sgd", l2=0.1, clip_norm=0.5).step(X, T)
    assert same_bits(net.theta, other.theta)


# ---- Predictor


@pytest.mark.parametrize("output", dict.fromkeys(output for output, _ in PAIRS))
def test_a_predictor_is_predict(backend, dtype, output):
    loss = next(loss for name, loss in PAIRS if name == output)
    net, X, _ = problem(output, loss, "gelu", dtype, m=50, input_scale=0.5)
    X = X.astype(dtype)
    f = net.predictor(backend=backend.name)
    expected = net.predict(X, backend=backend.name)
    with unmodified(X, net.theta):
        assert_close(f(X), expected, tolerance(dtype).one_pass)
        for i in (0, 7, 49):
            row = f(X[i])
            assert row.shape == (3,)
            assert row.dtype == dtype
            assert_close(row, expected[i], tolerance(dtype).one_pass)
        assert_close(f(X[::-3]), expected[::-3], tolerance(dtype).one_pass)
    assert f(X[:0]).shape == (0, 3)


def test_every_form_of_a_row():
    net, X, _ = problem("softmax", "categorical_cross_entropy", m=3)
    f = net.predictor()
    expected = f(X[1])
    sparse = pytest.importorskip("scipy.sparse").csr_array(X)
    pandas = pytest.importorskip("pandas")
    for x in (X[1].tolist(), tuple(X[1]), X[1].astype(">f8"), np.repeat(X[1], 2)[::2], pandas.Series(X[1]),
              X.T.copy().T[1]):  # fmt: skip
        assert same_bits(f(x), expected)
    for rows in (X.tolist(), np.asfortranarray(X), pandas.DataFrame(X), sparse):
        assert_close(f(rows), f(X), 1e-14)
    assert f([1, 0, 0, 1]).shape == (3,)


def test_out_of_a_predictor(backend, dtype):
    net, X, _ = problem("identity", "squared_error", dtype=dtype, sizes=(4, 4))
    X = X.astype(dtype)
    f = net.predictor(backend=backend.name)
    expected = f(X)
    out = np.full((7, 4), np.nan, dtype)
    assert f(X, out=out) is out
    assert same_bits(out, expected)
    one = np.full(8, np.nan, dtype)[::2]
    assert f(X[2], one) is one
    assert_close(one, expected[2], tolerance(dtype).one_pass)
    x = X[3].copy()
    f(x, out=x)
    assert_close(x, expected[3], tolerance(dtype).one_pass)
    room = X.copy()
    f(room, out=room)
    assert_close(room, expected, tolerance(dtype).one_pass)


@pytest.mark.parametrize(("x", "out", "words"), [
    (np.zeros(4), np.zeros(3), "float32"), (np.zeros(4), np.zeros((1, 3), "f4"), r"shape \(3,\)"),
    (np.zeros((2, 4)), np.zeros(3, "f4"), r"shape \(2, 3\)"), (np.zeros(3), None, "x has 3 columns"),
    (np.zeros((4, 2)), None, "x has 2 columns.*x.T would fit"), (np.zeros((1, 1, 4)), None, "1-D or 2-D"),
    (0.0, None, "1-D or 2-D"),
])  # fmt: skip
def test_what_a_predictor_refuses(x, out, words):
    f = Network([4, 3], output="softmax", seed=0).predictor()
    with unmodified(np.asarray(x)), pytest.raises(ValueError, match=words):
        f(x, out)


def test_nan_in_gives_nan_out(backend, dtype):
    net, X, _ = problem("sigmoid", "binary_cross_entropy", dtype=dtype)
    f = net.predictor(backend=backend.name)
    X[2, 1] = np.nan
    found = f(X)
    assert np.isnan(found[2]).all()
    assert np.isfinite(np.delete(found, 2, axis=0)).all()
    assert np.isnan(f(X[2])).all()


def test_a_snapshot_stays_until_updated():
    X, y = blobs()
    net = Network([5, 4, 3], output="softmax", seed=0)
    f = net.predictor()
    before = f(X)
    net.fit(X, y, epochs=1)
    assert same_bits(f(X), before)
    f.update(net)
    assert not np.array_equal(f(X), before)
    assert_close(f(X), net.predict(X), 1e-6)
    f.update(Network([5, 4, 3], output="sigmoid", activation="tanh", bias=False, seed=0))  # same sizes, another network
    assert_close(f(X), Network([5, 4, 3], output="sigmoid", activation="tanh", bias=False, seed=0).predict(X), 1e-6)
    assert "sizes=[5, 4, 3]" in repr(f)


@pytest.mark.parametrize("other", [
    Network([5, 3, 3], output="softmax", seed=0), Network([5, 4, 3], output="softmax", dtype="float64", seed=0),
])  # fmt: skip
def test_a_refused_update_keeps_the_snapshot(other):
    X, _ = blobs()
    f = Network([5, 4, 3], output="softmax", seed=0).predictor()
    before = f(X)
    with pytest.raises(ValueError, match="Make a new one"):
        f.update(other)
    assert same_bits(f(X), before)


@pytest.mark.parametrize("how", [lambda f: pickle.loads(pickle.dumps(f)), copy.deepcopy, copy.copy],
                         ids=["pickle", "deepcopy", "copy"])  # fmt: skip
def test_copies_of_a_predictor(how, backend):
    X, _ = blobs()
    net = Network([5, 4, 3], output="softmax", seed=0)
    f = net.predictor(backend=backend.name, num_threads=1)
    made = how(f)
    assert same_bits(made(X), f(X))
    net.theta[...] = 0
    f.update(net)
    assert not np.array_equal(made(X), f(X))


def test_a_predictor_unpickles_onto_another_backend(monkeypatch):
    X, _ = blobs()
    f = Network([5, 4, 3], output="softmax", seed=0).predictor()
    data = pickle.dumps(f)
    with fastnn.use_backend("numpy"):
        made = pickle.loads(data)
    assert made._kernels.name == "numpy"
    assert_close(made(X), f(X), 1e-5)


@pytest.fixture
def packs(monkeypatch):
    """Put in NumPy's place a backend that wants theta backwards behind three NaN; return the thetas that it packed."""
    plain, load, packed_thetas = numpy_kernels.KERNELS, fastnn.backends._load, []

    def packed_size(plan):
        return 3 + sum(W.size + b.size for W, b in numpy_kernels.views(plan, np.zeros(1000)))

    def pack(plan, theta, packed):
        packed_thetas.append(theta.copy())
        packed[:3], packed[3:] = np.nan, theta[::-1]

    def predict(plan, const, packed, *others):
        assert packed.shape == (packed_size(plan),)
        return plain.predict(plan, const, packed[3:][::-1].copy(), *others)

    packing = dataclasses.replace(plain, packed_size=packed_size, pack=pack, predict=predict)
    monkeypatch.setattr(fastnn.backends, "_load", lambda name: packing if name == "numpy" else load(name))
    return packed_thetas


def test_a_backend_that_packs_theta_for_itself(packs, monkeypatch):
    X, _ = blobs()
    net = Network([5, 4, 3], output="softmax", seed=0)
    with monkeypatch.context() as plainly:
        plainly.setattr(fastnn.backends, "_load", lambda name: numpy_kernels.KERNELS)
        expected, layers = net.predict(X), net.forward(X)
    assert not packs
    with fastnn.use_backend("numpy"):
        assert same_bits(net.predict(X), expected)
        assert len(packs) == 1
        assert all(same_bits(one, other) for one, other in zip(net.forward(X), layers, strict=True))
        assert len(packs[1]) == 5 * 4 + 4  # the first layer alone
        f = net.predictor()
        assert len(packs) == 3
        for _ in range(2):  # a predictor packs once, and not per call
            assert same_bits(f(X), expected)
        assert len(packs) == 3
        made = pickle.loads(pickle.dumps(f))
        assert same_bits(made(X), expected)
        assert len(packs) == 4
    net.theta *= 2
    f.update(net)
    assert same_bits(packs[-1], net.theta)
    assert same_bits(f(X), net.predict(X, backend="numpy"))
    assert not np.array_equal(f(X), expected)


def test_updates_while_others_call(backend):
    """A call under way sees one network or the other, never half of each."""
    nets = [Network([5, 64, 3], output="identity", seed=0, init={"constant": c}) for c in (0.0, 1.0)]
    X = np.ones((30, 5), np.float32)
    f = nets[0].predictor(backend=backend.name)
    expected = {float(net.predict(X)[0, 0]) for net in nets}
    wrong, calls, stop = [], [], threading.Event()

    def ask():
        while not stop.is_set():
            found = set(np.unique(f(X)).tolist())
            calls.append(1)
            if len(found) != 1 or not found <= expected:
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
    assert len(calls) >= 3
    assert expected == {0.0, 320.0}
