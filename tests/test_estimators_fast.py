"""One row: the short way in, frozen callables, compiled pipelines.  Threads: joblib and threadpoolctl."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import textwrap

import joblib
import numpy as np
import pytest
import threadpoolctl
from estimators_common import OURS, TASKS, THEIRS, quiet_fit, standardised
from sklearn.ensemble import BaggingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler

import fastnn
from fastnn.estimators.threads import threads_here

X = standardised()


def fitted(task="multiclass", rows=X, **parameters):
    usual = {"hidden_layer_sizes": (5,), "max_iter": 3, "random_state": 0}
    est = OURS[TASKS[task].kind](**{**usual, **TASKS[task].extra, **parameters})
    return quiet_fit(est, rows, TASKS[task].y)


def methods(task):
    return ("predict_proba", "predict") if TASKS[task].kind == "classifier" else ("predict",)


# ---- the short way


@pytest.mark.parametrize("task", TASKS)
def test_the_short_way_gives_what_the_long_one_gives(task, monkeypatch):
    est = fitted(task)
    short = {method: getattr(est, method)(X[:3]) for method in methods(task)}
    monkeypatch.setattr(type(est), "_short", lambda self, X: None)
    for method, found in short.items():
        np.testing.assert_allclose(np.asarray(getattr(est, method)(X[:3]), dtype=found.dtype), found, rtol=1e-12) if (
            found.dtype.kind == "f") else np.testing.assert_array_equal(getattr(est, method)(X[:3]), found)  # fmt: skip


def test_what_takes_the_short_way():
    est = fitted()
    for taken in (X[:1], X[:5], X[::2], X.copy(order="F")):
        assert est._short(taken) is not None
    est32 = fitted(rows=X.astype(np.float32))
    assert est32._short(X[:1]) is None
    assert est32._short(X[:1].astype(np.float32)).dtype == np.float32
    refused = (X[0], X[:1].tolist(), X[:1, :3], X[:0], X[:1].astype(int), np.ma.array(X[:1]), X[:1].astype(">f8"),
               np.full((1, 7), np.nan), np.full((1, 7), np.inf), np.repeat(X, 100, axis=0))  # fmt: skip
    for other in refused:
        assert est._short(other) is None


def test_the_long_way_keeps_its_errors():
    est, theirs = fitted(), quiet_fit(THEIRS["classifier"]((5,), max_iter=1), X, TASKS["multiclass"].y)
    for bad in (np.full((1, 7), np.nan), X[:0], X[:1, :3]):
        told = []
        for each in (est, theirs):
            with pytest.raises(ValueError) as error:  # noqa: PT011
                each.predict_proba(bad)
            told.append(str(error.value))
        assert told[0] == told[1]
    huge = np.full((1, 7), 1e200)  # its squares overflow, it is finite all the same
    assert est.predict_proba(huge).shape == (1, 3)


def test_the_short_way_follows_training_and_backend():
    est = fitted()
    before = est.predict_proba(X[:1])
    est.partial_fit(X, TASKS["multiclass"].y)
    after = est.predict_proba(X[:1])
    assert not np.allclose(before, after)
    with fastnn.use_backend("numpy"):
        np.testing.assert_allclose(est.predict_proba(X[:1]), after, rtol=1e-12)


# ---- frozen callables


@pytest.mark.parametrize("task", TASKS)
def test_predictor_gives_what_the_method_gives(task):
    est = fitted(task)
    for method in methods(task):
        f, wanted = est.predictor(method), getattr(est, method)(X)
        many, one = f(X), f(X[0])
        if wanted.dtype.kind == "f":
            np.testing.assert_allclose(many, wanted, rtol=1e-12)
            np.testing.assert_allclose(one, wanted[0], rtol=1e-12)
        else:
            np.testing.assert_array_equal(many, wanted)
            np.testing.assert_array_equal(one, wanted[0])
        assert "Predictor" in repr(f)


def test_predictor_is_a_snapshot():
    est = fitted()
    f = est.predictor()
    assert isinstance(f, fastnn.Predictor)
    before = f(X[0])
    est.partial_fit(X, TASKS["multiclass"].y)
    np.testing.assert_array_equal(f(X[0]), before)
    with pytest.raises(ValueError, match="method must be 'predict_proba' or 'predict'"):
        est.predictor("decision_function")
    with pytest.raises(ValueError, match="method must be 'predict'"):
        fitted("one output").predictor("predict_proba")


def test_predictor_of_one_class():
    est = quiet_fit(fastnn.MLPClassifier((3,), max_iter=2), X, np.full(90, "only"))
    assert (est.predictor("predict")(X) == "only").all()
    assert (est.predict(X) == "only").all()


def test_predictor_pickles():
    for task in ("binary", "one output"):
        est = fitted(task)
        for method in methods(task):
            f = est.predictor(method)
            np.testing.assert_array_equal(pickle.loads(pickle.dumps(f))(X), f(X))


# ---- pipelines


@pytest.mark.parametrize("scalers", [(StandardScaler,), (MinMaxScaler,), (MinMaxScaler, StandardScaler), ()])
@pytest.mark.parametrize("task", TASKS)
def test_compiled_pipeline(task, scalers):
    raw = X * [1, 10, 0.1, 5, 1, 1, 1] + [0, 100, 3, 0, 0, -7, 1]
    for classes in (OURS, THEIRS):
        mlp = classes[TASKS[task].kind](**{"hidden_layer_sizes": (5,), "max_iter": 3, **TASKS[task].extra})
        pipe = quiet_fit(make_pipeline(*(scaler() for scaler in scalers), "passthrough", mlp), raw, TASKS[task].y)
        for method in methods(task):
            f, wanted = fastnn.compile_pipeline(pipe, method), getattr(pipe, method)(raw)
            if wanted.dtype.kind == "f":
                np.testing.assert_allclose(f(raw), wanted, rtol=1e-9, atol=1e-14)  # 1 - p has few digits near p = 1
                np.testing.assert_allclose(f(raw[0]), wanted[0], rtol=1e-9, atol=1e-14)
            else:
                np.testing.assert_array_equal(f(raw), wanted)


@pytest.mark.parametrize("scaler", [StandardScaler(with_mean=False), StandardScaler(with_std=False),
                                    StandardScaler(with_mean=False, with_std=False),
                                    MinMaxScaler(feature_range=(-1, 3))])  # fmt: skip
def test_compiled_pipeline_of_partial_scalers(scaler):
    pipe = quiet_fit(make_pipeline(scaler, fastnn.MLPClassifier((5,), max_iter=3)), X + 4, TASKS["multiclass"].y)
    np.testing.assert_allclose(fastnn.compile_pipeline(pipe)(X), pipe.predict_proba(X), rtol=1e-9)


def test_what_cannot_be_compiled_is_said():
    y = TASKS["multiclass"].y
    for scaler, name in ((MaxAbsScaler(), "MaxAbsScaler"), (MinMaxScaler(clip=True), "MinMaxScaler with clip=True")):
        pipe = quiet_fit(make_pipeline(scaler, fastnn.MLPClassifier((5,), max_iter=1)), X, y)
        with pytest.raises(TypeError, match=name):
            fastnn.compile_pipeline(pipe)
    with pytest.raises(TypeError, match="the last step must be an MLP"):
        fastnn.compile_pipeline(make_pipeline(StandardScaler()))
    with pytest.raises(TypeError, match="takes a fitted"):
        fastnn.compile_pipeline(fastnn.MLPClassifier())


# ---- threads


def test_threadpoolctl_sees_and_limits_the_pool():
    def ours():
        return [entry for entry in threadpoolctl.threadpool_info() if entry["user_api"] == "fastnn"]

    fastnn.set_num_threads(3)
    try:
        if "cython" in fastnn.available_backends():
            assert [entry["num_threads"] for entry in ours()] == [3]
            assert ours()[0]["version"] == fastnn.__version__
        with threadpoolctl.threadpool_limits(1):
            assert fastnn.get_num_threads() == (1 if ours() else 3)
        with threadpoolctl.threadpool_limits(2, user_api="fastnn"):
            assert fastnn.get_num_threads() == (2 if ours() else 3)
        with threadpoolctl.threadpool_limits(1, user_api="blas"):
            assert fastnn.get_num_threads() == 3
        assert fastnn.get_num_threads() == 3
    finally:
        fastnn.set_num_threads(None)


WORKERS = textwrap.dedent("""
    import os, sys, joblib, fastnn
    from fastnn.estimators.threads import threads_here

    def told():
        return os.getpid(), threads_here(None) or fastnn.get_num_threads()

    def nested():
        return [pair for found in joblib.Parallel(2)([joblib.delayed(told)()] * 2) for pair in [found]]

    if __name__ == "__main__":
        backend, job = sys.argv[1], {"told": told, "nested": nested}[sys.argv[2]]
        found = joblib.Parallel(2, backend=backend)(joblib.delayed(job)() for _ in range(4))
        pairs = found if job is told else [pair for inner in found for pair in inner]
        print(max(threads for _, threads in pairs), len({pid for pid, _ in pairs}))
""")


@pytest.mark.parametrize("job", ["told", "nested"])
@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_workers_of_joblib_take_their_share(backend, job, tmp_path):
    """Two workers of this machine's processors: together no more threads than processors."""
    script = tmp_path / "workers.py"
    script.write_text(WORKERS)
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, str(script), backend, job], env=environment, capture_output=True, text=True,
                          timeout=120, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    threads, processes = map(int, done.stdout.split())
    assert threads <= max(1, joblib.cpu_count() // 2)
    assert processes <= 2


def test_threads_that_are_asked_for_are_given():
    assert threads_here(3) == 3
    assert threads_here(None) is None


def test_bagging_in_threads_gives_what_it_gives_alone():
    y = TASKS["multiclass"].y
    fits = []
    for n_jobs in (1, 2):
        with joblib.parallel_config(backend="threading"):
            mlp = fastnn.MLPClassifier((5,), max_iter=3)
            bag = quiet_fit(BaggingClassifier(mlp, n_estimators=4, random_state=0, n_jobs=n_jobs), X, y)
            fits.append(bag)
    for a, b in zip(fits[0].estimators_, fits[1].estimators_, strict=True):
        np.testing.assert_array_equal(a.coefs_[0], b.coefs_[0])
