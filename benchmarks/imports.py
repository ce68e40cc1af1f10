"""What ``import fastnn`` costs over ``import numpy``, and how large the package is.

Each sample is a process of its own, begun as an interpreter begins: no site-wide caches but the byte code, which an
untimed first process writes.  The bare interpreter runs beside the two, so that the price of the imports themselves can
be told from that of starting Python.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import fastnn

from . import guard
from .measure import Competitor, Contest, Mode, median_interval
from .record import Report
from .suite import Case, Suite
from .tables import Table, duration, significant, speed

PYTHON, NUMPY, FASTNN = "python", "import numpy", "import fastnn"
CODE = {PYTHON: "pass", NUMPY: "import numpy", FASTNN: "import fastnn"}
CASE = "a process that imports"
ROUNDS = 41
LEFT_OUT = ("PYTHONDONTWRITEBYTECODE", "PYTHONPROFILEIMPORTTIME", "PYTHONVERBOSE")
ROOT = Path(__file__).resolve().parent.parent


def run(code: str, environment: dict[str, str]) -> None:
    """Run a process to its end."""
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def seconds(code: str, environment: dict[str, str], calls: int) -> float:
    """Return the seconds of so many processes."""
    began = time.perf_counter()
    for _ in range(calls):
        run(code, environment)
    return time.perf_counter() - began


def size(folder: Path) -> int:
    """Return the bytes of a folder's files, byte code left out."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and file.suffix != ".pyc")


def sizes() -> dict[str, Any]:
    """Return the bytes of the newest wheel in dist/, or None, and of the package and its kernels as they lie here."""
    wheels = sorted((ROOT / "dist").glob("*.whl"), key=lambda path: path.stat().st_mtime)
    folders = {str(Path(place).resolve()) for module in (fastnn, fastnn.kernels) for place in module.__path__}
    inner = {one for one in folders for other in folders if one != other and Path(other) in Path(one).parents}
    return {
        "wheel": wheels[-1].stat().st_size if wheels else None,
        "package": sum(size(Path(folder)) for folder in folders - inner),
    }


def contest(toy: bool) -> Contest:
    """Return the three processes; one round of each begins untimed and leaves its byte code behind."""
    environment = {name: value for name, value in guard.clean_environment().items() if name not in LEFT_OUT}
    made = [
        Competitor(name, partial(run, code, environment), once=True, clock=partial(seconds, code, environment),
                   answers=False)
        for name, code in CODE.items()
    ]  # fmt: skip
    return Contest(made, NUMPY, None, rounds=2 if toy else ROUNDS)


def cases(mode: Mode) -> Iterator[Case]:
    """Yield the one case; its facts are the sizes."""
    yield Case(CASE, partial(contest, mode.toy), {"bytes": sizes()})


# ---- what is shown


def over(report: Report, name: str) -> str:
    """Return how many times as long a process lasts as one with NumPy, and that without the bare interpreter."""
    samples = {record.competitor: record.samples for record in report.records}
    found = [
        median_interval([a / b for a, b in zip(samples[name], samples[NUMPY], strict=True)]),
        median_interval([
            (a - c) / (b - c) for a, b, c in zip(samples[name], samples[NUMPY], samples[PYTHON], strict=True)
        ]),
    ]  # fmt: skip
    return "; ".join(speed(ratio) for ratio in found)


def tables(report: Report) -> list[Table]:
    """Return times and sizes."""
    rows = []
    for record in report.records:
        if record.seconds:
            ratio = over(report, record.competitor) if record.competitor == FASTNN else ""
            rows.append([record.competitor, duration(record.seconds["median"]), duration(record.seconds["min"]), ratio])
    head = ["", "median", "best", f"lasts, of {NUMPY}; without the interpreter"]
    note = "Wall time of whole processes, byte code written, in random order within a round."
    found = report.records[0].facts["bytes"]
    what = {"wheel": "the newest wheel in dist/", "package": "fastnn and fastnn.kernels as installed, unpacked"}
    lines = [[what[name], f"{significant(value / 1e6)} MB" if value else "none"] for name, value in found.items()]
    return [Table("time", "What an import takes", head, rows, note), Table("size", "Size", ["", ""], lines)]


SUITE = Suite("import", "the price of import fastnn over import numpy, and the wheel's size", cases, tables)
