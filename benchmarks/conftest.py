"""The suites as pytest-benchmark sees them: one test per case, whose every round is a round of the contest.

    pytest benchmarks --suites loops --toy

``fastnn bench`` runs this same line and shows what it wrote.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # behind what is installed

from benchmarks import guard  # noqa: E402

if guard.overrides():
    raise pytest.UsageError(f"unset {' and '.join(guard.BLAS_VARIABLES)} first: they cripple every OpenBLAS.")

from benchmarks import environment, measure, suite, tables  # noqa: E402
from benchmarks.record import Record, Report  # noqa: E402

LEDGER = pytest.StashKey["Ledger"]()


class Ledger:
    """What came out so far, by suite."""

    def __init__(self, mode: measure.Mode) -> None:
        self.mode = mode
        self.header: dict[str, Any] = environment.header()
        self.records: dict[str, list[Record]] = {}

    def add(self, records: list[Record]) -> None:
        """Keep a case's records."""
        self.records.setdefault(records[0].suite, []).extend(records)

    def reports(self) -> list[Report]:
        """Return a report per suite; its header names the BLAS libraries that have been loaded by now."""
        header = {**self.header, "blas": environment.header()["blas"]}
        mode = "toy" if self.mode.toy else "full"
        return [Report(name, mode, header, records) for name, records in self.records.items()]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the benchmarks."""
    group = parser.getgroup("fastnn benchmarks")
    group.addoption("--suites", default=",".join(suite.SUITES), help="names, separated by commas (all)")
    group.addoption("--toy", action="store_true", help="small sizes: seconds for everything, figures for nothing")
    group.addoption("--case", default="", help="only cases whose name contains this")
    group.addoption("--reports", default="", help="folder to write NAME.json to, instead of printing tables")
    group.addoption("--case-seconds", type=float, default=None, help="measure each case for so long")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the mode and note where we are."""
    mode = measure.TOY if config.getoption("--toy") else measure.FULL
    seconds = config.getoption("--case-seconds")
    if seconds is not None:
        mode = dataclasses.replace(mode, case_seconds=seconds)
    config.stash[LEDGER] = Ledger(mode)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of every case that was asked for."""
    if "case" not in metafunc.fixturenames:
        return
    config = metafunc.config
    wanted = [suite.load(name) for name in config.getoption("--suites").split(",")]
    mode, part = config.stash[LEDGER].mode, config.getoption("--case")
    found = [(one, case) for one in wanted for case in one.cases(mode) if part in case.name]
    if not found:
        raise pytest.UsageError(f"no case has {part!r} in its name.")
    names = [f"{one.name}/{case.name}" for one, case in found]
    metafunc.parametrize(("suite_of_case", "case"), found, ids=names)


@pytest.fixture
def ledger(request: pytest.FixtureRequest) -> Ledger:
    """Where the records go."""
    return request.config.stash[LEDGER]


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Print no dots: every case prints a line of its own."""
    return ("passed", "", "") if report.passed and report.when == "call" else None


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the reports, or print them, unless the session was cut short."""
    ledger, folder = session.config.stash[LEDGER], session.config.getoption("--reports")
    if exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return
    for report in ledger.reports():
        if folder:
            report.write(Path(folder) / f"{report.suite}.json")
        else:
            found = suite.load(report.suite).tables(report)
            print("\n" + "\n\n".join([tables.about(report), *(table.as_text() for table in found)]))
