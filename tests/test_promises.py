"""The promises of the package, one test each: interruption, divergence, bits, threads, forks, imports."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from kernels_common import same_bits, unmodified
from network_common import blobs, run_python

import fastnn
from fastnn import Adam, DivergenceError, Network
from fastnn.optimizers import BY_SHORT_NAME

HEAVY = ("numba", "scipy", "sklearn", "matplotlib", "tqdm", "safetensors", "pandas", "h5py", "joblib")


def make(dtype="float32", **options):
    return Network([5, 16, 3], output="softmax", dtype=dtype, seed=0, **options)


# ---- Ctrl-C

INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np, fastnn

fastnn.set_backend({backend!r})
rng = np.random.default_rng(0)
rows = 1_000_000
X, y = rng.normal(size=(rows, 5)).astype(np.float32), rng.integers(0, 3, rows)
net = fastnn.Network([5, 16, 3], output="softmax", seed=0)
net.fit(X[:64], y[:64], epochs=1)  # compiles
start, sent = net.theta.copy(), []

def interrupt():
    while (net.theta == start).all():
        time.sleep(0.01)
    time.sleep(0.3)
    sent.append((time.perf_counter(), time.process_time()))
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt).start()
try:
    net.fit(X, y, epochs=10**6, batch_size={batch_size}, shuffle=False)
except KeyboardInterrupt:
    seconds, worked = time.perf_counter() - sent[0][0], time.process_time() - sent[0][1]
    steps = net._optimizer_state.steps
    twin = fastnn.Network.from_weights(net.weights, net.biases, output="softmax")

    def after(batches):  # the same ones once more, in one go
        twin.theta = start
        if batches:
            done = batches * {batch_size}
            twin.fit(X[:done], y[:done], epochs=1, batch_size={batch_size}, shuffle=False)
        return twin.theta

    if steps * {batch_size} <= rows:
        # NumPy's batch is Python, which may be interrupted between its loss and its update
        counts = (steps, steps - 1) if {backend!r} == "numpy" else (steps,)
        same = any(np.abs(after(count) - net.theta).max() < 1e-4 for count in counts)
    else:
        same = np.isfinite(net.theta).all()
    print(seconds, worked, steps, bool(same), bool((start != net.theta).any()))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to oneself there")
@pytest.mark.parametrize("batch_size", [1, 1000])
def test_ctrl_c_ends_a_fit_and_keeps_the_finished_batches(backend, batch_size):
    for _ in range(5):  # a neighbour may take the processor away just then; what this process works is its own
        code = INTERRUPTED.format(backend=backend.name, batch_size=batch_size)
        seconds, worked, steps, *found = run_python(code).split()
        assert int(steps) > 0
        assert found == ["True", "True"]
        if float(seconds) < 0.2 or float(worked) < 0.2:
            break
    assert min(float(seconds), float(worked)) < 0.2


# ---- divergence, NaN


def test_a_fit_that_diverges_names_the_epoch_and_what_to_try(backend):
    X, y = blobs()
    kept = fastnn.Checkpoints()

    class Explode(fastnn.schedules.Schedule):
        def _rate(self, t, end):
            return np.where(t < 14, 0.1, 1e38)

    net = Network([5, 3], output="identity", seed=0)
    state = net.trainer(fastnn.SGD(Explode(), momentum=0.5)).optimizer
    slots = []
    words = r"epoch 3: .*The parameters are those of this epoch's start. Try a smaller learning rate .*clip_norm"
    with pytest.raises(DivergenceError, match=words), fastnn.use_backend(backend.name):
        net.fit(X, np.eye(3)[y], epochs=10, optimizer=state,
                callbacks=[kept, lambda state: slots.append(state.optimizer.slots.copy())])  # fmt: skip
    assert same_bits(net.theta, kept.thetas[2])
    assert not np.array_equal(kept.thetas[2], kept.thetas[1])
    assert net.history.epochs == 2
    assert state.steps == 14
    assert same_bits(state.slots, slots[-1])
    assert issubclass(DivergenceError, fastnn.FastNNError)


def test_a_parameter_that_overflows_in_the_last_step_is_found(backend):
    net = Network([1, 1], output="identity", bias=False, init={"constant": 1.0}, seed=0)
    with unmodified(net.theta), pytest.raises(DivergenceError, match="epoch 1: a parameter stopped being finite"):
        net.fit([[1e3]], [1e10], epochs=1, batch_size=None, optimizer=fastnn.SGD(1e38), backend=backend.name)


def test_a_network_that_holds_nan_does_not_train(backend):
    X, y = blobs()
    net = make()
    net.weights[0][0, 0] = np.nan
    with unmodified(net.theta), pytest.raises(DivergenceError, match="the loss became nan in batch 1 of 7"):
        net.fit(X, y, backend=backend.name)
    with unmodified(net.theta), pytest.raises(DivergenceError, match="step 1: the loss is nan; .* unchanged"):
        net.trainer(backend=backend.name).step(X, y)
    with fastnn.use_backend(backend.name):
        assert np.isnan(net.predict(X)).all()
        assert np.isnan(net.evaluate(X, y)["loss"])
        assert np.isnan(net.loss_grad(X, y)[0])


# ---- bits


@pytest.mark.parametrize("optimizer", BY_SHORT_NAME)
def test_same_bits_for_the_same_seed(backend, dtype, optimizer):
    X, y = blobs()
    nets = [make(dtype.name), make(dtype.name)]
    for net in nets:
        net.fit(X, y, epochs=2, dropout=0.3, optimizer=optimizer, backend=backend.name)
    assert same_bits(nets[0].theta, nets[1].theta)
    assert not np.array_equal(nets[0].theta, make(dtype.name).theta)


@pytest.mark.parametrize("batch_size", [32, 500, None])
def test_same_bits_for_any_number_of_threads(dtype, batch_size):
    if "cython" not in fastnn.available_backends():
        pytest.skip("no compiled backend")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1100, 150)).astype(dtype), rng.integers(0, 10, 1100)
    results = []
    for threads in (1, 2, 3, 8, None, 10**12):
        net = Network([150, 64, 33, 10], output="softmax", dtype=dtype, seed=0)
        net.fit(X, y, epochs=1, batch_size=batch_size, dropout=0.1, num_threads=threads, backend="cython", seed=0)
        outputs = net.predict(X, num_threads=threads, backend="cython")
        loss = net.evaluate(X, y, num_threads=threads)["loss"]
        f = net.predictor(backend="cython", num_threads=threads)
        results.append((net.theta, outputs, np.array([loss]), f(X)))
    for other in results[1:]:
        assert all(same_bits(a, b) for a, b in zip(results[0], other, strict=True))
    assert not np.array_equal(results[0][0], Network([150, 64, 33, 10], output="softmax", dtype=dtype, seed=0).theta)


def test_inputs_are_never_modified(backend):
    X, y = blobs()
    weights = np.linspace(0, 1, 200)
    one_hot = np.eye(3)[y]
    net = make("float64")
    theta, dY = net.theta.copy(), np.ones((200, 3))
    with fastnn.use_backend(backend.name), unmodified(X, y, one_hot, weights, theta, dY):
        for array in (X, y, one_hot, weights, theta, dY):
            array.flags.writeable = False
        net.fit(X, one_hot, sample_weight=weights, validation_data=(X, y, weights), epochs=2, dropout=0.2)
        net.trainer().step(X, y, weights)
        net.trainer().apply_gradient(theta)
        net.loss_grad(X, y, theta=theta, sample_weight=weights)
        net.backward(X, dY)
        net.predictor()(X)
        net.evaluate(X, one_hot, weights)
        net.forward(X)
        net.theta = theta
    assert same_bits(net.theta, theta)
    assert not np.shares_memory(net.theta, theta)


# ---- processes and threads


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_may_train(backend):
    printed = run_python(f"""
        import os, sys
        import numpy as np, fastnn
        fastnn.set_backend({backend.name!r})
        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(2000, 200)).astype(np.float32), rng.integers(0, 10, 2000)

        def train():
            net = fastnn.Network([200, 100, 10], output="softmax", seed=0)
            net.fit(X, y, epochs=2, batch_size=500, num_threads=4)
            return net.theta.tobytes()

        before = train()  # starts the pool
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.write(write, b"same" if train() == before else b"other")
            os._exit(0)
        os.close(write)
        assert os.waitpid(child, 0)[1] == 0
        print(os.read(read, 10).decode(), train() == before)
    """)
    assert printed == "same True"


def test_eight_threads_at_once_do_what_one_does(backend):
    X, y = blobs(600)
    expected = {}
    f = make().predictor(backend=backend.name)

    def work(seed):
        net = Network([5, 16, 3], output="softmax", seed=seed)
        net.fit(X, y, epochs=2, backend=backend.name, num_threads=2)
        trainer = net.trainer(backend=backend.name)
        for _ in range(20):
            trainer.step(X, y)
        own = net.predictor(backend=backend.name)
        return np.concatenate([net.theta, net.predict(X, backend=backend.name).ravel(), own(X[0]), f(X).ravel()])

    for seed in range(8):
        expected[seed] = work(seed)
    barrier = threading.Barrier(8)

    def together(seed):
        barrier.wait()
        return [work(seed) for _ in range(3)]

    with ThreadPoolExecutor(8) as pool:
        for seed, found in enumerate(pool.map(together, range(8))):
            assert all(same_bits(each, expected[seed]) for each in found)
    assert not np.array_equal(expected[0], expected[1])


# ---- what an import does

NOT_NEEDED = (  # by a network that is built, trained and asked; on top of NumPy they would cost a fifth of its import
    "difflib", "json", "secrets", "hashlib", "ssl", "subprocess", "tempfile", "urllib.request", "logging", "asyncio",
    "multiprocessing", "concurrent.futures", "argparse", "csv", "importlib.metadata", "unittest", "http.client",
    "numpy.random", "numpy.fft", "numpy.polynomial", "numpy.ma", "numpy.testing", "numpy.f2py",
)  # fmt: skip


def test_import_loads_little_but_numpy():
    printed = run_python(f"""
        import os, sys
        os.environ.pop("FASTNN_BACKEND", None)
        import numpy
        before = set(sys.modules)
        import fastnn
        new = set(sys.modules) - before
        print(sorted(set({(*NOT_NEEDED, *HEAVY)!r}) & new))
        rooms = [name for name in new if name.partition(".")[0] == "fastnn"]
        print(len(rooms), len(new) - len(rooms), sorted(new - set(rooms)))
    """)
    found, counts = printed.splitlines()
    assert found == "[]"
    rooms, others = map(int, counts.split()[:2])
    assert rooms <= 20, counts
    assert others <= 8, counts


@pytest.mark.parametrize("name", ["datasets", "functional", "optimizers", "predictor", "schedules", "trainer"])
def test_lazy_rooms_come_when_asked_for(name):
    printed = run_python(f"""
        import sys
        import fastnn
        print("fastnn.{name}" in sys.modules, fastnn.{name}.__name__, "fastnn.{name}" in sys.modules)
    """)
    assert printed == f"False fastnn.{name} True"


def test_import_pulls_in_nothing_heavy():
    printed = run_python(f"""
        import os, sys
        os.environ.pop("FASTNN_BACKEND", None)
        import fastnn
        net = fastnn.Network([2, 3, 2], output="softmax", seed=0)
        net.fit([[0, 1], [1, 0]], [0, 1], epochs=2)
        net.predict([[0, 1]])
        print(sorted(set({HEAVY!r}) & set(sys.modules)))
        print(sorted(name for name in sys.modules if name.startswith("fastnn.datasets")))
        print("numba" in fastnn.available_backends(), "numba" in sys.modules)
    """)
    assert printed.splitlines()[:2] == ["[]", "[]"]
    assert printed.splitlines()[2] in ("True True", "False False")


def test_asking_for_the_numba_backend_alone_imports_numba():
    printed = run_python("""
        import os, sys
        os.environ.pop("FASTNN_BACKEND", None)
        import fastnn
        fastnn.get_backend(); fastnn.get_num_threads()
        assert fastnn.datasets.__name__ == "fastnn.datasets"
        print("numba" in sys.modules, "matplotlib" in sys.modules)
    """)
    assert printed == "False False"


def test_the_files_of_the_other_project_are_noticed(tmp_path):
    folder = tmp_path / "fastnn"
    folder.mkdir()
    shutil.copy(Path(fastnn.__file__), folder / "__init__.py")
    (folder / "exporting.py").write_text("")
    printed = run_python(f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        try:
            import fastnn
        except ImportError as error:
            print(error)
    """)
    assert "another project" in printed
    assert "pip uninstall -y fastnn fastnn-kernels; pip install fastnn-kernels" in printed


def test_public_names():
    assert set(fastnn.__all__) <= set(dir(fastnn))
    for name in fastnn.__all__:
        assert getattr(fastnn, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        fastnn.nothing  # noqa: B018


def test_the_signal_handler_is_left_alone():
    before = signal.getsignal(signal.SIGINT)
    X, y = blobs()
    make().fit(X, y, epochs=1, optimizer=Adam())
    assert signal.getsignal(signal.SIGINT) is before
