"""How the kernels are shown: shares of the limit of the products, times per element of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from benchmarks import charts as draw
from benchmarks.record import Record, Report
from benchmarks.suite import Chart
from benchmarks.tables import Table, duration, significant

from .limits import PEAK

IN_C = "cython, in C"
LOOKS = {
    IN_C: draw.Style("#D55E00", hatch=""),
    "cython": draw.Style("#E69F00", hatch="///"),
    "numpy": draw.Style("#0072B2", hatch="..."),
    "numba": draw.Style("#009E73", hatch="xx"),
    "NumPy": draw.Style("#56B4E9", hatch="\\\\\\"),
    "PyTorch": draw.Style("#CC79A7", hatch="--"),
}


def percent(value: float | None) -> str:
    """Return a share."""
    return "" if value is None else f"{100 * value:.0f} %"


def share(report: Report, record: Record | None) -> float | None:
    """Return the share of the limit at the record's number of threads, paired."""
    if record is None or record.seconds is None:
        return None
    threads = record.threads
    limit = f"{PEAK}, {threads} thread{'s' if threads > 1 else ''}" if record.facts["flops"] and (
        record.facts["kernel"] == "matmul") else record.baseline  # fmt: skip
    ratio = report.ratio(record.case, record.competitor, limit)
    return ratio.median if ratio else None


def tables(report: Report) -> list[Table]:
    """Return the products, and everything else."""
    return [products(report), peaks(report), elementwise(report)]


def targets(report: Report) -> list[str]:
    """Return the targets, best first."""
    return [target for target in report.header["targets"] if any(report.select(target=target))]


def products(report: Report) -> Table:
    """Return a line per product and dtype: the share of the peak under each target, and what threads gain."""
    found = targets(report)
    threads = max((record.threads for record in report.select(kernel="matmul")), default=1)
    rows = []
    for one in dict.fromkeys((r.case.rpartition(", ")[0]) for r in report.select(kernel="matmul")):
        records = {target: report.get(f"{one}, {target}", IN_C) for target in found}
        best = records[found[0]]
        cells = [one.removeprefix("matmul ")]
        cells += [percent(share(report, records[target])) for target in found]
        cells.append(_rate(best))
        cells += [_rate(report.get(best.case, name)) if best else "" for name in ("cython", "numpy", "numba")]
        if threads > 1:
            several = report.get(best.case, f"{IN_C}, {threads} threads") if best else None
            gain = report.ratio(best.case, several.competitor, IN_C) if best and several else None
            cells.append(f"{significant(gain.median)}x" if gain else "")
        rows.append(cells)
    head = ["m x k x n", *(f"share of peak, {t}" for t in found), f"GFLOP/s, {found[0]}", "from Python", "numpy",
            "numba", *([f"{threads} threads over one"] if threads > 1 else [])]  # fmt: skip
    note = (
        "One thread; the share is of the multiply-add loop with the same target's instructions, timed inside C in the "
        "same rounds. A^T: A is transposed in memory. numpy and numba call OpenBLAS."
    )
    return Table("products", "Matrix products", head, rows, note)


def peaks(report: Report) -> Table:
    """Return the limits: arithmetic under each target and dtype, the medians over all cases."""
    rows = []
    for target in targets(report):
        cells = [target]
        for dtype in ("float32", "float64"):
            rates = sorted(
                r.facts["flops"] / r.seconds["median"] / 1e9
                for r in report.select(target=target, dtype=dtype, kernel="matmul", competitor=f"{PEAK}, 1 thread")
                if r.seconds
            )
            cells.append(significant(rates[len(rates) // 2]) if rates else "")
        rows.append(cells)
    return Table("peaks", "Multiply-adds in registers, one thread, GFLOP/s", ["target", "float32", "float64"], rows)


def _rate(record: Record | None) -> str:
    if record is None or record.seconds is None:
        return ""
    return significant(record.facts["flops"] / record.seconds["median"] / 1e9)


def elementwise(report: Report) -> Table:
    """Return a line per kernel, size and dtype under the best target: time per element and share of the memory's."""
    best = targets(report)[0]
    rows = []
    for record in report.select(target=best, competitor=IN_C):
        if record.facts["kernel"] == "matmul" or record.seconds is None:
            continue
        count = 1
        for n in record.facts["shape"]:
            count *= n
        others = [report.get(record.case, name) for name in ("cython", "numpy", "numba", "NumPy", "PyTorch")]
        rows.append([
            record.case.rpartition(", ")[0], duration(record.seconds["median"] / count),
            significant(record.facts["moved"] / record.seconds["median"] / 1e9), percent(share(report, record)),
            *(duration(o.seconds["median"] / count) if o and o.seconds else "" for o in others),
        ])  # fmt: skip
    head = ["", "in C, per element", "GB/s", "of the memory's", "from Python", "numpy", "numba", "NumPy", "PyTorch"]
    note = f"One thread, target {best}. The memory's limit is a copy (for dot: reading) of as many bytes."
    return Table("elementwise", "One pass over memory", head, rows, note)


def charts(report: Report) -> Sequence[Chart]:
    """Return the pictures: shares of the peak, and functions against NumPy and PyTorch."""
    found = targets(report)
    return [_products_chart(report, found[0]), _functions_chart(report, found[0])]


def _products_chart(report: Report, target: str) -> Chart:
    groups = {}
    for record in report.select(kernel="matmul", target=target, dtype="float32", competitor=IN_C):
        bars = {}
        for name in (IN_C, "cython", "numpy", "numba"):
            value = share(report, report.get(record.case, name))
            if value is not None:
                bars[name] = value, f"{100 * value:.0f}"
        shape = "x".join(map(str, record.facts["shape"]))
        groups[f"{shape}\nA transposed" if record.facts["transposed"] else shape] = bars
    title = f"Matrix products, percent of the peak (float32, one thread, {target})"
    work = partial(
        draw.bars,
        groups=groups,
        looks=LOOKS,
        ylabel="share of the peak",
        title=title,
        line=(1.0, "multiply-adds in registers"),
    )
    return Chart("products", "Bars: share of the processor's peak per product and implementation", work)


def _functions_chart(report: Report, target: str) -> Chart:
    groups = {}
    sizes = [r.facts["shape"][0] for r in report.select(target=target, kernel="sigmoid", competitor=IN_C)]
    largest = max(sizes)
    for record in report.select(target=target, dtype="float32", competitor=IN_C, shape=[largest]):
        if report.get(record.case, "PyTorch") is None and record.facts["kernel"] not in ("tanh", "sigmoid"):
            continue
        bars = {}
        for name in (IN_C, "NumPy", "PyTorch", "numba"):
            one = report.get(record.case, name)
            if one is not None and one.seconds:
                each = one.seconds["median"] / largest * 1e9
                bars[name] = each, significant(each, 2)
        groups[record.facts["kernel"]] = bars
    title = f"Functions of {largest:,} float32 numbers, one thread ({target})"
    work = partial(draw.bars, groups=groups, looks=LOOKS, ylabel="ns per number", title=title, log=True)
    return Chart("functions", "Bars: nanoseconds per number for each function and implementation", work)
