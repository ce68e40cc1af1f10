"""From peers in processes to competitors: which number of threads is each one's best, and who takes part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import ceil, inf
from typing import Any

from . import environment
from .measure import Absent, Competitor
from .networks import Task
from .peers.workers import Crew, Unavailable, Worker

#: What compiles for many seconds is left out where only running at all is to be shown.
SLOW_TO_COMPILE = "PyTorch compiled"
FASTNN = "fastnn cython"
#: A number of threads with which a few batches take so many times the best so far is not measured.
HOPELESS = 4.0
#: Timed turns of each number of threads that is not hopeless.
SEARCHES = 3


def thread_counts(toy: bool = False) -> list[int]:
    """Return 1, 2, 4, ... up to all processors, all of them included; at least 1 and 2."""
    most = max(2, environment.all_threads())
    if toy:
        return [1, 2]
    return sorted({1, most, *(2**i for i in range(most.bit_length()) if 2**i < most)})


def label(name: str, threads: int) -> str:
    """Return a competitor's name with its number of threads."""
    return f"{name}, {threads} thread{'s' if threads > 1 else ''}"


def too_slow(name: str, toy: bool) -> str:
    """Return why a peer is not run in the toy mode, or nothing."""
    return "it compiles for many seconds" if toy and name == SLOW_TO_COMPILE else ""


def best_threads(
    crew: Crew,
    name: str,
    counts: Iterable[int],
    glance: Callable[[Worker], float],
    measure: Callable[[Worker], float],
) -> tuple[Worker, dict[str, float]]:
    """Return the worker with the best number of threads and the seconds that each number took.

    ``glance(worker)`` is cheap; a count that it shows to be hopeless is not measured.  ``measure(worker)`` is called
    once to warm up and SEARCHES times to count, of which the least does; the counts take turns, so that no bad second
    of the machine falls upon one of them alone.
    """
    found: dict[int, float] = {}
    seen: list[float] = []
    for threads in counts:
        worker = crew.get(name, threads)
        seen.append(glance(worker))
        if seen[-1] < HOPELESS * min(seen):
            measure(worker)
            found[threads] = inf
    for _ in range(SEARCHES):
        for threads in found:
            found[threads] = min(found[threads], measure(crew.get(name, threads)))
    best = min(found, key=lambda threads: found[threads])
    return crew.get(name, best), {str(threads): float(f"{seconds:.4g}") for threads, seconds in found.items()}


def glance_at(task: Task) -> Callable[[Worker], float]:
    """Return the function that times a few batches of a task: the third time, after compilation and warming up."""

    def glance(worker: Worker) -> float:
        worker.ask("begin", task)
        return min([_epochs(worker, 1) for _ in range(3)][1:])

    return glance


def trainer(
    crew: Crew,
    name: str,
    task: Task,
    check: Task,
    counts: Sequence[int],
    called: str = "",
    shortest: float = 0.0,
    before: Callable[[], None] | None = None,
) -> Competitor:
    """Return the competitor that trains whole epochs at its best number of threads.

    Its answer is losses and parameters of two epochs of ``check`` from the common start, in the common orders.
    Numbers of threads are judged by epochs of ``shortest`` seconds in all, after ``before`` as in the rounds.
    """
    compiled: dict[int, float] = {}

    def one_epoch(worker: Worker) -> float:
        if worker.threads not in compiled:
            compiled[worker.threads] = worker.ask("begin", task)
        if before is not None:
            before()
        seconds = _epochs(worker, 1)
        return seconds if seconds >= shortest else _epochs(worker, ceil(shortest / seconds)) / ceil(shortest / seconds)

    worker, searched = best_threads(crew, name, counts, glance_at(check), one_epoch)

    def answer() -> Any:
        found = worker.ask("curve", check, 2)
        worker.ask("begin", task)
        return found

    facts = {
        "peer": name, "searched": searched, "compile_seconds": round(compiled[worker.threads], 3),
        "blas": worker.ask("blas"),
    }  # fmt: skip
    clock = partial(_epochs, worker)
    return Competitor(called or name, answer, worker.threads, before, clock=clock, facts=facts)


def _epochs(worker: Worker, calls: int) -> float:
    return float(worker.ask("epoch_seconds", calls))


def gather(
    names: Iterable[str], make: Callable[[str], Iterable[Competitor]], toy: bool
) -> tuple[list[Competitor], list[Absent]]:
    """Return the competitors that ``make(name)`` gives, and those that cannot take part, each with the reason."""
    present: list[Competitor] = []
    absent: list[Absent] = []
    for name in names:
        if reason := too_slow(name, toy):
            absent.append(Absent(name, "not run", reason))
            continue
        try:
            present += make(name)
        except Unavailable as reason_:
            absent.append(Absent(name, "skipped", str(reason_)))
    return present, absent
