"""Which backend and how many threads: by call, by thread or task, by process, by environment."""

from __future__ import annotations

import asyncio
import os
import threading

import numpy as np
import pytest
from network_common import run_python

import fastnn


@pytest.fixture
def default_backend():
    """Leave the process's backend and threads as they were."""
    before = fastnn.backends._process_backend, fastnn.backends._process_threads
    yield
    fastnn.backends._process_backend, fastnn.backends._process_threads = before


def test_use_backend_nests_and_restores(backend, default_backend):
    fastnn.set_backend("numpy")
    with fastnn.use_backend(backend.name):
        assert fastnn.get_backend() == backend.name
        with fastnn.use_backend("numpy"):
            assert fastnn.get_backend() == "numpy"
        assert fastnn.get_backend() == backend.name
        with pytest.raises(RuntimeError), fastnn.use_backend("numpy"):
            raise RuntimeError
        assert fastnn.get_backend() == backend.name
    assert fastnn.get_backend() == "numpy"


def test_use_backend_is_for_this_thread_only(default_backend):
    fastnn.set_backend("numpy")
    other = next(name for name in (*fastnn.available_backends(), "numpy"))
    seen, inside, leave = [], threading.Event(), threading.Event()

    def within():
        with fastnn.use_backend(other):
            inside.set()
            leave.wait(10)
            seen.append(fastnn.get_backend())

    thread = threading.Thread(target=within)
    thread.start()
    inside.wait(10)
    seen.append(fastnn.get_backend())
    leave.set()
    thread.join()
    assert seen == ["numpy", other]


def test_use_backend_is_for_this_task_only(default_backend):
    fastnn.set_backend("numpy")
    names = (*fastnn.available_backends(), "numpy")

    async def task(name):
        with fastnn.use_backend(name):
            await asyncio.sleep(0.01)
            return fastnn.get_backend()

    async def main():
        found = await asyncio.gather(*(task(name) for name in names))
        return found, fastnn.get_backend()

    assert asyncio.run(main()) == (list(names), "numpy")


def test_which_backend(monkeypatch, default_backend):
    available = fastnn.available_backends()
    assert "numpy" in available
    fastnn.set_backend(None)
    monkeypatch.delenv("FASTNN_BACKEND", raising=False)
    assert fastnn.get_backend() == ("cython" if "cython" in available else "numpy")
    monkeypatch.setenv("FASTNN_BACKEND", "numpy")
    assert fastnn.get_backend() == "numpy"
    fastnn.set_backend(available[0])
    assert fastnn.get_backend() == available[0]
    with fastnn.use_backend("numpy"):
        assert fastnn.get_backend() == "numpy"
        with pytest.raises(ValueError, match="unknown backend"):
            fastnn.set_backend("c")
    assert fastnn.get_backend() == available[0]


def test_a_wrong_cpu_target_is_told_and_not_slow():
    if "cython" not in fastnn.available_backends():
        pytest.skip("no compiled backend")
    printed = run_python("""
        import os
        os.environ["FASTNN_ISA"] = "v9"
        os.environ.pop("FASTNN_BACKEND", None)
        import fastnn
        fastnn.show_config()
        try:
            fastnn.Network([1, 1], output="identity").predict([[1.0]])
        except fastnn.MissingDependencyError as error:
            print(error)
        with fastnn.use_backend("numpy"):
            print(fastnn.Network([1, 1], output="identity").predict([[0.0]]))
    """)
    assert "the cython backend is not available: FASTNN_ISA='v9' names no CPU target" in printed
    assert "[[0.]]" in printed
    assert printed.count("Unset FASTNN_ISA to take the best.\n") == 2  # of show_config, and of the error
    assert "install" not in printed


def test_how_many_threads(monkeypatch, default_backend):
    fastnn.set_num_threads(None)
    for variable in ("FASTNN_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(variable, raising=False)
    allowed = fastnn.get_num_threads()
    assert 1 <= allowed <= os.cpu_count()
    monkeypatch.setenv("OMP_NUM_THREADS", "5,2")
    assert fastnn.get_num_threads() == 5
    monkeypatch.setenv("FASTNN_NUM_THREADS", "3")
    assert fastnn.get_num_threads() == 3
    fastnn.set_num_threads(7)
    assert fastnn.get_num_threads() == 7
    assert fastnn.backends.threads_for(1e12, None) == 7
    assert fastnn.backends.threads_for(10.0, None) == 1
    assert fastnn.backends.threads_for(10.0, 2) == 2
    fastnn.set_num_threads(None)
    monkeypatch.setenv("FASTNN_NUM_THREADS", " ")
    assert fastnn.backends.num_threads_source() == (5, "OMP_NUM_THREADS")
    for others in ("0", "-1", "many"):
        monkeypatch.setenv("OMP_NUM_THREADS", others)
        assert fastnn.get_num_threads() == allowed


@pytest.mark.parametrize("wrong", ["0", "-1", "four", "1.5", "3,2"])
def test_a_wrong_number_of_threads_in_the_environment(monkeypatch, default_backend, capsys, wrong):
    fastnn.set_num_threads(None)
    monkeypatch.setenv("FASTNN_NUM_THREADS", wrong)
    with pytest.raises(ValueError, match=f"FASTNN_NUM_THREADS must be a whole number of at least 1, got '{wrong}'"):
        fastnn.get_num_threads()
    fastnn.show_config()
    assert f"FASTNN_NUM_THREADS must be a whole number of at least 1, got '{wrong}'" in capsys.readouterr().out
    fastnn.set_num_threads(2)
    assert fastnn.backends.num_threads_source() == (2, "set_num_threads")


def test_show_config_says_what_is_there_and_what_is_missing(capsys, monkeypatch):
    fastnn.show_config()
    shown = capsys.readouterr().out
    for word in (fastnn.__version__, np.__version__, "numpy", fastnn.get_backend(), "threads"):
        assert word in shown
    monkeypatch.setattr(fastnn.backends, "_load", lambda name: fastnn.kernels.numpy_kernels.KERNELS
                        if name == "numpy" else f"the {name} reason")  # fmt: skip
    fastnn.show_config()
    shown = capsys.readouterr().out
    assert "no cython" in shown
    assert "the numba reason" in shown
    assert "compiled backend missing" in shown
    assert fastnn.backends.missing_backends() == {"cython": "the cython reason", "numba": "the numba reason"}
