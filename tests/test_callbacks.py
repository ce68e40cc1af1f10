"""What watches a fit: early stopping, time limits, checkpoints, callables, the progress bar."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from kernels_common import same_bits, unmodified
from network_common import blobs

import fastnn
from fastnn import Checkpoints, EarlyStopping, FitState, History, Network, TimeLimit


def make(**options):
    return Network([5, 4, 3], output="softmax", seed=0, **options)


def state_with(name, values, theta=(0.0,)):
    """Return a FitState after len(values) epochs that recorded the values under a name."""

    class Holder:
        pass

    network, history = Holder(), History()
    network.theta = np.array(theta)
    if hasattr(history, name):
        getattr(history, name).extend(values)
    else:
        history.metrics[name] = list(values)
    return FitState(len(values), network, history, None, validates=True)


def run(stopping, name, values):
    """Feed a series to EarlyStopping; return the epoch that it stopped at, or None."""
    stopping.begin(state_with(name, ()))
    for epoch in range(1, len(values) + 1):
        if stopping(state_with(name, values[:epoch])):
            return epoch
    return None


@pytest.mark.parametrize(("name", "values", "patience", "min_delta", "stop", "best"), [
    ("val_loss", [3, 2, 1, 2, 2], 2, 0.0, 5, 3),
    ("val_loss", [3, 2, 1, 2, 0.5], 2, 0.0, None, 5),
    ("val_loss", [3, 3, 3], 2, 0.0, 3, 1),
    ("val_loss", [3, 2.95, 2.9, 2.85], 2, 0.2, 3, 1),
    ("loss", [1, 2], 1, 0.0, 2, 1),
    ("val_accuracy", [0.5, 0.7, 0.6, 0.7], 2, 0.0, 4, 2),
    ("val_r2", [-1, 0.2, 0.3, 0.35], 2, 0.2, 4, 2),
    ("val_mse", [2, 1, 3], 1, 0.0, 3, 2),
    ("val_loss", [math.nan, 2, 1], 2, 0.0, None, 3),
    ("val_loss", [2, math.nan, math.nan], 2, 0.0, 3, 1),
])  # fmt: skip
def test_early_stopping_by_hand(name, values, patience, min_delta, stop, best):
    stopping = EarlyStopping(patience, min_delta, name)
    assert run(stopping, name, values) == stop
    assert stopping.best_epoch == best
    assert stopping.best == values[best - 1]


@pytest.mark.parametrize("restore", [True, False])
def test_restore_best(restore):
    X, y = blobs(60)
    held = (X[::-1], (y[::-1] + 1) % 3)  # what is learned makes this worse
    stopping, kept = EarlyStopping(2, restore_best=restore), Checkpoints()
    net = make()
    history = net.fit(X, y, epochs=50, validation_data=held, callbacks=[stopping, kept], optimizer=fastnn.Adam(0.05))
    assert history.stopped_by == "EarlyStopping"
    assert history.epochs == stopping.best_epoch + 2 < 50
    assert stopping.best == min(history.val_loss)
    expected = kept.thetas[stopping.best_epoch if restore else -1]
    assert same_bits(net.theta, expected)
    assert not np.array_equal(kept.thetas[stopping.best_epoch], kept.thetas[-1])


def test_restore_best_also_when_the_epochs_run_out():
    X, y = blobs(60)
    stopping, kept = EarlyStopping(40, monitor="val_accuracy"), Checkpoints()
    net = make()
    history = net.fit(X, y, epochs=8, validation_data=(X, (y + 1) % 3), callbacks=[kept, stopping])
    assert history.stopped_by is None
    assert stopping.best == max(history.metrics["val_accuracy"])
    assert same_bits(net.theta, kept.thetas[stopping.best_epoch])


def test_early_stopping_may_be_used_again():
    X, y = blobs(60)
    stopping = EarlyStopping(1, monitor="loss", min_delta=10.0)
    for _ in range(2):
        assert make().fit(X, y, epochs=9, callbacks=[stopping]).epochs == 2


def test_time_limit_ends_within_an_epoch(backend):
    rng = np.random.default_rng(0)
    rows = 2_000_000
    X, y = rng.normal(size=(rows, 5)).astype(np.float32), rng.integers(0, 3, rows)
    net = make()
    start = net.theta.copy()
    net.fit(X[:64], y[:64], epochs=1, backend=backend.name)  # compiles
    seen = []
    began = time.perf_counter()
    history = net.fit(X, y, epochs=10_000, batch_size=1, backend=backend.name,
                      callbacks=[lambda state: seen.append(state.time_left), TimeLimit(0.3)])  # fmt: skip
    seconds = time.perf_counter() - began
    assert 0.3 <= seconds < 3
    assert history.stopped_by == "TimeLimit"
    assert 0 < net._optimizer_state.steps
    assert net._optimizer_state.steps % rows != 0
    assert history.epochs == len(seen) == net._optimizer_state.steps // rows + 1
    assert seen[-1] <= 0
    assert not np.array_equal(net.theta, start)


def test_checkpoints():
    X, y = blobs(60)
    net, kept = make(), Checkpoints(every=2)
    start = net.theta.copy()
    net.fit(X, y, epochs=5, callbacks=[kept])
    assert kept.epochs == [0, 2, 4]
    assert same_bits(kept.thetas[0], start)
    again = make()
    again.fit(X, y, epochs=4, seed=None)
    assert same_bits(kept.thetas[2], again.theta)
    net.fit(X, y, epochs=1, callbacks=[kept])
    assert kept.epochs == [0]


def test_a_callable_sees_the_state_and_stops():
    X, y = blobs(60)
    seen = []

    def watch(state):
        seen.append((state.epoch, state.history.epochs, state.optimizer.steps, state.time_left))
        return state.epoch == 3

    net = make()
    history = net.fit(X, y, epochs=10, batch_size=20, callbacks=watch)
    assert seen == [(1, 1, 3, math.inf), (2, 2, 6, math.inf), (3, 3, 9, math.inf)]
    assert history.stopped_by == "watch"


def test_all_callbacks_see_the_last_epoch():
    X, y = blobs(60)
    order = []

    class Watcher:
        def __init__(self, name, stops):
            self.name, self.stops = name, stops

        def begin(self, state):
            order.append(f"{self.name} begins")

        def __call__(self, state):
            order.append(self.name)
            return self.stops

        def end(self, state):
            order.append(f"{self.name} ends")

    history = make().fit(X, y, epochs=3, callbacks=(Watcher("a", True), Watcher("b", True)))
    assert order == ["a begins", "b begins", "a", "b", "a ends", "b ends"]
    assert history.stopped_by == "Watcher"


def test_what_a_callback_raises_comes_through():
    X, y = blobs(60)
    net = make()

    def fail(state):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        net.fit(X, y, epochs=3, callbacks=[fail])
    assert net.history.epochs == 1


def test_a_callback_may_set_the_parameters():
    X, y = blobs(60)
    net = make()

    def reset(state):
        state.network.theta = np.zeros(net.n_parameters)

    net.fit(X, y, epochs=2, callbacks=[reset])
    assert not net.theta.any()


@pytest.mark.parametrize(("progress", "shown"), [(True, True), (False, False), (None, False)])
def test_progress_bar(capsys, progress, shown):
    X, y = blobs(60)
    make().fit(X, y, epochs=2, batch_size=20, progress=progress, validation_data=(X, y))
    out, err = capsys.readouterr()
    assert out == ""
    assert ("6/6" in err) is shown
    assert ("loss=" in err) is shown
    assert ("val=" in err) is shown


def test_the_bar_shows_on_a_terminal(capsys, monkeypatch):
    import sys

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    X, y = blobs(60)
    make().fit(X, y, epochs=1)
    assert "2/2" in capsys.readouterr().err


def test_the_bar_does_not_change_the_fit():
    X, y = blobs(60)
    nets = [make(), make()]
    for net, progress in zip(nets, (True, False), strict=True):
        net.fit(X, y, epochs=2, progress=progress)
    assert same_bits(nets[0].theta, nets[1].theta)


@pytest.mark.parametrize(("make_it", "error", "words"), [
    (lambda: EarlyStopping(0), ValueError, "patience must be at least 1"),
    (lambda: EarlyStopping(1.5), TypeError, "patience must be a whole number"),
    (lambda: EarlyStopping(1, min_delta=-1), ValueError, "min_delta"),
    (lambda: EarlyStopping(1, monitor="val_los"), ValueError, "monitor.*val_loss"),
    (lambda: EarlyStopping(1, restore_best="no"), TypeError, "restore_best must be True or False, got 'no'"),
    (lambda: TimeLimit(0), ValueError, "seconds"),
    (lambda: TimeLimit("1"), TypeError, "seconds"),
    (lambda: Checkpoints(every=0), ValueError, "every must be at least 1"),
])  # fmt: skip
def test_arguments_of_callbacks(make_it, error, words):
    with pytest.raises(error, match=words):
        make_it()


def test_monitoring_what_is_not_recorded():
    X, y = blobs(60)
    net = make()
    with unmodified(net.theta), pytest.raises(ValueError, match="'val_loss'.* no validation data. Pass validation"):
        net.fit(X, y, callbacks=[EarlyStopping(3)])
    with (
        unmodified(net.theta),
        pytest.raises(ValueError, match="'val_mse'; what this fit records is loss, data_loss, val_accuracy, val_loss"),
    ):
        net.fit(X, y, validation_data=(X, y), callbacks=[EarlyStopping(3, monitor="val_mse")])
    plain = Network([5, 1], output="identity", seed=0)
    with unmodified(plain.theta), pytest.raises(ValueError, match="records is loss, data_loss, val_mse, val_r2, val_l"):
        plain.fit(X, y, validation_data=(X, y), callbacks=[EarlyStopping(2, monitor="val_accuracy")])
    assert plain.history is None


def test_what_begin_refuses_changes_nothing():
    X, y = blobs(60)
    net = Network([5, 4, 3], output="sigmoid", seed=0)
    net.fit(X, np.eye(3)[y], epochs=1, optimizer=fastnn.Adam(0.1))
    history, optimizer, generator = net.history, net._optimizer_state, net.rng.bit_generator.state
    for resume in (False, True):
        with unmodified(net.theta, optimizer.slots), pytest.raises(ValueError, match="no validation data"):
            net.fit(X, y, dropout=0.1, callbacks=[EarlyStopping(3)], optimizer=fastnn.Adam(0.2), resume=resume)
        assert net.history is history
        assert history.epochs == 1
        assert net._optimizer_state is optimizer
        assert optimizer.optimizer == fastnn.Adam(0.1)
        assert net.rng.bit_generator.state == generator
        assert net.multilabel


def test_what_is_recorded_is_known_from_the_start():
    X, y = blobs(60)
    seen = []

    class Watcher:
        def begin(self, state):
            seen.append(state.records)

        def __call__(self, state):
            pass

    net = make()
    history = net.fit(X, y, epochs=1, callbacks=[Watcher()], validation_data=(X, y))
    assert set(seen[0]) == set(history.as_dict()) - {"seconds"}
    net.fit(X, y, epochs=1, callbacks=[Watcher()])
    assert seen[1] == ("loss", "data_loss")


def test_a_fit_within_a_fit():
    X, y = blobs(60)
    net = make()
    inner = []

    def again(state):
        inner.append(net.fit(X, y, epochs=2))

    outer = net.fit(X, y, epochs=3, callbacks=[again])
    assert net.history is outer
    assert outer.epochs == 3
    assert [history.epochs for history in inner] == [2, 2, 2]
