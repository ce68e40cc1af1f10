"""Threads, through the public API: the same bits for any number, and the pool really has as many; forks; subnormals.

``test_pool.py`` has the pool as the kernels see it, ``test_promises.py`` what holds for every backend.
"""

from __future__ import annotations

import functools
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from kernels_common import same_bits
from network_common import run_python

import fastnn
from fastnn import Network
from fastnn.optimizers import BY_SHORT_NAME

cython_kernels = pytest.importorskip("fastnn.kernels.cython_kernels")

THREADS = (1, 2, 3, 5, 8)
# sizes, rows, batch: the last batch is short in each.  Below the threshold of backends.threads_for, and above it.
BELOW = [5, 16, 3], 100, 32
ABOVE = {
    "deep": ([150, 64, 33, 10], 700, 300),
    "long and thin": ([400, 16, 10], 1100, 500),
    "wide": ([60, 300, 10], 333, 160),
}


@pytest.fixture(autouse=True)
def compiled_backend():
    """Run on the backend that has the pool, and leave the number of threads as it was."""
    with fastnn.use_backend("cython"):
        yield
    fastnn.set_num_threads(None)


def task(shape, dtype):
    """Return (sizes, X, y, batch) of one of the shapes above."""
    sizes, rows, batch = shape
    rng = np.random.default_rng(0)
    return sizes, rng.normal(size=(rows, sizes[0])).astype(dtype), rng.integers(0, sizes[-1], rows), batch


def trained(shape, dtype, optimizer="adam", epochs=10, **options):
    """Return (parameters, losses, outputs, loss) after a fit; a call may use what set_num_threads allows."""
    sizes, X, y, batch = task(shape, dtype)
    net = Network(sizes, output="softmax", dtype=dtype, seed=0)
    start = net.theta.copy()
    history = net.fit(X, y, epochs=epochs, batch_size=batch, optimizer=optimizer, seed=0, **options)
    assert not np.array_equal(net.theta, start)
    return net.theta, np.array(history.loss), net.predict(X), np.array([net.evaluate(X, y)["loss"]])


def most_used():
    return cython_kernels.info()["pool_most_used"]


def assert_same(found, expected):
    assert all(same_bits(a, b) for a, b in zip(found, expected, strict=True))


def assert_same_with(threads, run, expected, seconds=60.0):
    """Assert that ``run()`` gives what is expected, and does so until that many threads took part in one run.

    Callers take the chunks of a helper that sleeps, so on a busy machine it may need a few times.
    """
    cython_kernels.pool_reset_statistics()
    deadline = time.monotonic() + seconds
    while True:
        assert_same(run(), expected)
        if most_used() >= threads or time.monotonic() > deadline:
            break
    assert most_used() == threads


# ---- the same bits


@pytest.mark.parametrize("optimizer", BY_SHORT_NAME)
@pytest.mark.parametrize("shape", ABOVE)
def test_same_bits_for_any_number_of_threads(dtype, optimizer, shape):
    fastnn.set_num_threads(1)
    cython_kernels.pool_reset_statistics()
    expected = trained(ABOVE[shape], dtype, optimizer, dropout=0.1, l2=1e-3, clip_norm=3.0)
    assert most_used() == 1
    for threads in THREADS[1:]:
        fastnn.set_num_threads(threads)
        cython_kernels.pool_reset_statistics()
        assert_same(trained(ABOVE[shape], dtype, optimizer, dropout=0.1, l2=1e-3, clip_norm=3.0), expected)
        assert 1 <= most_used() <= threads


@functools.cache
def trained_large(dtype, threads):
    fastnn.set_num_threads(threads)
    return trained(([1500, 1500, 10], 1100, 1000), dtype, "sgd", epochs=1)


@pytest.mark.parametrize("threads", THREADS)
def test_the_pool_really_runs_with_that_many(dtype, threads):
    """A tile takes some milliseconds here, so every helper of a busy machine, too, gets one."""
    expected = trained_large(dtype, 1)
    assert_same_with(threads, lambda: trained_large.__wrapped__(dtype, threads), expected)


@pytest.mark.parametrize("optimizer", BY_SHORT_NAME)
def test_small_batches_stay_on_one_thread_and_have_the_same_bits(dtype, optimizer):
    fastnn.set_num_threads(1)
    expected = trained(BELOW, dtype, optimizer)
    for threads in THREADS[1:]:
        fastnn.set_num_threads(threads)
        cython_kernels.pool_reset_statistics()
        assert_same(trained(BELOW, dtype, optimizer), expected)
        assert most_used() == 1
        assert_same(trained(BELOW, dtype, optimizer, num_threads=threads), expected)  # although it does not pay


def test_gradients_have_the_same_bits(dtype):
    sizes, X, y, _ = task(ABOVE["deep"], dtype)
    net, found = Network(sizes, output="softmax", dtype=dtype, seed=0), []
    for threads in THREADS:
        fastnn.set_num_threads(threads)
        loss, gradient = net.loss_grad(X, y)
        grad, dX = net.backward(X, np.ones((len(X), sizes[-1]), dtype))
        found.append((np.array([loss]), gradient, grad, dX))
    for other in found[1:]:
        assert_same(other, found[0])
    assert np.linalg.norm(found[0][1]) > 0.01


# ---- many callers


def test_eight_threads_train_and_predict_at_once():
    """Each above the threshold, so that all want the pool; who finds it busy works alone, with the same result."""
    fastnn.set_num_threads(3)
    shapes = [*ABOVE.values(), BELOW] * 2
    expected = [trained(shape, "float32", epochs=3) for shape in shapes]
    barrier = threading.Barrier(8)

    def work(index):
        with fastnn.use_backend("cython"):  # a context variable: a new thread has its own
            barrier.wait(timeout=60)
            return [trained(shapes[index], "float32", epochs=3) for _ in range(3)]

    with ThreadPoolExecutor(8) as pool:
        for index, results in enumerate(pool.map(work, range(8))):
            for found in results:
                assert_same(found, expected[index])
    assert not np.array_equal(expected[0][1], expected[3][1])


# ---- forks

FORKED = """
    import os, sys
    import numpy as np, fastnn
    from fastnn.kernels import cython_kernels

    fastnn.set_backend("cython")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2000, 200)).astype(np.float32), rng.integers(0, 10, 2000)

    def work():
        net = fastnn.Network([200, 100, 10], output="softmax", seed=0)
        net.fit(X, y, epochs=2, batch_size=500, num_threads=4)
        return net.theta.tobytes() + net.predict(X, num_threads=4).tobytes()

    def in_child(depth):
        read, write = os.pipe()
        child = os.fork()
        if not child:
            status = 1
            try:
                with os.fdopen(write, "wb") as file:
                    assert cython_kernels.info()["pool_threads"] == 0
                    file.write(in_child(depth - 1) if depth > 1 else work())
                status = 0
            finally:
                os._exit(status)
        os.close(write)
        with os.fdopen(read, "rb") as file:
            found = file.read()
        assert os.waitpid(child, 0)[1] == 0
        return found

    if {before}:
        expected = work()
        assert cython_kernels.info()["pool_threads"] == 3
    found = [in_child(1), in_child(2), in_child(1)]
    after = work()
    assert len(after) == 4 * (200 * 100 + 100 + 100 * 10 + 10 + 2000 * 10)
    print([each == after for each in found], not {before} or expected == after)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("before", [False, True], ids=["nothing ran before", "after training"])
def test_a_forked_child_trains_and_predicts(before):
    assert run_python(FORKED.format(before=before)) == "[True, True, True] True"


# ---- subnormal numbers

SUBNORMAL = """
    import sys, threading
    import numpy as np

    def intact():
        tiny, small = 2.0**-1060, np.full(1000, 1e-40, np.float32)
        half, product = small * np.float32(0.5), np.full(1000, 1e-20, np.float32) * np.float32(1e-20)
        return bool(
            tiny / 4 > 0 and tiny * 0.5 + tiny * 0.5 == tiny and (half > 0).all() and (product > 0).all()
            and (half + half == small).all() and np.float64(5e-324) > 0 and np.nextafter(0.0, 1.0) / 1 > 0
        )

    def in_thread():
        found = []
        thread = threading.Thread(target=lambda: found.append(intact()))
        thread.start()
        thread.join()
        return found[0]

    told = [intact()]
    import fastnn
    told += [intact(), in_thread()]
    fastnn.set_backend({backend!r})
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(900, 100)).astype(np.float32), rng.integers(0, 5, 900)
    net = fastnn.Network([100, 200, 5], output="softmax", seed=0)

    def fit():
        net.fit(X, y, epochs=2, batch_size=300, num_threads=3)
        net.predict(X, num_threads=3)

    fit()
    told += [intact(), in_thread()]
    threads = [threading.Thread(target=lambda: (fit(), told.append(intact())))]
    for thread in threads:
        thread.start()
        thread.join()
    # in the pool's own threads: every product of these is subnormal, and each is computed by whoever takes its tile
    A, B = np.full((600, 64), 1e-20, np.float32), np.full((64, 600), 1e-22, np.float32)
    exact = float(A[0].astype(float) @ B[:, 0].astype(float))
    for threads in (1, 4):
        for _ in range(20):
            C = fastnn.functional.matmul(A, B, num_threads=threads)
            told.append(bool((abs(C / np.float32(exact) - 1) < 1e-3).all()))
    told.append(in_thread())
    assert 0 < exact < 1e-38
    print(len(told), set(told))
"""


@pytest.mark.parametrize("name", ["numpy", "numba", "cython"])
def test_subnormal_numbers_stay_what_they_are(name):
    """A library linked with -ffast-math would make them zero in the whole process; none of ours does."""
    if name not in fastnn.available_backends():
        pytest.skip(f"no {name} backend")
    assert run_python(SUBNORMAL.format(backend=name)) == "47 {True}"
