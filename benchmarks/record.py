"""A report: the header and one record per case and competitor; JSON, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fastnn.io import write_whole

from .measure import Absent, Contest, Ratio, Rounds, paired_ratio

FORMAT = 1
STATUS = ("ran", "skipped", "not run")


@dataclass(frozen=True)
class Record:
    """What came out for one competitor in one case.

    ``seconds`` has median, min, lower and upper (the quartiles) of a call; ``ratio`` says how many times as fast as
    ``baseline`` it is, with the interval; ``samples`` are the seconds per call round by round, so that every other
    pair's ratio can be had later (`Report.ratio`).
    """

    suite: str
    case: str
    competitor: str
    status: str = "ran"
    reason: str = ""
    threads: int = 1
    seconds: dict[str, float] | None = None
    baseline: str = ""
    ratio: dict[str, float] | None = None
    samples: tuple[float, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.status not in STATUS:
            raise ValueError(f"status must be one of {', '.join(STATUS)}, got {self.status!r}.")
        if (self.status == "ran") != (self.seconds is not None):
            raise ValueError(f"{self.case}, {self.competitor}: only what ran has seconds.")
        if self.status != "ran" and not self.reason:
            raise ValueError(f"{self.case}, {self.competitor} is {self.status!r} without a reason.")


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def summary(samples: list[float]) -> dict[str, float]:
    """Return median, least value and quartiles."""
    lower, median, upper = np.percentile(samples, [25, 50, 75])
    found = {"median": median, "min": min(samples), "lower": lower, "upper": upper}
    return {name: _rounded(value) for name, value in found.items()}


def records_of(suite: str, case: str, rounds: Rounds, facts: dict[str, Any] | None = None) -> list[Record]:
    """Return the records of a contest that was played, those of the absent last; ``facts`` join each one's own."""
    contest: Contest = rounds.contest
    shared = facts or {}
    base = rounds.samples.get(contest.baseline)
    made = []
    for one in contest.competitors:
        samples = rounds.samples[one.name]
        ratio = asdict(paired_ratio(base, samples)) if base else None
        made.append(Record(
            suite, case, one.name, threads=one.threads, seconds=summary(samples),
            baseline=contest.baseline if base else "",
            ratio={k: _rounded(v) for k, v in ratio.items()} if ratio else None,
            samples=tuple(map(_rounded, samples)), facts={**shared, **one.facts},
        ))  # fmt: skip
    absent: Iterable[Absent] = contest.absent
    made += [
        Record(suite, case, one.name, one.status, one.reason, one.threads, facts={**shared, **one.facts})
        for one in absent
    ]
    return made


def failed(suite: str, case: str, contest: Contest, reason: str, facts: dict[str, Any] | None = None) -> list[Record]:
    """Return the records of a contest whose answers differ: nothing was run, for this reason."""
    everyone = (*contest.competitors, *contest.absent)
    return [
        Record(suite, case, one.name, "not run", reason, one.threads, facts={**(facts or {}), **one.facts})
        for one in everyone
    ]


@dataclass
class Report:
    """All of a suite's records and where they were obtained."""

    suite: str
    mode: str  # "full" or "toy"
    header: dict[str, Any]
    records: list[Record] = field(default_factory=list)

    def cases(self) -> list[str]:
        """Return the names of the cases, in order."""
        return list(dict.fromkeys(record.case for record in self.records))

    def competitors(self) -> list[str]:
        """Return the names of all competitors, in the order of their first appearance."""
        return list(dict.fromkeys(record.competitor for record in self.records))

    def select(self, **wanted: Any) -> Iterator[Record]:
        """Yield the records whose fields, or facts, have these values."""
        for record in self.records:
            values = {**record.facts, **vars(record)}
            if all(values.get(name) == value for name, value in wanted.items()):
                yield record

    def get(self, case: str, competitor: str) -> Record | None:
        """Return one record, or None."""
        return next(self.select(case=case, competitor=competitor), None)

    def ratio(self, case: str, fast: str, slow: str) -> Ratio | None:
        """Return how many times as fast ``fast`` is as ``slow``, paired by rounds; None where one did not run."""
        a, b = self.get(case, slow), self.get(case, fast)
        if a is None or b is None or not a.samples or not b.samples:
            return None
        return paired_ratio(a.samples, b.samples)

    def write(self, path: Path) -> None:
        """Write the report as JSON; a file of this name is replaced whole or left as it was."""
        made = {"format": FORMAT, "suite": self.suite, "mode": self.mode, "header": self.header,
                "records": [asdict(record) for record in self.records]}  # fmt: skip
        head = json.dumps({k: v for k, v in made.items() if k != "records"}, indent=1, allow_nan=False)
        lines = ",\n".join("  " + json.dumps(record, allow_nan=False) for record in made["records"])
        write_whole(path, f'{head[:-2]},\n "records": [\n{lines}\n ]\n}}\n'.encode())

    @classmethod
    def read(cls, path: Path) -> Report:
        """Return the report in a file.

        Raises
        ------
        ValueError
            If it is none, or of another format.
        """
        try:
            found = json.loads(path.read_text())
            if found["format"] != FORMAT:
                raise ValueError(f"format {found['format']}, expected {FORMAT}")
            records = [Record(**{**record, "samples": tuple(record["samples"])}) for record in found["records"]]
            return cls(found["suite"], found["mode"], found["header"], records)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is not a benchmark report ({error}). Make it with: fastnn bench NAME") from error
