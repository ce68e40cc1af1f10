"""Threads under joblib and threadpoolctl: never more than the processors that are there.

- A process of joblib's loky backend has ``OMP_NUM_THREADS`` set by joblib, and fastnn heeds it.
- Other workers of joblib (threads, forked processes) are told nothing: there a fit takes one thread, unless the number
  was set (``num_threads``, ``fastnn.set_num_threads``, ``FASTNN_NUM_THREADS``, ``OMP_NUM_THREADS``).  A worker that is
  a thread takes one whatever the environment says, as its neighbours read the same environment.
- threadpoolctl sees the pool as ``user_api="fastnn"`` and limits it as any other.
"""

from __future__ import annotations

import sys
import threading

import threadpoolctl

from .. import backends
from .._version import __version__

__all__ = ["PoolController", "register", "threads_here"]


def threads_here(asked: int | None) -> int | None:
    """Return how many threads a call may take: those asked for, one inside a joblib worker, None for the default."""
    if asked is not None:
        return asked
    parallel = sys.modules.get("joblib.parallel")
    if parallel is None or not parallel.get_active_backend()[0].nesting_level:
        return None
    if threading.current_thread() is not threading.main_thread():
        return 1
    told = backends.num_threads_source()[1]
    return None if told != backends.PROCESSORS else 1


class PoolController(threadpoolctl.LibController):
    """What threadpoolctl needs to see and limit fastnn's thread pool.

    Examples
    --------
    >>> import fastnn, fastnn.estimators, threadpoolctl
    >>> with threadpoolctl.threadpool_limits(1, user_api="fastnn"):
    ...     fastnn.get_num_threads()
    1
    """

    user_api = "fastnn"
    internal_api = "fastnn"
    filename_prefixes = ("cython_kernels.",)
    check_symbols = ("PyInit_cython_kernels",)

    def get_num_threads(self) -> int:
        """Return how many threads a call may use by default."""
        return backends.get_num_threads()

    def set_num_threads(self, num_threads: int) -> None:
        """Set that number; back to automatic where it is what automatic gives."""
        backends.set_num_threads(None)
        if num_threads != backends.get_num_threads():
            backends.set_num_threads(num_threads)

    def get_version(self) -> str:
        """Return fastnn's version."""
        return __version__


def register() -> None:
    """Make the pool known to threadpoolctl, once."""
    if PoolController not in threadpoolctl._ALL_CONTROLLERS:
        threadpoolctl.register(PoolController)
