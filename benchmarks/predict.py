"""One row and ten thousand rows through three networks, and one step of online training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from . import charts
from .contests import FASTNN, gather, label, thread_counts
from .measure import Competitor, Contest, Mode, WrongAnswer, difference
from .networks import NETWORKS, Task, networks, probabilities, start, training_data
from .peers import PEERS
from .peers.workers import Crew, Worker
from .record import Record, Report
from .suite import Case, Chart, Suite
from .tables import Table, duration, significant, speed
from .train import absences, ran

MANY = 10_000
TOLERANCE = 2e-5  # of the probabilities, in the norm
ONNX, TORCH, COMPILED, JAX = "ONNX Runtime", "PyTorch", "PyTorch compiled", "JAX"
POOLED = (ONNX, TORCH, JAX)
OUT, STEP, STEP_CASE = "predictor, out", "trainer.step", "one online step"
TRIAL_SECONDS = 0.02  # for each form of asking a peer, to find its best


def trial(worker: Worker, form: str) -> float:
    """Return the seconds of a call, over as many as fit into TRIAL_SECONDS."""
    worker.ask("time_calls", form, 3)
    one = max(worker.ask("time_calls", form, 3) / 3, 1e-9)
    calls = max(1, int(TRIAL_SECONDS / one))
    return float(worker.ask("time_calls", form, calls)) / calls


def competitor(worker: Worker, called: str, form: str, compiled: float) -> Competitor:
    """Return the competitor that predicts in a form that has been prepared."""
    facts = {"peer": worker.name, "form": form, "compile_seconds": round(compiled, 3)}
    return Competitor(
        called, lambda: worker.ask("answer", form), worker.threads,
        clock=lambda calls: float(worker.ask("time_calls", form, calls)), facts=facts,
    )  # fmt: skip


def rival(worker: Worker, task: Task, rows: int) -> Competitor:
    """Return a peer, asked in the form that a trial shows to be its fastest."""
    compiled = {form: worker.ask("prepare", task, rows, form) for form in worker.ask("forms", rows)}
    best = min(compiled, key=lambda form: trial(worker, form)) if len(compiled) > 1 else next(iter(compiled))
    return competitor(worker, label(worker.name, worker.threads), best, compiled[best])


def own(crew: Crew, name: str, task: Task, rows: int, counts: list[int]) -> Iterator[Competitor]:
    """Yield fastnn's ways: the predictor of every backend, ``net.predict`` of the default one."""
    forms = ("predictor", "predict") if name == FASTNN else ("predictor",)
    for form in forms:
        for threads in counts if rows and name == FASTNN else counts[:1]:
            worker = crew.get(name, threads)
            compiled = worker.ask("prepare", task, rows, form)
            yield competitor(worker, label(f"{name} {form}", threads), form, compiled)
    if name == FASTNN and not rows:
        worker = crew.get(name, 1)
        yield competitor(worker, f"{name} predictor with out", OUT, worker.ask("prepare", task, rows, OUT))


def contest(task: Task, rows: int, toy: bool, crew: Crew) -> Contest:
    """Return everyone who predicts so many rows (0: one row), at every number of threads."""
    counts = thread_counts(toy)

    def make(name: str) -> Iterator[Competitor]:
        if name.startswith("fastnn"):
            yield from own(crew, name, task, rows, counts)
            return
        # One row gives a BLAS nothing to share out; the libraries with pools of their own are asked both ways.
        several = counts[:1] if toy or (not rows and name not in POOLED) else counts
        for threads in several:
            yield rival(crew.get(name, threads), task, rows)

    present, absent = gather(PEERS, make, toy)
    exact = probabilities(task, start(task), training_data(task)[0][: max(rows, 1)])
    off = difference(present[0].run(), exact)
    if not off <= TOLERANCE:
        raise WrongAnswer(f"{present[0].name} is {off:.1e} away from the network worked out in float64.")
    return Contest(present, present[0].name, TOLERANCE, absent, sample_seconds=0.1 if rows else 0.0)


def step_contest(task: Task, toy: bool, crew: Crew) -> Contest:
    """Return fastnn's backends with ``trainer().step`` on one row."""

    def make(name: str) -> Iterator[Competitor]:
        worker = crew.get(name, 1)
        yield competitor(worker, label(name, 1), STEP, worker.ask("prepare", task, 0, STEP))

    present, absent = gather((name for name in PEERS if name.startswith("fastnn")), make, toy)
    return Contest(present, present[0].name, TOLERANCE, absent)


def cases(mode: Mode) -> Iterator[Case]:
    """Yield one row and many rows of each network, and the online step of the smallest."""
    crew = Crew()
    tasks = networks(True) if mode.toy else (NETWORKS[2], NETWORKS[0], NETWORKS[3])
    many = 50 if mode.toy else MANY
    for rows in (0, many):
        for task in tasks:
            asked = replace(task, total=many)
            words = f"{rows:,} rows" if rows else "one row"
            facts = {"network": task.name, "rows": rows or 1, "parameters": task.parameters}
            yield Case(f"{task.name}, {words}", partial(contest, asked, rows, mode.toy, crew), facts)
    small = replace(tasks[0], total=many)
    yield Case(f"{small.name}, {STEP_CASE}", partial(step_contest, small, mode.toy, crew), {"network": small.name})


# ---- what is shown


def fastest(records: dict[str, Record], peer: str, threads: int | None = None, form: str = "") -> str | None:
    """Return the name of a peer's fastest record, at so many threads and in such a form if given."""
    found = [
        name for name, record in records.items()
        if record.facts["peer"] == peer and threads in (None, record.threads) and form in ("", record.facts["form"])
    ]  # fmt: skip
    return min(found, key=lambda name: records[name].seconds["median"]) if found else None  # type: ignore[index]


def median(record: Record | None) -> str:
    """Return a record's median time, or a dash."""
    return duration(record.seconds["median"]) if record is not None and record.seconds else "-"


def over(report: Report, case: str, fast: str | None, slow: str | None) -> str:
    """Return "12.3x [12.1, 12.6]", or a dash."""
    ratio = report.ratio(case, fast, slow) if fast and slow else None
    return speed(ratio) if ratio else "-"


def speed_table(report: Report) -> Table:
    """Return the predictor over its peers, at equal threads and best against best."""
    rows = []
    for case in report.cases():
        records = ran(report, case)
        one, best = (fastest(records, FASTNN, n, "predictor") for n in (1, None))
        if one is None or case.endswith(STEP_CASE):
            continue
        rivals = {record.facts["peer"] for record in records.values() if not record.facts["peer"].startswith("fastnn")}
        names = [name for name in (fastest(records, peer) for peer in rivals) if name]
        first = min(names, key=lambda name: records[name].seconds["median"]) if names else None  # type: ignore[index]
        rows.append([
            case, median(records[one]), median(records[best or one]),
            over(report, case, one, fastest(records, ONNX, 1)),
            *(over(report, case, best, fastest(records, peer)) for peer in (ONNX, TORCH, COMPILED, JAX)),
            over(report, case, best, first), first or "-",
        ])  # fmt: skip
    head = ["", "predictor, 1 thread", "best", f"over {ONNX}, both 1 thread", *(
        f"over {peer}, best of each" for peer in (ONNX, TORCH, COMPILED, JAX)), "over the best peer",
            "which is"]  # fmt: skip
    note = "Called from Python. Medians of paired ratios with their 95 % interval; best of each: over thread counts."
    return Table("speed", "Prediction: fastnn's predictor over its peers", head, rows, note, (0, len(head) - 1))


def time_table(report: Report) -> Table:
    """Return everybody's time of a call."""
    shown = [case for case in report.cases() if not case.endswith(STEP_CASE)]
    rows = []
    for name in dict.fromkeys(record.competitor for case in shown for record in report.select(case=case)):
        found = [report.get(case, name) for case in shown]
        rows.append(
            [name, *(record.status if record and record.seconds is None else median(record) for record in found)]
        )
    note = "Median of a call, data in each library's own form. " + absences(report)
    return Table("times", "Prediction: times", ["", *shown], rows, note.strip())


def step_table(report: Report) -> Table:
    """Return the online step."""
    rows = [
        [record.competitor, duration(record.seconds["median"]), duration(record.seconds["min"])]
        for case in report.cases() if case.endswith(STEP_CASE)
        for record in report.select(case=case, status="ran") if record.seconds
    ]  # fmt: skip
    return Table(
        "step", "One step of online training on one row: net.trainer().step(X, y)", ["", "median", "best"], rows
    )


def tables(report: Report) -> list[Table]:
    """Return all tables."""
    made = [speed_table(report), time_table(report), step_table(report)]
    return [table for table in made if table.rows]


def charts_of(report: Report) -> list[Chart]:
    """Return the bars, one picture for one row and one for many: rows a second, the best of each library."""
    made = []
    for name, one_row in (("one-row", True), ("many-rows", False)):
        groups: dict[str, dict[str, tuple[float, str] | str]] = {}
        for case in report.cases():
            records = ran(report, case)
            if case.endswith(STEP_CASE) or not records or (next(iter(records.values())).facts["rows"] == 1) != one_row:
                continue
            bars: dict[str, tuple[float, str] | str] = {}
            for peer in PEERS:
                best = fastest(records, peer, form="predictor" if peer.startswith("fastnn") else "")
                if best:
                    a_second = records[best].facts["rows"] / records[best].seconds["median"]  # type: ignore[index]
                    bars[peer] = a_second, short(a_second)
            groups[case.partition(",")[0]] = bars
        if groups:
            title = "Predicting one row at a time" if one_row else "Predicting many rows at once"
            draw = partial(_draw, groups=groups, title=title)
            made.append(Chart(name, f"Bars: {title.lower()}, rows a second of each library, for three networks", draw))
    return made


def _draw(path: Path, groups: Mapping[str, Mapping[str, tuple[float, str] | str]], title: str) -> None:
    charts.bars(path, groups, charts.styles(list(PEERS)), "rows a second", title + ", each at its best", log=True)


def short(value: float) -> str:
    """Return a large number in few characters: 1,234,567 as 1.2M."""
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{significant(value / factor, 2)}{unit}"
    return significant(value, 2)


SUITE = Suite("predict", "one row and 10,000 rows through three networks, and an online step", cases, tables, charts_of)
