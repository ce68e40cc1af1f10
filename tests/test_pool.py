"""The thread pool, through the Python door: threads really work, callers do not disturb each other, forks may train."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import kernels_common as common
import numpy as np
import pytest
from kernels_common import EMPTY, hyper_rows, make_data, make_net, same_bits

cython_kernels = pytest.importorskip("fastnn.kernels.cython_kernels")
KERNELS = cython_kernels.KERNELS
FLOAT = np.dtype(np.float32)
SMALL = make_net((20, 30, 5), "tanh", "categorical_cross_entropy", dropout=(0.2, 0.0))
LARGE = make_net((256, 512, 512, 10), "relu", "categorical_cross_entropy")  # a row tile takes about 100 us


def case(net, m, seed=0):
    rng = np.random.default_rng(seed)
    return net.theta(rng, FLOAT), make_data(rng, net, FLOAT, m=m, labels=True)


def train_some(net, theta, data, threads, steps=12, batch=64):
    """Return what a few steps leave behind."""
    order = np.arange(steps * batch) % data.rows
    starts = np.arange(0, steps * batch + 1, batch)
    return common.train(KERNELS, net, "adam", hyper_rows("adam", steps), theta, data, order, starts, threads=threads)


def most_used_after(run, wanted, seconds=60.0):
    """Run until that many threads took part in one run; return the most that did."""
    cython_kernels.pool_reset_statistics()
    deadline = time.monotonic() + seconds
    while cython_kernels.info()["pool_most_used"] < wanted and time.monotonic() < deadline:
        run()
    return cython_kernels.info()["pool_most_used"]


@pytest.mark.parametrize("threads", [2, 3, 5])
def test_threads_take_part(threads):
    theta, data = case(LARGE, 1500)
    used = most_used_after(lambda: common.predict(KERNELS, LARGE, theta, data, threads=threads), threads)
    assert used == threads
    assert cython_kernels.info()["pool_threads"] >= threads - 1


def test_training_uses_threads():
    theta, data = case(LARGE, 512)
    assert most_used_after(lambda: train_some(LARGE, theta, data, 2, steps=4, batch=256), 2) == 2


def test_one_thread_stays_one():
    theta, data = case(SMALL, 500)
    cython_kernels.pool_reset_statistics()
    assert cython_kernels.info()["pool_most_used"] == 0
    common.predict(KERNELS, SMALL, theta, data, threads=1)
    train_some(SMALL, theta, data, threads=1)
    assert cython_kernels.info()["pool_most_used"] == 1


def test_statistics_never_pass_the_threads_asked_for():
    theta, data = case(SMALL, 900)
    most_used_after(lambda: common.predict(KERNELS, SMALL, theta, data, threads=6), 2, seconds=1.0)
    cython_kernels.pool_reset_statistics()
    for _ in range(50):  # the helpers of before are awake, and must keep out
        common.predict(KERNELS, SMALL, theta, data, threads=2)
    assert cython_kernels.info()["pool_most_used"] <= 2


def test_many_threads_for_few_chunks():
    theta, data = case(SMALL, 3)
    expected = common.predict(KERNELS, SMALL, theta, data, threads=1)
    assert same_bits(common.predict(KERNELS, SMALL, theta, data, threads=10_000), expected)


def test_second_caller_gets_the_same_bits():
    """Callers that find the pool busy work alone, and all results are those of one caller."""
    cases = [case(SMALL, 300, seed) for seed in range(4)]
    expected = [train_some(SMALL, theta, data, threads=1) for theta, data in cases]
    failures = []

    def caller(index):
        for repeat in range(15):
            found = train_some(SMALL, *cases[index], threads=1 + (index + repeat) % 3)
            if not (same_bits(found.theta, expected[index].theta) and same_bits(found.losses, expected[index].losses)):
                failures.append((index, repeat))

    callers = [threading.Thread(target=caller, args=(index,)) for index in range(4)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join(timeout=120)
        assert not thread.is_alive()
    assert not failures


def test_the_gil_is_free_while_training():
    """Another Python thread counts while one call trains."""
    theta, data = case(LARGE, 512)
    counts, done = [0], threading.Event()

    def count():
        while not done.is_set():
            counts[0] += 1
            time.sleep(0.0005)

    counter = threading.Thread(target=count)
    counter.start()
    plan, losses = LARGE.plan, np.empty((40, 2))
    arguments = (
        plan, LARGE.const, LARGE.loss_code, 0, hyper_rows("sgd", 40), 0, theta, np.empty_like(theta),
        np.empty((0, theta.size), FLOAT), *data.everything, np.arange(40 * 512) % 512, np.arange(0, 40 * 512 + 1, 512),
        1, np.empty(KERNELS.work_size("train", plan, 512, 1), FLOAT), losses, 1,
    )  # fmt: skip
    before = counts[0]
    finished = KERNELS.train(*arguments)
    during = counts[0] - before
    done.set()
    counter.join()
    assert finished == 40
    assert during >= 3


FORK = """
    import os, sys
    sys.path.insert(0, sys.argv[1])
    import test_pool as t

    theta, data = t.case(t.LARGE, 256)
    before = t.train_some(t.LARGE, theta, data, threads=3, steps=3)
    assert t.cython_kernels.info()["pool_threads"] == 2
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                assert t.cython_kernels.info()["pool_threads"] == 0
                after = t.train_some(t.LARGE, theta, data, threads=3, steps=3)
                assert t.same_bits(after.theta, before.theta)
                assert t.cython_kernels.info()["pool_threads"] == 2
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    again = t.train_some(t.LARGE, theta, data, threads=3, steps=3)
    assert t.same_bits(again.theta, before.theta)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    print("all trained")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_may_train():
    """In a process of its own, so that a hang ends in a timeout; a pool that survives a fork is no accident."""
    script = textwrap.dedent(FORK)
    line = [sys.executable, "-W", "ignore", "-c", script, str(Path(__file__).parent)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120)
    assert done.stdout == "all trained\n", done.stderr


def test_sleeping_helpers_wake_up():
    """After a pause the helpers sleep in the kernel; the next run must still be whole."""
    theta, data = case(SMALL, 700)
    expected = common.predict(KERNELS, SMALL, theta, data, threads=1)
    for pause in (0.0, 0.001, 0.05, 0.2):
        common.predict(KERNELS, SMALL, theta, data, threads=3)
        time.sleep(pause)
        assert same_bits(common.predict(KERNELS, SMALL, theta, data, threads=3), expected)


@pytest.mark.parametrize("threads", [2, 3, 7])
@pytest.mark.parametrize("m", [1, 17, 333])
def test_pieces_have_the_same_bits(threads, m):
    rng = np.random.default_rng(m)
    A, B = rng.standard_normal((m, 300)).astype(FLOAT), rng.standard_normal((300, 520)).astype(FLOAT)
    one, many = np.empty((m, 520), FLOAT), np.empty((m, 520), FLOAT)
    KERNELS.matmul(A, B, one, False, 1)
    KERNELS.matmul(A, B, many, False, threads)
    assert same_bits(one, many)
    assert np.abs(one).max() > 0


def test_empty_input_needs_no_thread():
    theta, _ = case(SMALL, 1)
    out = np.empty((0, 5), FLOAT)
    X, work = np.empty((0, 20), FLOAT), np.empty(KERNELS.work_size("predict", SMALL.plan, 0, 4), FLOAT)
    KERNELS.predict(SMALL.plan, SMALL.const, theta, X, EMPTY, EMPTY, work, out, 4)
    assert out.shape == (0, 5)
