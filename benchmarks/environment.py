"""What a result is worth depends on where it was obtained: the header of every report; BLAS threads."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from . import guard

PACKAGES = (
    "numpy", "scipy", "scikit-learn", "torch", "jax", "onnxruntime", "numba", "Cython", "pytest-benchmark",
)  # fmt: skip
VARIABLES = (
    "FASTNN_BACKEND", "FASTNN_ISA", "FASTNN_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
    *guard.BLAS_VARIABLES,
)  # fmt: skip


def cpu_model() -> str:
    """Return the processor's name as its maker gives it, or the architecture."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    if platform.system() == "Darwin":
        told = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False)
        if told.stdout.strip():
            return told.stdout.strip()
    return platform.processor() or platform.machine()


def version_of(package: str) -> str | None:
    """Return the installed version of a distribution, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def header() -> dict[str, Any]:
    """Return where and with what this process measures, as plain JSON values.

    ``blas`` is what threadpoolctl finds loaded at the time of the call, so call it after the competitors are there;
    without the paths, which tell about a machine and not about a result.
    """
    from fastnn import backends

    found = backends.config()
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "threads": found["num_threads"],
        "threads_from": found["num_threads_from"],
        "target": found["cpu_target"],
        "targets": list(found["cpu_targets"]),
        "platform": found["platform"],
        "python": found["python"],
        "fastnn": found["fastnn"],
        "versions": {name: version_of(name) for name in PACKAGES},
        "blas": [{k: v for k, v in library.items() if k != "filepath"} for library in _pools()],
        "load": [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def all_threads() -> int:
    """Return how many threads "all" is: what fastnn takes where nobody says."""
    import fastnn

    return fastnn.get_num_threads()


def _pools() -> list[dict[str, Any]]:
    import threadpoolctl

    return threadpoolctl.threadpool_info()


@cache
def _controller() -> Any:
    import threadpoolctl

    return threadpoolctl.ThreadpoolController().select(user_api="blas")


def set_blas_threads(n: int) -> None:
    """Let every BLAS that is loaded use n threads; a change costs about 10 us, so never within a timed call."""
    for library in _controller().lib_controllers:
        if library.num_threads != n:
            library.set_num_threads(n)


def forget_blas() -> None:
    """Look for BLAS libraries again: a competitor may have loaded another one."""
    _controller.cache_clear()
