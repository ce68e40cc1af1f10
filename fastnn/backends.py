"""Which backend, which CPU target, how many threads.

A backend is a `kernels.table.Kernels` record.  The choice is, in this order: the ``backend=`` argument of a call, the
innermost `use_backend` of this thread or task, `set_backend`, the environment's ``FASTNN_BACKEND``, and "cython" where
the compiled extension can be imported, else "numpy".
"""

from __future__ import annotations

import contextlib
import contextvars
import importlib
import math
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ._version import __version__
from .checks import choice, whole
from .errors import MissingDependencyError

if TYPE_CHECKING:
    from fastnn.kernels.table import Kernels

__all__ = [
    "available_backends",
    "get_backend",
    "get_num_threads",
    "missing_backends",
    "set_backend",
    "set_num_threads",
    "show_config",
    "use_backend",
]

BACKENDS = ("cython", "numba", "numpy")
MOST_THREADS = 256  # as kernels/c/atomics.h has it
REMEDIES = {
    "cython": "pip install --force-reinstall --only-binary fastnn-kernels fastnn-kernels",
    "numba": 'pip install "fastnn-kernels[numba]"',
    "numpy": "pip install --force-reinstall fastnn-kernels",
}
PROCESSORS = "the processors that this process may use"  # where the number of threads is from if nobody has set it
SERIAL_WORK = 1e6  # floating-point operations between two barriers below which one thread is used; 2 us at 500 GFLOP/s

# What os.environ wraps, and the name as it has it: asking the wrapper takes 1.6 us at every call of every function.
_ENVIRONMENT: Mapping[Any, Any] = getattr(os.environ, "_data", os.environ)
_NAME_OF_DEFAULT: Any = os.environ.encodekey("FASTNN_BACKEND") if hasattr(os.environ, "_data") else "FASTNN_BACKEND"

_process_backend: str | None = None
_process_threads: int | None = None
_context_backend: contextvars.ContextVar[str | None] = contextvars.ContextVar("fastnn_backend", default=None)


@cache
def _load(name: str) -> Kernels | str:
    """Return the backend's record, or the reason why it is missing."""
    try:
        module = importlib.import_module(f"fastnn.kernels.{name}_kernels")
    except ImportError as error:
        return str(error) or type(error).__name__
    kernels: Kernels = module.KERNELS
    return kernels


def kernels(name: str | None = None) -> Kernels:
    """Return the record of the named backend, or of the current one.

    Raises
    ------
    ValueError
        For an unknown name.
    MissingDependencyError
        If the backend cannot be imported; the message gives the reason and the remedy.
    """
    chosen = get_backend() if name is None else choice(name, "backend", BACKENDS)
    found = _load(chosen)
    if isinstance(found, str):
        told = f"the {chosen} backend is not available: {found.rstrip('.')}."
        if "FASTNN_ISA" not in found:  # that reason says itself what to do
            told += f" To have it: {remedy(chosen, found)}"
        raise MissingDependencyError(told)
    return found


def remedy(name: str, reason: str) -> str:
    """Return what brings a backend that is missing for this reason."""
    return "unset FASTNN_ISA" if "FASTNN_ISA" in reason else REMEDIES[name]


def available_backends() -> tuple[str, ...]:
    """Return the names of the backends that can be used here, fastest first.

    This imports each of them, Numba included; `get_backend` does not.

    Examples
    --------
    >>> "numpy" in available_backends()
    True
    """
    return tuple(name for name in BACKENDS if not isinstance(_load(name), str))


def missing_backends() -> dict[str, str]:
    """Return the backends that cannot be used, each with the reason.

    Examples
    --------
    >>> "numpy" in missing_backends()
    False
    """
    return {name: str(found) for name in BACKENDS if isinstance(found := _load(name), str)}


def get_backend() -> str:
    """Return the name of the backend that a call without ``backend=`` uses in this thread or task.

    Raises ValueError where ``FASTNN_BACKEND`` names an unknown one.

    Examples
    --------
    >>> with use_backend("numpy"):
    ...     get_backend()
    'numpy'
    """
    chosen = _context_backend.get() or _process_backend
    if chosen is None:
        if _ENVIRONMENT.get(_NAME_OF_DEFAULT):
            chosen = choice(os.environ["FASTNN_BACKEND"], "backend (from FASTNN_BACKEND)", BACKENDS)
        else:
            # A wrong FASTNN_ISA is an error to be told, and no reason for a slower backend.
            fallback = isinstance(_load("cython"), str) and not os.environ.get("FASTNN_ISA")
            chosen = "numpy" if fallback else "cython"
    return chosen


def set_backend(name: str | None) -> None:
    """Set the process's default backend; None returns to the automatic choice.

    Raises ValueError for an unknown name, MissingDependencyError for one that cannot be used; nothing is then changed.

    Examples
    --------
    >>> set_backend("numpy")
    >>> set_backend(None)
    """
    global _process_backend
    if name is not None:
        name = kernels(name).name
    _process_backend = name


@contextlib.contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Use a backend within a ``with`` block, in this thread or asyncio task only.

    Raises as `set_backend` does.

    Examples
    --------
    >>> with use_backend("numpy"):
    ...     get_backend()
    'numpy'
    """
    token = _context_backend.set(kernels(name).name)
    try:
        yield
    finally:
        _context_backend.reset(token)


def set_num_threads(n: int | None) -> None:
    """Set how many threads a call may use by default; None returns to the automatic choice.

    Examples
    --------
    >>> set_num_threads(1)
    >>> get_num_threads()
    1
    >>> set_num_threads(None)
    """
    global _process_threads
    _process_threads = None if n is None else whole(n, "num_threads", 1)


def get_num_threads() -> int:
    """Return how many threads a call may use by default.

    That is: `set_num_threads`, else ``FASTNN_NUM_THREADS``, else ``OMP_NUM_THREADS``, else the processors that this
    process's affinity and its control group's quota allow.

    Raises ValueError where ``FASTNN_NUM_THREADS`` holds no whole number of at least 1.

    Examples
    --------
    >>> get_num_threads() >= 1
    True
    """
    return num_threads_source()[0]


def num_threads_source() -> tuple[int, str]:
    """Return what `get_num_threads` returns, and where it has the number from."""
    if _process_threads is not None:
        return _process_threads, "set_num_threads"
    text = os.environ.get("FASTNN_NUM_THREADS", "").strip()
    if text:
        if not (text.isdecimal() and int(text) > 0):
            raise ValueError(f"FASTNN_NUM_THREADS must be a whole number of at least 1, got {text!r}.")
        return int(text), "FASTNN_NUM_THREADS"
    # OMP_NUM_THREADS may be a list, one number per nesting level; what is wrong in it is for OpenMP to tell
    text = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if text.isdecimal() and int(text) > 0:
        return int(text), "OMP_NUM_THREADS"
    return _processors(), PROCESSORS


@cache
def _processors() -> int:
    """Return the processors allowed by affinity and by the cgroup quota, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    return max(1, math.ceil(min(count, _cgroup_quota())))


def _cgroup_quota() -> float:
    """Return the processors that the control group allows, version 2 or 1, or infinity."""
    for quota_file, period_file in (
        ("/sys/fs/cgroup/cpu.max", None),
        ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
    ):
        try:
            words = Path(quota_file).read_text().split()
            if period_file:
                words += Path(period_file).read_text().split()
            quota, period = float(words[0]), float(words[1])
        except (OSError, ValueError, IndexError):
            continue
        if quota > 0 and period > 0:
            return quota / period
    return math.inf


def threads_for(work: float, num_threads: int | None) -> int:
    """Return the threads of one call: those asked for, else one below SERIAL_WORK operations, else the default."""
    if num_threads is not None:
        return min(whole(num_threads, "num_threads", 1), MOST_THREADS)
    return 1 if work < SERIAL_WORK else min(get_num_threads(), MOST_THREADS)


def config() -> dict[str, Any]:
    """Return what `show_config` prints, as a dict; what the environment has wrong is told in it, not raised."""
    backend = backend_error = threads = threads_from = threads_error = None
    try:
        backend = get_backend()
    except ValueError as error:
        backend_error = str(error)
    try:
        threads, threads_from = num_threads_source()
    except ValueError as error:
        threads_error = str(error)
    compiled = _load("cython")
    compiled_info: dict[str, Any] = {}
    if not isinstance(compiled, str):
        compiled_info = importlib.import_module("fastnn.kernels.cython_kernels").info()
    return {
        "fastnn": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "backend": backend,
        "backend_error": backend_error,
        "available": available_backends(),
        "missing": missing_backends(),
        "cpu_target": compiled_info.get("target"),
        "cpu_targets": tuple(compiled_info.get("targets", ())),
        "num_threads": threads,
        "num_threads_from": threads_from,
        "num_threads_error": threads_error,
    }


def show_config() -> None:
    """Print versions, backends, why one is missing, the CPU target and the threads.

    Examples
    --------
    >>> show_config()  # doctest: +ELLIPSIS
    fastnn ...
    """
    found = config()
    lines = [
        ("fastnn", found["fastnn"]),
        ("python", found["python"]),
        ("numpy", found["numpy"]),
        ("platform", found["platform"]),
        ("backends", ", ".join(found["available"]) + f"  (default: {found['backend'] or found['backend_error']})"),
        *((f"  no {name}", reason) for name, reason in found["missing"].items()),
        ("CPU target", f"{found['cpu_target']}  (this build and processor: {', '.join(found['cpu_targets'])})"
         if found["cpu_target"] else "none (compiled backend missing)"),
        ("threads", str(found["num_threads"] or found["num_threads_error"])),
    ]  # fmt: skip
    sys.stdout.write("".join(f"{name:<12} {value}\n" for name, value in lines))
