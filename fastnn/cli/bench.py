"""``fastnn bench``: the benchmark suites of a checkout, in a process of their own."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ..errors import require
from . import info
from .options import Commands, UsageError

__all__ = ["add", "add_options"]

DESCRIPTION = """\
Run benchmark suites: tables here, JSON files and charts in --out.

Every case checks first that all implementations give the same answer, then times them interleaved, in random order
within each round; ratios are medians of paired ratios with their interval. Without a NAME it lists the suites. The
suites are part of a checkout, not of the wheel; what they compare with is skipped by name where it is not installed.
"""
NEEDED = ("pytest", "pytest_benchmark", "threadpoolctl")
FOLDER = "benchmarks"


def add(commands: Commands[Any]) -> None:
    """Register the command."""
    parser = commands.add_parser("bench", help="benchmarks against the peers, from a checkout", description=DESCRIPTION)
    add_options(parser)
    parser.set_defaults(run=run)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options; the suites' own process parses the same ones."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="suites, or all; report renders the README")
    parser.add_argument("--toy", action="store_true", help="small sizes: proves that it runs, in seconds")
    parser.add_argument("--case", default="", metavar="TEXT", help="only cases whose name contains TEXT")
    parser.add_argument("--case-seconds", type=float, metavar="S", help="measure each case for so long (default 4)")
    parser.add_argument(
        "--out", type=Path, default=Path("fastnn-bench"), metavar="DIR",
        help="folder of the JSON files and charts (fastnn-bench)",
    )  # fmt: skip
    parser.add_argument("--one-target", action="store_true", help="only on the CPU target that is chosen at import")


def words(arguments: argparse.Namespace) -> list[str]:
    """Return the command line that means the same."""
    made = [*arguments.names, f"--case={arguments.case}", f"--out={arguments.out}"]
    made += ["--toy"] * arguments.toy + ["--one-target"] * arguments.one_target
    if arguments.case_seconds is not None:
        made.append(f"--case-seconds={arguments.case_seconds}")
    return made


def find() -> Path:
    """Return the folder of the suites: beside the package, or in the current folder.

    Raises
    ------
    UsageError
        Outside a checkout.
    """
    beside = Path(__file__).resolve().parents[2]
    for place in (beside, Path.cwd()):
        if (place / FOLDER / "__main__.py").is_file() and (place / "pyproject.toml").is_file():
            return place / FOLDER
    raise UsageError(
        f"the benchmarks are part of a checkout and not of the wheel: there is no folder {FOLDER} in {beside} or in "
        f"{Path.cwd()}. Get the sources, and run this there."
    )


def run(arguments: argparse.Namespace) -> None:
    """Start the suites in a process that has not imported NumPy, without what would cripple a peer's BLAS."""
    folder = find()
    for name in NEEDED:
        require(name, "bench", "fastnn bench")
    for name in info.blas_overrides():
        print(f"{name} would cripple NumPy and others: the benchmarks run without it.")
    sys.stdout.flush()
    environment = {name: value for name, value in os.environ.items() if name not in info.BLAS_VARIABLES}
    done = subprocess.run([sys.executable, "-P", str(folder), *words(arguments)], env=environment, check=False)
    raise SystemExit(done.returncode)
