"""The limits that kernels are held against, measured in the same rounds.

Arithmetic: a loop of independent multiply-adds in registers, with the instructions of the CPU target in use, on as
many threads.  Memory: the C library's copy, or reading, of arrays of the size that the kernel touches, so that a kernel
whose arrays fit a cache is held against that cache.  A limit is a competitor whose "call" takes as long as the kernel's
operations (or bytes) would take at best: the paired ratio of the two is the share of the limit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.measure import Competitor

PEAK, COPY, READ = "multiply-adds", "memory copy", "memory read"
TURNS = 20_000  # about 100 us a sample of the loop
SAMPLES = 5  # of which the best counts, as for the kernels


def clock_of(timed: Callable[..., object], *arguments: object, samples: int = SAMPLES) -> Callable[[int], float]:
    """Return a clock over one of the time_... functions: the best of some samples, times the calls."""

    def clock(calls: int) -> float:
        each = max(1, calls // samples)
        seconds = np.empty(samples if calls >= samples else 1)
        timed(*arguments, each, seconds)
        return float(seconds.min()) * calls

    return clock


def peak(operations: float, dtype: str, threads: int) -> Competitor:
    """Return the limit of arithmetic for so many floating-point operations."""
    from fastnn.kernels import cython_kernels

    seconds = np.empty(SAMPLES)

    def clock(calls: int) -> float:
        done = cython_kernels.time_multiply_adds(dtype, threads, TURNS, 1, seconds)
        return calls * operations * float(seconds.min()) / done

    return Competitor(f"{PEAK}, {threads} thread{'s' if threads > 1 else ''}", lambda: None, threads, clock=clock,
                      answers=False, facts={"limit": "arithmetic"})  # fmt: skip


def memory(moved: float, footprint: int, dtype: str, reads_only: bool = False) -> Competitor:
    """Return the limit of memory for so many bytes moved, within arrays of so many bytes in all."""
    from fastnn.kernels import cython_kernels

    count = max(64, footprint // np.dtype(dtype).itemsize)
    if reads_only:
        x = np.ones(count, dtype)
        clock, each = clock_of(cython_kernels.time_read, x), x.nbytes
    else:
        x, y = np.ones((2, count // 2), dtype)
        clock, each = clock_of(cython_kernels.time_copy, x, y), 2 * x.nbytes

    def scaled(calls: int) -> float:
        repeats = max(1, min(calls * SAMPLES, int(2e6 // each)))  # some 100 us, whatever the size
        return clock(repeats) / repeats * calls * moved / each

    return Competitor(
        READ if reads_only else COPY, lambda: None, clock=scaled, answers=False, facts={"limit": "memory"}
    )
