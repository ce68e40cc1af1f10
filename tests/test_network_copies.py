"""Copies of a network by every way there is, and soft_update."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from kernels_common import assert_close, same_bits, unmodified
from network_common import blobs

from fastnn import Network


def joblib_copy(net, tmp_path):
    joblib = pytest.importorskip("joblib")
    joblib.dump(net, tmp_path / "net.joblib")
    return joblib.load(tmp_path / "net.joblib")


COPIES = {
    "copy": lambda net, _: net.copy(),
    "copy.copy": lambda net, _: copy.copy(net),
    "deepcopy": lambda net, _: copy.deepcopy(net),
    "pickle": lambda net, _: pickle.loads(pickle.dumps(net)),
    "joblib": joblib_copy,
}


@pytest.mark.parametrize("how", COPIES)
def test_copies_are_whole_and_independent(how, tmp_path):
    X, y = blobs()
    net = Network([5, 4, 3], output="softmax", seed=0, input_scale=0.5)
    net.fit(X, y, epochs=1)
    made = COPIES[how](net, tmp_path)
    assert type(made) is Network
    assert made.config() == net.config()
    assert same_bits(made.theta, net.theta)
    assert made.rng.bit_generator.state == net.rng.bit_generator.state
    assert made.history == net.history
    assert all(np.shares_memory(a, made.theta) for a in (*made.weights, *made.biases))
    with unmodified(net.theta):
        made.fit(X, y, epochs=2, resume=True)
    assert net.history.epochs == 1
    net.fit(X, y, epochs=2, resume=True)
    assert same_bits(made.theta, net.theta)  # optimiser and generator went along


@pytest.mark.parametrize("how", COPIES)
def test_copies_of_what_diverged(how, tmp_path):
    net = Network([2, 1], output="identity", seed=0)
    net.weights[0][0] = np.nan
    assert same_bits(COPIES[how](net, tmp_path).theta, net.theta)


def test_subclasses_copy_as_themselves():
    class Mine(Network):
        pass

    assert type(Mine([2, 1], output="identity", seed=0).copy()) is Mine


class Digits(Network):
    """A network with a constructor and attributes of its own."""

    def __init__(self, hidden):
        super().__init__([5, hidden, 3], output="softmax", seed=0)
        self.names = ["a", "b", "c"]
        self.itself = self


@pytest.mark.parametrize("how", COPIES)
def test_a_subclass_keeps_what_is_its_own(how, tmp_path):
    net = Digits(4)
    net.rng.random()
    made = COPIES[how](net, tmp_path)
    assert type(made) is Digits
    assert same_bits(made.theta, net.theta)
    assert made.names == net.names
    assert made.names is not net.names
    assert made.itself is made
    assert made.rng is not net.rng
    assert made.rng.random() == net.rng.random()


def test_a_state_that_joblib_maps_is_copied(tmp_path):
    joblib = pytest.importorskip("joblib")
    X, y = blobs()
    net = Network([5, 40, 3], output="softmax", seed=0)
    trainer = net.trainer("adam")
    trainer.step(X, y)
    net.fit(X, y, epochs=1)
    joblib.dump((trainer, net), tmp_path / "kept")
    made, copied = joblib.load(tmp_path / "kept", mmap_mode="r")
    for state in (made.optimizer, copied._optimizer_state):
        assert state.slots.flags.writeable
        assert not isinstance(state.slots.base, np.memmap)
        assert state.slots.ctypes.data % 64 == 0
    assert made.step(X, y) == trainer.step(X, y)
    copied.fit(X, y, epochs=1, resume=True)


def test_what_the_kernels_rely_on_cannot_be_changed(backend):
    X, y = blobs()
    first = Network([5, 4, 3], output="softmax", seed=0)
    for net in (first, first.copy()):
        others = {
            "sizes": (5, 9, 3), "activations": ("tanh",), "output": "sigmoid", "loss": "huber", "loss_parameter": 2.0,
            "bias": False, "input_scale": 2.0, "dtype": np.dtype("f8"), "plan": net.plan.copy(),
        }  # fmt: skip
        for name, value in others.items():
            with pytest.raises(AttributeError, match=f"^{name} of a network cannot be changed. Build another"):
                setattr(net, name, value)
        with pytest.raises(ValueError, match="read-only"):
            net.plan[1, 1] = 10**6
        net.fit(X, y, epochs=1, backend=backend.name)  # kernels take a plan that is read-only
        net.predict(X, backend=backend.name)
        net.mine, net.seed = 1, 2


# ---- soft_update


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_soft_update(dtype):
    net, other = (Network([3, 2], output="identity", seed=s, dtype=d) for s, d in ((0, dtype), (1, "float64")))
    start = net.theta.copy()
    with unmodified(other.theta):
        net.soft_update(other, 0.25)
    assert_close(net.theta, 0.75 * start + 0.25 * other.theta, 1e-6)
    net.soft_update(other, 0)
    assert_close(net.theta, 0.75 * start + 0.25 * other.theta, 1e-6)
    net.soft_update(other, 1)
    assert same_bits(net.theta, other.theta.astype(dtype))


def test_soft_update_with_itself_changes_nothing():
    net = Network([3, 2], output="identity", seed=0, dtype="float64")
    start = net.theta.copy()
    net.soft_update(net, 0.5)
    assert_close(net.theta, start, 1e-15)


@pytest.mark.parametrize(("other", "tau", "error", "words"), [
    (Network([2, 2], output="identity", seed=0), 0.5, ValueError, "equal shapes"),
    (Network([3, 2], output="identity", bias=False, seed=0), 0.5, ValueError, "bias=False"),
    (Network([3, 2], output="identity", seed=0), 1.5, ValueError, "tau"),
    (Network([3, 2], output="identity", seed=0), float("nan"), ValueError, "tau"),
    (np.zeros(8), 0.5, TypeError, "network"),
])  # fmt: skip
def test_soft_update_refuses(other, tau, error, words):
    net = Network([3, 2], output="identity", seed=1)
    with unmodified(net.theta), pytest.raises(error, match=words):
        net.soft_update(other, tau)
