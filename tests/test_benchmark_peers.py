"""The benchmarks' peers: the same rows, start and orders for all, processes that stay out of each other's way."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import fastnn

ROOT = Path(__file__).resolve().parent.parent
if not (ROOT / "benchmarks" / "__init__.py").is_file():
    pytest.skip("the benchmarks are in a checkout only", allow_module_level=True)
pytest.importorskip("pytest_benchmark")
pytest.importorskip("threadpoolctl")
sys.path.append(str(ROOT))

from benchmarks import accuracy, contests, networks, train  # noqa: E402
from benchmarks.measure import (  # noqa: E402
    Mode,  # noqa: E402
    Rounds,
    WrongAnswer,
    difference,
)
from benchmarks.networks import Task  # noqa: E402
from benchmarks.peers import workers  # noqa: E402
from benchmarks.peers.fastnn_peer import Fastnn  # noqa: E402
from benchmarks.peers.numpy_by_hand import NumpyByHand  # noqa: E402
from benchmarks.peers.sklearn_peer import ScikitLearn  # noqa: E402
from benchmarks.peers.workers import Crew, Unavailable, Worker  # noqa: E402

TASKS = [
    Task((5, 7, 6, 3), "sigmoid", 8, 37, rate=1.0),
    Task((5, 7, 3), "tanh", 8, 40, optimizer="adam", rate=0.01, schedule="one_cycle", epochs=3),
    Task((5, 9, 3), "relu", 16, 37, optimizer="adam", rate=0.01, epochs=3),
]
NAME = "NumPy by hand"
QUICK = Mode(toy=True, sample_seconds=1e-4, case_seconds=0.01, rounds=(2, 2))


@pytest.fixture
def worker():
    made = Worker(NAME, 1)
    yield made
    made.close()


# ---- the same work for all


@pytest.mark.parametrize("task", TASKS, ids=lambda task: f"{task.activation}-{task.optimizer}")
@pytest.mark.parametrize("backend", fastnn.available_backends())
def test_numpy_by_hand_takes_the_steps_of_a_fit(task, backend):
    losses, parameters = NumpyByHand(1).curve(task, 3)
    theirs, others = Fastnn(1, backend).curve(task, 3)
    assert len(set(losses)) == 3
    assert difference(theirs, losses) < 1e-5
    assert difference(others, parameters) < 1e-4
    moved = [array for layer in networks.start(task) for array in layer]
    assert difference(parameters, moved) > 0.01  # the comparison is not of the start with itself


@pytest.mark.parametrize("task", TASKS, ids=lambda task: f"{task.activation}-{task.optimizer}")
def test_scikit_learn_takes_them_too(task):
    sklearn = pytest.importorskip("sklearn")
    epochs = 3 if task.optimizer == "sgd" else 1  # every call of its fit starts a fresh Adam
    with sklearn.config_context():  # the peer, at home in a process of its own, turns scikit-learn's checks off
        peer = ScikitLearn(1)
        assert bool(peer.missing(task)) == (task.schedule == "one_cycle")
        task = replace(task, schedule="constant")
        losses, parameters = peer.curve(task, epochs)
    expected, others = NumpyByHand(1).curve(task, epochs)
    assert difference(losses, expected) < 1e-5
    assert difference(parameters, others) < 1e-4


@pytest.mark.parametrize("name", ["PyTorch", "PyTorch compiled", "JAX"])
def test_the_frameworks_take_them_too(name):
    """In a process of their own: what they import warns, and threads of theirs would outlive the test."""
    task = TASKS[1]
    try:
        worker = Worker(name, 1)
    except Unavailable as reason:
        pytest.skip(str(reason))
    try:
        losses, parameters = worker.ask("curve", task, 3)
    finally:
        worker.close()
    expected, others = NumpyByHand(1).curve(task, 3)
    assert difference(losses, expected) < 1e-5
    assert difference(parameters, others) < 1e-4


def test_the_first_rows_of_a_task_are_those_of_the_whole():
    task = TASKS[0]
    part = task.with_rows(20)
    assert (part.rows, part.steps) == (20, 3)
    assert np.array_equal(networks.training_data(part)[0], networks.training_data(task)[0])
    assert networks.orders(part, 0)().max() == 19


def test_every_class_occurs_and_the_rows_tell_them():
    X, y = networks.training_data(Task((5, 3), "relu", 8, 30))
    assert set(y) == {0, 1, 2}
    assert X.dtype == np.float32
    found = np.linalg.lstsq(X[3:], np.eye(3)[y[3:]], rcond=None)[0]
    assert np.mean((X @ found).argmax(axis=1) == y) > 0.7


def test_probabilities_are_those_of_the_network():
    for task in TASKS:
        X, _ = networks.training_data(task)
        network = fastnn.Network.from_weights(
            *map(list, zip(*networks.start(task), strict=True)), activation=task.activation, output="softmax"
        )
        assert difference(network.predict(X), networks.probabilities(task, networks.start(task), X)) < 1e-6


def test_flops_of_an_epoch_by_hand():
    # forward 2 (5*7 + 7*3), weight gradients as much, input gradients of the second layer only 2 (7*3), for each row
    assert Task((5, 7, 3), "tanh", 8, 10).epoch_flops == 10 * (2 * 56 + 2 * 56 + 2 * 21)
    assert Task((5, 7, 3), "tanh", 8, 10).parameters == 5 * 7 + 7 + 7 * 3 + 3


def test_one_epoch_of_a_schedule_per_epoch():
    task = TASKS[1]
    found = networks.rates(task)
    assert found.shape == (3, 5)
    assert found.max() == pytest.approx(0.01, rel=0.1)
    assert found[2, 4] < 1e-3
    assert np.all(networks.rates(TASKS[0]) == 1.0)


# ---- processes


@pytest.mark.skipif(not workers.CAN_SUSPEND or not Path("/proc/self/stat").exists(), reason="needs SIGSTOP and /proc")
def test_an_idle_worker_is_suspended(worker):
    def state():
        return Path(f"/proc/{worker.process.pid}/stat").read_text().rpartition(")")[2].split()[0]

    assert worker.ask("begin", TASKS[0]) == 0.0
    os.waitid(os.P_PID, worker.process.pid, os.WSTOPPED)  # the signal takes a moment
    assert state() == "T"
    assert len(worker.ask("train", 2, 0).losses) == 2


def test_a_worker_keeps_to_its_processors_and_threads():
    crew = Crew()
    try:
        for threads in {1, len(workers.processors()) or 1}:
            one = crew.get(NAME, threads)
            assert crew.get(NAME, threads) is one
            if workers.processors():
                allowed = os.sched_getaffinity(one.process.pid)
                assert allowed == set(workers.processors()[-threads:])
    finally:
        crew.close()
    assert one.process.returncode is not None


def test_a_failure_says_who_and_why(worker):
    with pytest.raises(RuntimeError, match=r"(?s)NumPy by hand with 1 threads failed: AttributeError.*Traceback"):
        worker.ask("no_such_method")
    assert worker.ask("begin", TASKS[0]) == 0.0  # it lives on


def test_a_death_says_so(worker):
    worker.process.kill()
    with pytest.raises(RuntimeError, match="its process ended with status -?[0-9]+"):
        worker.ask("begin", TASKS[0])


def test_a_missing_library_is_told_once(monkeypatch, tmp_path):
    (tmp_path / "jax.py").write_text("raise ImportError('none here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    crew = Crew()
    for threads in (1, 2):
        with pytest.raises(Unavailable, match="JAX is not installed"):
            crew.get("JAX", threads)
    present, absent = contests.gather(["JAX"], lambda name: [crew.get(name, 1)], toy=False)
    assert present == []
    assert (absent[0].name, absent[0].status, absent[0].reason) == ("JAX", "skipped", "JAX is not installed")


# ---- contests


def test_the_best_number_of_threads_is_searched():
    few = {1: 1.0, 2: 2.0, 4: 8.0, 8: 3.0}
    seconds = {1: [9.0, 2.0, 3.0, 2.5], 2: [0.5, 7.0, 1.5, 1.0], 8: [1.0, 4.0, 4.0, 5.0]}
    turns = []

    class Few:
        def get(self, name, threads):
            return threads

    best, found = contests.best_threads(
        Few(), "x", [1, 2, 4, 8], lambda threads: few[threads],
        lambda threads: turns.append(threads) or seconds[threads].pop(0),
    )  # fmt: skip
    assert best == 2
    assert found == {"1": 2.0, "2": 1.0, "8": 4.0}  # the first time of each does not count, the hopeless 4 has none
    assert turns == 4 * [1, 2, 8]


def test_thread_counts_end_with_all():
    found = contests.thread_counts()
    assert found[:2] == [1, 2]
    assert found == sorted(set(found))
    assert found[-1] == max(2, fastnn.get_num_threads())


def test_who_trains_otherwise_is_found_before_timing():
    crew, task = Crew(), TASKS[0]
    try:
        right = contests.trainer(crew, NAME, task, task, [1])
        wrong = contests.trainer(crew, "fastnn numpy", task, replace(task, rate=1.1), [1])
        with pytest.raises(WrongAnswer, match="fastnn numpy and NumPy by hand disagree"):
            Rounds(train.Contest([right, wrong], NAME, train.TOLERANCE), QUICK).check()
    finally:
        crew.close()


def test_without_the_data_everyone_is_skipped_by_name(monkeypatch):
    monkeypatch.delenv("FASTNN_DATA", raising=False)
    networks._images.cache_clear()
    found = accuracy.contest(accuracy.RECIPES[0], False, Crew())
    assert found.competitors == []
    assert {one.name for one in found.absent} == set(train.TRAINERS)
    assert all("FASTNN_DATA" in one.reason and one.status == "skipped" for one in found.absent)
