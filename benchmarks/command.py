"""The command behind ``fastnn bench``: run suites, join the CPU targets, write JSON and charts, print tables."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from fastnn.cli import bench
from fastnn.cli.files import check_folder

from . import guard, suite, tables
from .record import Report

HERE = Path(__file__).resolve().parent
QUIET = ["-q", "-q", "-s", "--no-header", "--tb=short", "--disable-warnings"]


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    made = argparse.ArgumentParser(prog="fastnn bench", allow_abbrev=False)
    bench.add_options(made)
    return made


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0, 1 where a benchmark failed, 2 for wrong usage."""
    options = parser().parse_args(argv)
    if not options.names:
        print("\n".join(f"{name:<10}{suite.load(name).title}" for name in suite.SUITES))
        return 0
    if options.names == ["report"]:
        from . import report

        return report.main()
    names = list(suite.SUITES) if options.names == ["all"] else options.names
    try:
        suites = [suite.load(name) for name in names]
        options.out.mkdir(parents=True, exist_ok=True)
        check_folder(options.out)
    except (ValueError, OSError) as error:
        print(f"fastnn: {error}", file=sys.stderr)
        return 2
    # one after another: what has been measured is on disk before the next begins
    return max([run(one, options) for one in suites])


def run(one: suite.Suite, options: argparse.Namespace) -> int:
    """Run a suite, on every target where it asks for that; write and show what came out.

    A case whose answers differ makes the exit code 1 and is "not run" in the report; the others keep their figures.
    """
    path = options.out / f"{one.name}.json"
    words = ["--suites", one.name, f"--case={options.case}", *(["--toy"] if options.toy else [])]
    if options.case_seconds is not None:
        words.append(f"--case-seconds={options.case_seconds}")
    with tempfile.TemporaryDirectory() as folder:
        code, made = measure(words, Path(folder)), Path(folder) / path.name
        if not made.exists():
            return code or 1
        report = Report.read(made)
        others = [t for t in report.header["targets"] if t != report.header["target"]]
        for target in others if one.every_target and not options.one_target else ():
            made.unlink()
            code = max(code, measure_elsewhere(words, Path(folder), target))
            if not made.exists():
                return code or 1
            report.records += Report.read(made).records
    report.write(path)
    print("\n" + tables.about(report) + "\n")
    for table in one.tables(report):
        print(table.as_text() + "\n")
    drawn = []
    for chart in one.charts(report):
        picture = options.out / f"{one.name}-{chart.name}.png"
        chart.draw(picture)
        drawn.append(picture)
    print("\n".join(f"wrote {file}" for file in (path, *drawn)))
    return code


def measure(words: list[str], folder: Path) -> int:
    """Run pytest over the suite in this process."""
    code = pytest.main([*QUIET, "-c", str(HERE / "pytest.ini"), str(HERE), f"--reports={folder}", *words])
    return 0 if code == 0 else 1


def measure_elsewhere(words: list[str], folder: Path, target: str) -> int:
    """Run the same under another CPU target, which only a fresh process can choose."""
    environment = {**guard.clean_environment(), "FASTNN_ISA": target}
    program = f"import sys; sys.path.append({str(HERE.parent)!r}); from benchmarks.command import measure; "
    program += f"from pathlib import Path; sys.exit(measure({words!r}, Path({str(folder)!r})))"
    print(f"target {target}", flush=True)
    return subprocess.run(
        [sys.executable, "-P", "-c", program], env=environment, cwd=os.getcwd(), check=False
    ).returncode
