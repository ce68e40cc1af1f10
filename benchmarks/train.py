"""Whole epochs of five networks, against every peer at its best number of threads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from . import charts
from .contests import FASTNN, gather, label, thread_counts, trainer
from .cores import BARRIER, Cores, with_barriers
from .measure import Contest, Mode
from .networks import Task, networks
from .peers import PEERS
from .peers.workers import Crew
from .record import Record, Report
from .suite import Case, Chart, Suite
from .tables import Table, duration, significant, speed

NUMPY, SKLEARN, TORCH, COMPILED, JAX = "NumPy by hand", "scikit-learn", "PyTorch", "PyTorch compiled", "JAX"
RIVALS = (NUMPY, SKLEARN, TORCH, COMPILED, JAX)
TRAINERS = tuple(name for name in PEERS if name != "ONNX Runtime")
#: Of losses and of each parameter array after two short epochs.  1e-6 is usual in float32, but under relu a raw
#: prediction within rounding of zero falls to either side, and one such row changes a bias by a thousandth.  Biases
#: start at zero, so a step that is wrong by one percent is found.
TOLERANCE = 5e-3
CHECK_BATCHES = {"sigmoid": 20, "tanh": 20, "relu": 2}  # of those epochs

#: Milliseconds of an epoch measured once on two cores of an AMD Zen 5 (AVX-512, 289 GFLOP/s a core), best of three;
#: only the model was compiled with torch.compile there.  A peer whose ratio to NumPy differs may be a crippled one.
ELSEWHERE = {
    "784-16-16-10": {NUMPY: 101.0, SKLEARN: 277.0, TORCH: 321.0, COMPILED: 443.0, JAX: 67.0},
    "784-30-10": {NUMPY: 207.0, SKLEARN: 696.0, TORCH: 761.0, COMPILED: 1159.0, JAX: 138.0},
    "8-64-64-4": {NUMPY: 48.0, SKLEARN: 125.0, TORCH: 159.0, COMPILED: 202.0, JAX: 20.5},
    "784-512-512-10": {NUMPY: 440.0, SKLEARN: 459.0, TORCH: 410.0, COMPILED: 654.0, JAX: 185.0},
    "784-2048-2048-10": {NUMPY: 434.0, SKLEARN: 667.0, TORCH: 764.0, COMPILED: 1455.0, JAX: 389.0},
}
TOLERATED = 0.10
SAMPLE_SECONDS = 0.5  # a fit takes seconds; threads that have slept take 0.1 s to spread over the cores
WARM_SECONDS = 0.2  # untimed before each sample, for everybody


def contest(task: Task, toy: bool, crew: Crew, cores: Cores) -> Contest:
    """Return everyone who trains the task; fastnn's default backend also on one thread where more are better."""
    counts, shortest = thread_counts(), 0.0 if toy else SAMPLE_SECONDS
    check = task.with_rows(CHECK_BATCHES[task.activation] * task.batch + task.batch // 2)

    def make(name: str) -> Iterator:
        mine = counts[:1] if toy and name != FASTNN else counts
        best = trainer(crew, name, task, check, mine, shortest=shortest, before=cores.wait)
        yield best
        if name == FASTNN and best.threads > 1:
            yield trainer(crew, name, task, check, [1], label(name, 1), before=cores.wait)

    present, absent = gather(TRAINERS, make, toy)
    everybody = [*present, *cores.barriers()]
    return Contest(
        everybody, NUMPY, TOLERANCE, absent, sample_seconds=SAMPLE_SECONDS, warm_seconds=WARM_SECONDS
    )  # fmt: skip


def cases(mode: Mode) -> Iterator[Case]:
    """Yield a case per network; the peers' processes live as long as the suite."""
    crew, cores = Crew(), Cores(thread_counts()[-1], mode.toy)
    for task in networks(mode.toy):
        facts = {
            "network": task.name, "activation": task.activation, "batch": task.batch, "rows": task.rows,
            "parameters": task.parameters, "flops": task.epoch_flops,
        }  # fmt: skip
        name = f"{task.name} {task.activation}, batch {task.batch}"
        yield Case(name, partial(contest, task, mode.toy, crew, cores), facts)


# ---- what is shown


def ran(report: Report, case: str) -> dict[str, Record]:
    """Return the records of a case that ran, by competitor."""
    return {record.competitor: record for record in report.select(case=case, status="ran")}


def best(records: dict[str, Record], names: Sequence[str]) -> str | None:
    """Return the name of the fastest of those that ran, by median."""
    found = [name for name in names if name in records]
    return min(found, key=lambda name: records[name].seconds["median"]) if found else None  # type: ignore[index]


def times(report: Report, case: str, fast: str, slow: str | None) -> str:
    """Return "12.3x [12.1, 12.6]", or a dash."""
    ratio = report.ratio(case, fast, slow) if slow else None
    return speed(ratio) if ratio else "-"


def speed_table(report: Report) -> Table:
    """Return how many times as fast as its peers fastnn is."""
    rows = []
    for case in report.cases():
        records = ran(report, case)
        if FASTNN not in records:
            continue
        rival = best(records, RIVALS)
        mine = records[FASTNN]
        rows.append([
            case, duration(mine.seconds["median"]), str(mine.threads), times(report, case, FASTNN, rival), rival or "-",
            *(times(report, case, FASTNN, name) for name in (SKLEARN, TORCH, COMPILED, JAX, NUMPY)),
            rate(mine),
        ])  # fmt: skip
    head = ["network", "fastnn, an epoch", "threads", "over the best peer", "which is", *(
        f"over {name}" for name in (SKLEARN, TORCH, COMPILED, JAX, NUMPY)), "GFLOP/s"]  # fmt: skip
    return Table("speed", "Whole epochs: fastnn's compiled backend over its peers, each at its best number of threads",
                 head, rows, "float32, plain SGD, softmax cross-entropy, shuffled. Medians of paired ratios with their "
                 "95 % interval.", (0, 4))  # fmt: skip


def rate(record: Record) -> str:
    """Return GFLOP/s by the products alone."""
    return significant(record.facts["flops"] / record.seconds["median"] / 1e9)  # type: ignore[index]


def backend_table(report: Report) -> Table:
    """Return the other two backends, and one thread of the first."""
    rows = []
    one = label(FASTNN, 1)
    for case in report.cases():
        records = ran(report, case)
        cells = [case]
        for name in ("fastnn numba", "fastnn numpy"):
            cells.append(duration(records[name].seconds["median"]) if name in records else "-")  # type: ignore[index]
        cells += [
            times(report, case, "fastnn numba", name) for name in (SKLEARN, "fastnn numpy", best(records, RIVALS))
        ]
        cells.append(times(report, case, FASTNN, one) if one in records else "one is best")
        rows.append(cells)
    head = ["network", "numba, an epoch", "numpy, an epoch", "numba over scikit-learn", "numba over numpy",
            "numba over the best peer", "cython over its one thread"]  # fmt: skip
    return Table("backends", "Whole epochs: fastnn's backends", head, rows)


def epoch_table(report: Report) -> Table:
    """Return everybody's time of an epoch with the number of threads."""
    cases_ = report.cases()
    rows = []
    for name in report.competitors():
        if name == BARRIER:
            continue
        cells = [name]
        for case in cases_:
            record = report.get(case, name)
            if record is None:
                cells.append("")
            elif record.seconds is None:
                cells.append(record.status)
            else:
                cells.append(f"{duration(record.seconds['median'])} ({record.threads})")
        rows.append(cells)
    note = "Medians; in brackets the number of threads, the best of those tried. " + absences(report)
    return Table(
        "epochs", "Whole epochs: times", ["", *(case.partition(" ")[0] for case in cases_)], rows, note.strip()
    )


def absences(report: Report) -> str:
    """Return who did not take part, and why."""
    found = {record.competitor: record for record in report.records if record.status != "ran"}
    return " ".join(f"{name}: {record.status}, {record.reason}." for name, record in found.items())


def peer_table(report: Report) -> Table:
    """Return whether the peers are what they are elsewhere, and what they paid once."""
    rows = []
    for case in report.cases():
        records = ran(report, case)
        for name in RIVALS:
            if name not in records:
                continue
            record = records[name]
            searched = ", ".join(f"{n}: {duration(s)}" for n, s in record.facts["searched"].items())
            compiled = record.facts["compile_seconds"]
            rows.append([
                case.partition(" ")[0], name, searched, f"{compiled:.2f} s" if compiled else "-",
                *compared(report, case, record),
            ])  # fmt: skip
    head = ["network", "peer", "threads tried: an epoch", "compiled in", "over NumPy", "elsewhere", "off by", "remark"]
    note = (
        '"Elsewhere" is two cores of an AMD Zen 5 (289 GFLOP/s a core), another time: a peer that is more than 10 % '
        "off is remarked on."
    )
    return Table("peers", "Whole epochs: the peers at their best", head, rows, note, (0, 1, 2, 7))


def compared(report: Report, case: str, record: Record) -> list[str]:
    """Return the ratio to NumPy by hand, what it is elsewhere, how far it is off, and a remark."""
    there = ELSEWHERE.get(record.facts["network"])
    ratio = report.ratio(case, record.competitor, NUMPY)
    if there is None or ratio is None:
        return ["-" if ratio is None else speed(ratio), "-", "-", ""]
    expected = there[NUMPY] / there[record.competitor]
    off = ratio.median / expected - 1
    return [speed(ratio), f"{significant(expected)}x", f"{off:+.0%}", remark(report, record, off)]


def remark(report: Report, record: Record, off: float) -> str:
    """Return why a ratio may be off: a statement of what is different here, not a proof."""
    name = record.competitor
    if name == NUMPY:
        return f"BLAS: {record.facts['blas']}"
    if abs(off) <= TOLERATED:
        return ""
    if name == COMPILED:
        return "here the whole step is one compiled function, there only the model was compiled"
    told = f"this processor: {report.header['cpu']}, target {report.header['target']}"
    if name in (SKLEARN, TORCH):
        told += f"; BLAS: {record.facts['blas']}"
    if off > 0:
        return f"faster here than there: not crippled; {told}"
    return told + (f"; load at the start {report.header['load'][0]}" if report.header["load"] else "")


def tables(report: Report) -> list[Table]:
    """Return all tables."""
    return [with_barriers(report, speed_table(report)), backend_table(report), epoch_table(report), peer_table(report)]


def charts_of(report: Report) -> list[Chart]:
    """Return the bars: times as fast as scikit-learn, or as NumPy by hand where that is missing."""
    base = SKLEARN if any(report.select(competitor=SKLEARN, status="ran")) else NUMPY
    names = [name for name in report.competitors() if name not in (label(FASTNN, 1), BARRIER)]
    groups: dict[str, dict[str, tuple[float, str] | str]] = {}
    for case in report.cases():
        bars: dict[str, tuple[float, str] | str] = {}
        for name in names:
            ratio = report.ratio(case, name, base)
            if ratio is not None:
                bars[name] = (ratio.median, significant(ratio.median, 2))
        if bars:
            groups[case.partition(",")[0].replace(" ", "\n")] = bars

    def draw(path: Path) -> None:
        charts.bars(path, groups, charts.styles(names), f"times as fast as {base}",
                    "A whole epoch, each at its best", log=True, line=(1.0, base))  # fmt: skip

    alt = f"Bars: how many times as fast as {base} each implementation trains an epoch of the five networks"
    return [Chart("epochs", alt, draw)] if groups else []


SUITE = Suite("train", "whole epochs of five networks against every peer", cases, tables, charts_of)
