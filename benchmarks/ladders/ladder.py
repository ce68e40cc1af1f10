"""What a ladder is, and its C, compiled on demand."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Absent, Competitor, Contest
from fastnn.datasets.files import cache_dir

HERE = Path(__file__).resolve().parent
# No automatic vectorisation: a rung is what its text says, not what the compiler makes of it.
FLAGS = ["-O3", "-std=gnu11", "-shared", "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast",
         "-fno-tree-vectorize", "-fno-tree-slp-vectorize", "-pthread"]  # fmt: skip

Arrays = dict[str, np.ndarray]
#: What a version makes of the data: the work, and its own clock or None.
Rung = tuple[Callable[[], Any], Callable[[int], float] | None]


class Unavailable(Exception):
    """A rung that cannot be climbed here, with the reason; ``status`` as in `Absent`."""

    def __init__(self, reason: str, status: str = "skipped") -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Version:
    """One rung.

    Parameters
    ----------
    name : str
        In a few words, unique within the ladder.
    idea : str
        What it changes against the rung before, and why that ought to help.
    lesson : str
        What the figures said; begins with "No:" where it did not help.
    make : callable
        ``make(arrays) -> (run, clock or None)``; raises `Unavailable` where it cannot.
    threads : int
    """

    name: str
    idea: str
    lesson: str
    make: Callable[[Arrays], Rung]
    threads: int = 1


@dataclass(frozen=True)
class Ladder:
    """A kernel's versions.

    Parameters
    ----------
    name, what : str
    sizes, toy_sizes : sequences of int
    data : callable
        ``data(size) -> arrays``
    versions : sequence of Version
    tolerance : float
        Largest relative difference of an answer to that of the first version.
    unit : callable
        ``unit(size) -> how many`` elements, multiply-adds ... a call works on.
    """

    name: str
    what: str
    sizes: Sequence[int]
    toy_sizes: Sequence[int]
    data: Callable[[int], Arrays]
    versions: Sequence[Version]
    tolerance: float
    unit: Callable[[int], float]

    def contest(self, size: int) -> Contest:
        """Return the rungs that can be climbed at a size; the baseline is the first of them."""
        arrays = self.data(size)
        made, absent = [], []
        for rung, version in enumerate(self.versions, start=1):
            name, facts = f"{rung} {version.name}", {"rung": rung, "units": self.unit(size)}
            try:
                run, clock = version.make(arrays)
            except Unavailable as reason:
                absent.append(Absent(name, reason.status, str(reason), version.threads, facts))
                continue
            made.append(Competitor(name, run, version.threads, clock=clock, facts=facts))
        return Contest(made, made[0].name, self.tolerance, absent)


@cache
def library(name: str) -> ctypes.CDLL:
    """Return NAME.c, compiled for this processor; made once per source, flags and processor.

    Raises
    ------
    Unavailable
        If there is no C compiler that can.
    """
    compiler = next((found for c in ("cc", "gcc", "clang") if (found := shutil.which(c))), None)
    if compiler is None or os.name == "nt":
        raise Unavailable("no C compiler of the kind that takes GCC's options")
    source = HERE / f"{name}.c"
    texts = [source.read_text(), (HERE / "ladder.h").read_text(), *FLAGS, platform.node(), platform.version()]
    folder = (cache_dir() or Path(tempfile.gettempdir())) / "benchmarks"
    made = folder / f"{name}-{hashlib.sha256(' '.join(texts).encode()).hexdigest()[:16]}.so"
    if not made.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as room:
            fresh = Path(room) / made.name
            for march in (["-march=native"], ["-mcpu=native"], []):
                line = [compiler, *FLAGS, *march, str(source), "-o", str(fresh), "-lm"]
                done = subprocess.run(line, capture_output=True, text=True, check=False)
                if done.returncode == 0:
                    break
            else:
                raise Unavailable(f"{source.name} does not compile here: {done.stderr.strip().splitlines()[-1]}")
            os.replace(fresh, made)
    return ctypes.CDLL(str(made))


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    """Return where an array's numbers lie."""
    return ctypes.c_void_p(array.ctypes.data)
