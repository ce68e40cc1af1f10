"""Every kernel at every shape, dtype, backend and CPU target, against the limit measured in the same rounds.

Under each target that this processor has: the compiled kernels, timed inside C and as Python calls them.  Under the
best one also the other backends, and what NumPy and PyTorch have for the same.  "In C" on one thread is the bare
kernel; on more it is the whole of the door's matmul, pool and all.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

import fastnn
from benchmarks.environment import all_threads
from benchmarks.measure import Absent, Competitor, Contest, Mode
from benchmarks.suite import Case, Suite
from fastnn.backends import kernels as kernels_of
from fastnn.kernels import cython_kernels

from . import elements, limits, shapes, show

IN_C = "cython, in C"
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}
OTHERS = ("numpy", "numba")


def is_best_target() -> bool:
    """Tell whether this process runs the best target: only there do the others compete."""
    info = cython_kernels.info()
    return info["target"] == info["targets"][0]


def counts() -> tuple[int, ...]:
    """Return one thread and all."""
    return (1, all_threads()) if all_threads() > 1 else (1,)


def with_threads(name: str, threads: int) -> str:
    """Return a competitor's name at a number of threads."""
    return name if threads == 1 else f"{name}, {threads} threads"


def other_backends(absent: list[Absent]) -> list[str]:
    """Return the other backends that can be imported; note those that cannot."""
    if not is_best_target():
        return []
    missing = fastnn.backends.missing_backends()
    absent += [Absent(name, "skipped", missing[name]) for name in OTHERS if name in missing]
    return [name for name in OTHERS if name not in missing]


def product_contest(work: shapes.Work) -> Contest:
    """Return who multiplies matrices: the kernel in C and through Python, on one thread and on all."""
    m, k, n = work.shape
    rng = np.random.default_rng(0)
    A = rng.standard_normal((k, m) if work.transposed else (m, k)).astype(work.dtype)
    A = A.T if work.transposed else A
    B, C = rng.standard_normal((k, n)).astype(work.dtype), np.empty((m, n), work.dtype)
    absent: list[Absent] = []
    made = [limits.peak(work.flops, work.dtype, threads) for threads in counts()]

    def through_python(name: str, threads: int) -> Competitor:
        matmul = kernels_of(name).matmul

        def run() -> np.ndarray:
            matmul(A, B, C, False, threads)
            return C

        return Competitor(with_threads(name, threads), run, threads)

    for name in other_backends(absent):  # the reference first
        made += [through_python(name, threads) for threads in counts()]
    for threads in counts():
        in_python = through_python("cython", threads)
        clock = limits.clock_of(cython_kernels.time_matmul, A, B, C, False, threads)
        made += [Competitor(with_threads(IN_C, threads), in_python.run, threads, clock=clock), in_python]
    return Contest(made, made[0].name, TOLERANCE[work.dtype], absent)


def element_contest(work: shapes.Work) -> Contest:
    """Return who passes over memory: the kernel in C and through Python, the other backends, NumPy and PyTorch."""
    found = elements.Elements(work)
    absent: list[Absent] = []
    made = [limits.memory(work.moved, int(work.moved), work.dtype, work.reads_only)]
    for name in other_backends(absent):
        made.append(Competitor(name, found.on(kernels_of(name)), before=found.restore))
    in_python = Competitor("cython", found.on(kernels_of("cython")), before=found.restore)
    timed, arguments = found.in_c
    clock = limits.clock_of(getattr(cython_kernels, timed), *arguments)
    made += [Competitor(IN_C, in_python.run, before=found.restore, clock=clock), in_python]
    if is_best_target() and work.kernel in elements.NUMPY:
        made.append(Competitor("NumPy", partial(elements.NUMPY[work.kernel], found.x, np.empty_like(found.x))))
    if is_best_target() and work.kernel in elements.TORCH:
        try:
            run, one_thread = elements.torch_of(work, found.x)
            made.append(Competitor("PyTorch", run, before=one_thread))
        except ImportError as error:
            absent.append(Absent("PyTorch", "skipped", str(error)))
    return Contest(made, made[0].name, TOLERANCE[work.dtype], absent)


def cases(mode: Mode) -> Iterator[Case]:
    """Yield every kernel at every shape, under the target of this process."""
    target = cython_kernels.info()["target"]
    for room, contest in ((shapes.products, product_contest), (shapes.elementwise, element_contest)):
        for work in room(mode.toy):
            facts = {
                "kernel": work.kernel, "shape": list(work.shape), "dtype": work.dtype, "transposed": work.transposed,
                "target": target, "flops": work.flops, "moved": work.moved,
            }  # fmt: skip
            yield Case(f"{work.case}, {target}", partial(contest, work), facts)


SUITE = Suite(
    "kernels", "every kernel against the limit of the processor", cases, show.tables, show.charts, every_target=True,
    share=0.15,
)  # fmt: skip
