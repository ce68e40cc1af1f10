"""What is particular to the Numba backend: its cache, its precision, the GIL, and running without its packages."""

from __future__ import annotations

import importlib.util
import os
import re
import stat
import subprocess
import sys
import threading
import time
import warnings

import kernels_common as common
import numpy as np
import pytest

import fastnn.kernels
from fastnn.kernels import plan as P
from fastnn.kernels.activations import ACTIVATIONS
from fastnn.kernels.elementary import FUNCTIONS
from fastnn.kernels.losses import LINKS, LOSSES
from fastnn.kernels.updates import UPDATES

if importlib.util.find_spec("numba") is None or importlib.util.find_spec("scipy") is None:
    pytest.skip("needs numba and scipy", allow_module_level=True)
if "numba" not in common.BACKENDS:
    pytest.skip("FASTNN_TEST_BACKENDS leaves out numba", allow_module_level=True)

INTERPRETED = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
compiled_only = pytest.mark.skipif(INTERPRETED, reason="NUMBA_DISABLE_JIT is set: nothing is compiled")
PARENT = os.path.dirname(os.path.dirname(os.path.abspath(fastnn.kernels.__file__)))

NO_INDICES = np.empty(0, np.int32)

TRAIN = """
import sys
import numpy as np
from fastnn.kernels import numba_cache, numba_kernels, numpy_kernels, plan as P
plan = P.make_plan([5, 4, 3], [1, 0], 1, True)
const = P.make_const(plan)
X = np.linspace(-1, 1, 40).reshape(8, 5)
none, nothing = np.empty(0, np.int32), np.empty(0)
T = (np.arange(8, dtype=np.int32) % 3)[:, None]
results = []
for k in (numba_kernels.KERNELS, numpy_kernels.KERNELS):
    theta = np.linspace(-1, 1, plan[0, P.N_PARAMETERS])
    k.train(
        plan, const, 5, 0, np.full((2, 5), 0.1), 0, theta, np.empty_like(theta), np.zeros((0, theta.size)), X, none,
        none, T, nothing, np.arange(8), np.array([0, 4, 8]), 0, np.empty(k.work_size("train", plan, 4, 1)),
        np.empty((2, 2)), 1,
    )
    results.append(theta)
np.testing.assert_allclose(*results, rtol=1e-12)
program = numba_kernels.train_program["d"].stats
loops = numba_cache.COMPILED
hits, misses = sum(program.cache_hits.values()), sum(program.cache_misses.values())
print(hits, misses, sum(loop.cache_hits for loop in loops), len(loops))
"""


def in_subprocess(code, **environment):
    """Run code in a fresh interpreter; return what it prints."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("COV_", "NUMBA_"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def train_in_subprocess(**environment):
    """Return (programs found in the cache, programs compiled, loops found in the cache, loops)."""
    return tuple(int(number) for number in in_subprocess(TRAIN, **environment).split())


@compiled_only
def test_second_process_compiles_nothing(tmp_path):
    folder = str(tmp_path)
    hits, misses, loop_hits, loops = train_in_subprocess(NUMBA_CACHE_DIR=folder)
    assert (hits, misses, loop_hits) == (0, 1, 0)
    assert loops > 0
    assert train_in_subprocess(NUMBA_CACHE_DIR=folder) == (1, 0, loops, loops)


@compiled_only
def test_damaged_cache_is_compiled_again(tmp_path):
    train_in_subprocess(NUMBA_CACHE_DIR=str(tmp_path))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 2
    for path in files:
        path.write_bytes(path.read_bytes()[:100])
    hits, misses, loop_hits, _ = train_in_subprocess(NUMBA_CACHE_DIR=str(tmp_path))
    assert (hits, misses, loop_hits) == (0, 1, 0)


@compiled_only
def test_cache_lies_in_the_users_folder_and_is_keyed_by_the_sources(tmp_path, monkeypatch):
    numba_cache = importlib.import_module("fastnn.kernels.numba_cache")
    monkeypatch.setattr(numba_cache.config, "CACHE_DIR", "")
    monkeypatch.setattr(numba_cache, "user_cache", lambda: tmp_path)
    stamps = []
    for stamp in ("one", "two"):
        monkeypatch.setattr(numba_cache, "source_hash", lambda stamp=stamp: stamp)
        assert numba_cache.cache_class() is not None
        stamps.append({path.name for path in (tmp_path / "fastnn").iterdir()})
    assert stamps == [{"numba-one"}, {"numba-one", "numba-two"}]


def test_user_cache_follows_the_system(monkeypatch, tmp_path):
    numba_cache = importlib.import_module("fastnn.kernels.numba_cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    expected = {"linux": "xdg", "win32": "local", "darwin": "Caches"}
    for platform, name in expected.items():
        monkeypatch.setattr(sys, "platform", platform)
        assert numba_cache.user_cache().name == name


@compiled_only
@pytest.mark.parametrize("kind", ["read-only", "not a folder"])
def test_works_without_a_cache(tmp_path, kind):
    if kind == "not a folder":
        place = tmp_path / "file"
        place.touch()
    else:
        if not hasattr(os, "geteuid") or os.geteuid() == 0:
            pytest.skip("permissions do not bind this user")
        place = tmp_path / "folder"
        place.mkdir()
        (place / "fastnn").mkdir()
        (place / "fastnn").chmod(stat.S_IRUSR | stat.S_IXUSR)
    hits, misses, loop_hits, loops = train_in_subprocess(NUMBA_CACHE_DIR=str(place))
    assert (hits, loop_hits) == (0, 0)
    assert misses >= 0
    assert loops > 0


@pytest.mark.parametrize("missing", ["numba", "scipy"])
def test_without_its_packages_it_says_so(missing):
    code = f"""
import sys
sys.modules[{missing!r}] = None
try:
    import fastnn.kernels.numba_kernels
except ImportError as error:
    print(error)
"""
    message = in_subprocess(code)
    assert "the numba backend needs numba and scipy" in message
    assert missing in message


def test_importing_the_reference_does_not_import_numba():
    assert in_subprocess("import sys, fastnn.kernels.numpy_kernels; print('numba' in sys.modules)") == "False"


@pytest.fixture
def float32_ir(monkeypatch):
    """Return a function that gives (name, LLVM IR) of each loop of a kind, compiled afresh for float32."""
    numba_cache = importlib.import_module("fastnn.kernels.numba_cache")
    loops = importlib.import_module("fastnn.kernels.numba_formulas").LOOPS
    monkeypatch.setattr(numba_cache, "Cache", None)  # what comes from the cache has no IR

    def of(kind):
        for loop in loops:
            if loop.name.startswith(kind):
                numba_cache.compile_loop(loop, "f")
                yield loop.name, numba_cache.COMPILED[-1].inspect_llvm()

    return of


@compiled_only
def test_every_formula_has_its_loop():
    formulas = importlib.import_module("fastnn.kernels.numba_formulas")
    names = [loop.name for loop in formulas.LOOPS]
    for kind, first, table in (
        ("activate", formulas.ACTIVATE, ACTIVATIONS),
        ("backward", formulas.BACKWARD, ACTIVATIONS),
        ("loss", formulas.LOSS, LOSSES),
        ("step", formulas.STEP, UPDATES),
    ):
        assert [names[first + entry.code] for entry in table] == [f"{kind}_{entry.name}" for entry in table]
    assert len(set(names)) == len(names)


ARITHMETIC = re.compile(r"= (?:[a-z]+ )*?(?:f(?:add|mul|sub|div|neg|cmp|pext)|call)\b.*\bdouble\b")


@compiled_only
@pytest.mark.parametrize("kind", ["activate", "backward", "link", "step"])
def test_float32_loops_hold_no_float64_arithmetic(float32_ir, kind):
    """Numba widens float32 at the first literal; FollowArguments keeps the formulas narrow."""
    looked_at = 0
    for name, text in float32_ir(kind):
        assert " float" in text or name.endswith("_identity")
        wide = [line for line in text.splitlines() if ARITHMETIC.search(line)]
        if kind == "step":  # a step's four numbers are computed in float64, once: no vectors of them
            wide = [line for line in wide if " x double>" in line]
        wide = [line for line in wide if f"{len(name)}{name}" not in line]  # the call of the loop, which returns 0.0
        assert not wide, (name, wide[:3])
        looked_at += 1
    assert looked_at >= 4


@compiled_only
def test_float32_losses_call_no_float64_function(float32_ir):
    """A loss is summed in float64, so it may widen a result, but nothing transcendental may work on one."""
    looked_at = 0
    for name, text in float32_ir("loss"):
        assert " float" in text
        assert not re.findall(r"_f64|call [^\n]*double @(?:llvm\.)?(?:exp|log|tanh|erf)\w*", text), name
        looked_at += 1
    assert looked_at == len(LOSSES)


def network(sizes=(64, 256, 256, 10), dtype=np.float32):
    plan = P.make_plan(sizes, [1] * (len(sizes) - 2) + [0], 1, True)
    theta = np.random.default_rng(0).normal(0, 0.1, plan[0, P.N_PARAMETERS]).astype(dtype)
    return plan, P.make_const(plan), theta


def predict_many(kernels, plan, const, theta, X):
    out = np.empty((len(X), plan[0, P.OUTPUTS]), theta.dtype)
    work = np.empty(kernels.work_size("predict", plan, len(X), 1), theta.dtype)
    kernels.predict(plan, const, theta, X, NO_INDICES, NO_INDICES, work, out, 1)
    return out


@compiled_only
def test_gil_is_released():
    kernels = common.load("numba")
    plan, const, theta = network()
    X = np.random.default_rng(1).normal(size=(20_000, 64)).astype(np.float32)
    predict_many(kernels, plan, const, theta, X[:10])  # compile
    ticks, done = [], threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        start = time.perf_counter()
        while time.perf_counter() - start < 0.5:
            begin = time.perf_counter()
            predict_many(kernels, plan, const, theta, X)
            end = time.perf_counter()
            if sum(begin < moment < end for moment in ticks) > 3:
                break
        else:
            pytest.fail("no other thread ran while a kernel did")
    finally:
        done.set()
        thread.join()


def test_two_threads_at_once_agree_with_one():
    kernels = common.load("numba")
    plan, const, theta = network((8, 16, 3))
    X = np.random.default_rng(1).normal(size=(500, 8))
    expected = predict_many(kernels, plan, const, theta, X)
    assert np.ptp(expected) > 0.01
    results = [None] * 4

    def work(i):
        for _ in range(20):
            results[i] = predict_many(kernels, plan, const, theta, X)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(results))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        assert common.same_bits(result, expected)


@compiled_only
def test_strides_and_dtypes_of_X_compile_nothing_new():
    kernels = common.load("numba")
    numba_kernels = importlib.import_module("fastnn.kernels.numba_kernels")
    plan, const, theta = network((8, 16, 3))
    X = np.random.default_rng(1).integers(0, 9, (50, 8))
    expected = predict_many(kernels, plan, const, theta, X.astype(np.float32))
    read_only = X.astype(np.float64)
    read_only.flags.writeable = False
    for variant in (np.asfortranarray(X, np.float32), X.astype(np.uint8), read_only, X.astype(np.float64)[::-1][::-1]):
        common.assert_close(predict_many(kernels, plan, const, theta, variant), expected, 1e-6)
    assert len(numba_kernels.predict_program["f"].signatures) == 1


def test_interpreted_kernels_equal_the_reference():
    """With NUMBA_DISABLE_JIT the same text runs as plain Python, in silence."""
    code = TRAIN[: TRAIN.index("program =")] + "print('equal')"
    assert in_subprocess(code, NUMBA_DISABLE_JIT="1") == "equal"


def test_warnings_stay_off_in_compiled_code():
    """Overflow in a kernel is the caller's to look for, as in the reference."""
    kernels = common.load("numba")
    plan, const, theta = network((4, 5, 3), np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out = predict_many(kernels, plan, const, theta * 1e200, np.full((3, 4), 1e200))
    assert out.shape == (3, 3)


# ---- where the way changes with the shape


@pytest.mark.parametrize("dtype", common.DTYPES)
@pytest.mark.parametrize("rows", [3, 4099])
@pytest.mark.parametrize("width", [1, 2, 7, 8, 15, 63, 64])
def test_weighted_losses_of_any_width(dtype, rows, width):
    numba, reference = common.load("numba"), common.load("numpy")
    rng = np.random.default_rng(width)
    weights = rng.random(rows) * (rng.random(rows) < 0.8)
    R, T, weights = (a.astype(dtype) for a in (rng.standard_normal((rows, width)), rng.random((rows, width)), weights))
    const = P.make_const(np.zeros((2, 8), np.int64), loss_parameter=0.3)
    for loss in LOSSES:
        found, wanted = np.empty_like(R), np.empty_like(R)
        values = [k.loss_grad(loss.code, const, R, T, weights, float(rows), dR)
                  for k, dR in ((numba, found), (reference, wanted))]  # fmt: skip
        tolerance = common.TOLERANCE[dtype].one_pass
        common.assert_close(values[0], values[1], tolerance, scale=max(1.0, abs(values[1])))
        common.assert_close(found, wanted, tolerance, scale=max(1e-3, float(np.linalg.norm(wanted))))


@pytest.mark.parametrize("dtype", common.DTYPES)
@pytest.mark.parametrize("shape", [(1, 3), (2, 1), (128, 16), (129, 16), (5000, 1), (600, 8)])
def test_pieces_on_either_side_of_where_numpy_is_taken(dtype, shape):
    numba, reference = common.load("numba"), common.load("numpy")
    rng = np.random.default_rng(shape[0])
    m, n = shape
    X, W, b, dY = (rng.standard_normal(s).astype(dtype) for s in ((m, 5), (5, n), (n,), (m, n)))
    tolerance = common.TOLERANCE[dtype].one_pass
    for act in ACTIVATIONS:
        results = []
        for k in (numba, reference):
            Y, Z, dZ = np.empty_like(dY), np.empty_like(dY), dY.copy()
            k.dense_forward(X, W, b, act.code, Y, Z, 1)
            YZ = Z if P.make_plan([5, n], [act.code], 0, True)[1, P.READS_INPUT] else Y
            dX, dW, db = np.empty_like(X), np.empty_like(W), np.empty_like(b)
            k.dense_backward(X, W, YZ, dZ, act.code, dX, dW, db, 1)
            results.append((Y, dZ, dX, dW, db))
        for found, wanted in zip(*results, strict=True):
            common.assert_close(found, wanted, 20 * tolerance, scale=max(1.0, float(np.linalg.norm(wanted))))
    x = np.abs(X @ W) + dtype.type(0.01)
    for function in FUNCTIONS:
        found, wanted = np.empty_like(x), np.empty_like(x)
        numba.elementary(function.code, x, found)
        reference.elementary(function.code, x, wanted)
        common.assert_close(found, wanted, tolerance)
    for link in LINKS:
        found, wanted = np.empty_like(x), np.empty_like(x)
        numba.link(link.code, x, found)
        reference.link(link.code, x, wanted)
        common.assert_close(found, wanted, tolerance)


@pytest.mark.filterwarnings("error")
def test_what_numpy_does_here_overflows_in_silence():
    numba = common.load("numba")
    x = np.full((5000, 1), 1e5, np.float32)
    for link in LINKS:
        numba.link(link.code, x, np.empty_like(x))
    for function in FUNCTIONS:
        numba.elementary(function.code, -x, np.empty_like(x))
    for act in ACTIVATIONS:
        Y = np.empty_like(x)
        huge = np.full((1, 1), 3e38, np.float32)
        numba.dense_forward(x, huge, np.zeros(1, np.float32), act.code, Y, Y.copy(), 1)
        dW, db = np.empty((1, 1), np.float32), np.empty(1, np.float32)
        numba.dense_backward(x, huge, Y, x.copy(), act.code, np.empty_like(x), dW, db, 1)
