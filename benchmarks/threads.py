"""What a second thread is worth, and a fourth: products, whole epochs, ten thousand rows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from fastnn import backends

from . import charts
from .contests import label, thread_counts
from .measure import Competitor, Contest, Mode
from .networks import NETWORKS, Task, networks
from .peers.fastnn_peer import Fastnn
from .record import Record, Report
from .suite import Case, Chart, Suite
from .tables import Table, duration, significant, speed

SHAPES = ((2048, 2048, 2048), (512, 784, 2048), (128, 784, 512), (256, 256, 256), (32, 784, 16))
MANY = 10_000
OURS, NUMPY = "fastnn cython", "NumPy"
SAME_BITS = 0.0  # fastnn promises the same bits for any number of threads


def product(shape: tuple[int, int, int], counts: list[int]) -> Contest:
    """Return C = A B in float32, by fastnn and by NumPy's BLAS."""
    m, k, n = shape
    rng = np.random.default_rng(0)
    A, B = rng.random((m, k), np.float32), rng.random((k, n), np.float32)
    matmul = backends.kernels("cython").matmul

    def ours(threads: int) -> Competitor:
        C = np.empty((m, n), np.float32)

        def run() -> np.ndarray:
            matmul(A, B, C, False, threads)
            return C

        return Competitor(label(OURS, threads), run, threads, facts={"of": OURS})

    def numpys(threads: int) -> Competitor:
        C = np.empty((m, n), np.float32)
        return Competitor(label(NUMPY, threads), lambda: np.matmul(A, B, C), threads, facts={"of": NUMPY})

    made = [make(threads) for make in (ours, numpys) for threads in counts]
    return Contest(made, made[0].name, 1e-5)


def epoch(task: Task, counts: list[int]) -> Contest:
    """Return an epoch of a network; the answer compared is the loss and the parameters after one."""

    def at(threads: int) -> Competitor:
        peer = Fastnn(threads, "cython")
        peer.begin(task)
        return Competitor(label(OURS, threads), lambda: peer.curve(task, 1), threads, clock=peer.epoch_seconds,
                          facts={"of": OURS})  # fmt: skip

    made = [at(threads) for threads in counts]
    return Contest(made, made[0].name, SAME_BITS)


def prediction(task: Task, rows: int, counts: list[int]) -> Contest:
    """Return the predictor on many rows."""

    def at(threads: int) -> Competitor:
        peer = Fastnn(threads, "cython")
        form = peer.forms(rows)[0]
        peer.prepare(task, rows, form)
        ask, clock = partial(peer.answer, form), partial(peer.time_calls, form)
        return Competitor(label(OURS, threads), ask, threads, clock=clock, facts={"of": OURS})

    made = [at(threads) for threads in counts]
    return Contest(made, made[0].name, SAME_BITS)


def cases(mode: Mode) -> Iterator[Case]:
    """Yield products, epochs and predictions."""
    counts = thread_counts(mode.toy)
    for shape in ((48, 40, 56),) if mode.toy else SHAPES:
        flops = 2.0 * shape[0] * shape[1] * shape[2]
        yield Case("product " + "x".join(map(str, shape)), partial(product, shape, counts), {"flops": flops})
    for task in networks(mode.toy):
        yield Case(f"epoch {task.name}", partial(epoch, task, counts), {"flops": task.epoch_flops})
    rows = 50 if mode.toy else MANY
    for task in networks(True)[:1] if mode.toy else (NETWORKS[2], NETWORKS[0], NETWORKS[3]):
        yield Case(f"{rows:,} rows {task.name}", partial(prediction, task, rows, counts),
                   {"flops": 2.0 * task.parameters * rows})  # fmt: skip


# ---- what is shown


def lines(report: Report) -> Iterator[tuple[str, Record, Record]]:
    """Yield (case, record, the record of the same implementation on one thread)."""
    for case in report.cases():
        for record in report.select(case=case, status="ran"):
            one = report.get(case, label(record.facts["of"], 1))
            if one is not None:
                yield case, record, one


def scaling_table(report: Report) -> Table:
    """Return time, speed-up over one thread and efficiency."""
    rows = []
    for case, record, one in lines(report):
        ratio = report.ratio(case, record.competitor, one.competitor)
        if ratio is None or record.seconds is None:
            continue
        gain = [speed(ratio), f"{ratio.median / record.threads:.0%}"] if record.threads > 1 else ["", ""]
        rows.append([
            case, record.facts["of"], str(record.threads), duration(record.seconds["median"]),
            significant(record.facts["flops"] / record.seconds["median"] / 1e9), *gain,
        ])  # fmt: skip
    head = ["", "", "threads", "median", "GFLOP/s", "over one thread", "efficiency"]
    note = "Efficiency: the speed-up over the number of threads. fastnn gives the same bits for each: checked first."
    return Table("scaling", "What threads are worth", head, rows, note, (0, 1))


def broken(case: str) -> str:
    """Return a case's name in lines short enough to stand below two bars.

    >>> broken("epoch 784-16-16-10").split(chr(10)), broken("10,000 rows 8-64-64-4").split(chr(10))
    (['epoch', '784-16-', '16-10'], ['10,000 rows', '8-64-', '64-4'])
    """
    words, _, sizes = case.rpartition(" ")
    mark = "x" if "x" in sizes else "-"
    numbers = sizes.split(mark)
    half = (len(numbers) + 1) // 2
    return "\n".join([words, mark.join(numbers[:half]) + mark, mark.join(numbers[half:])])


def charts_of(report: Report) -> list[Chart]:
    """Return the bars: how many times as fast as on one thread, for each number of threads above one."""
    groups: dict[str, dict[str, tuple[float, str] | str]] = {}
    names: dict[str, None] = {}
    for case, record, one in lines(report):
        ratio = report.ratio(case, record.competitor, one.competitor)
        if record.threads > 1 and ratio is not None:
            names[record.competitor] = None
            groups.setdefault(broken(case), {})[record.competitor] = ratio.median, f"{ratio.median:.2f}"

    def draw(path: Path) -> None:
        charts.bars(path, groups, charts.styles(list(names)), "times as fast as on one thread",
                    "What threads are worth", line=(1.0, "one thread"))  # fmt: skip

    return (
        [Chart("scaling", "Bars: speed-up over one thread of products, epochs and predictions", draw)] if groups else []
    )


SUITE = Suite("threads", "products, epochs and predictions over the number of threads", cases,
              lambda report: [scaling_table(report)], charts_of)  # fmt: skip
