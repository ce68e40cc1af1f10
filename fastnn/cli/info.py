"""``fastnn info``: versions, backends and why one is missing, CPU target, threads, data files."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import textwrap
from importlib import metadata
from typing import Any

import numpy as np

from .. import backends
from ..datasets import files
from .options import Commands
from .text import labelled

__all__ = ["BLAS_VARIABLES", "add", "blas_overrides"]

#: Packages that fastnn can use, and the extra that installs each; those without an extra come with fastnn.
PACKAGES = {
    "numpy": "",
    "safetensors": "",
    "tqdm": "",
    "numba": "numba",
    "scipy": "numba",
    "scikit-learn": "sklearn",
    "matplotlib": "plot",
    "plotly": "interactive",
    "networkx": "graph",
    "h5py": "data",
}

#: Either makes every OpenBLAS of the process (NumPy's, SciPy's, Numba's) run kernels of another processor or blocking.
BLAS_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
OWN_VARIABLES = ("FASTNN_BACKEND", "FASTNN_ISA", "FASTNN_NUM_THREADS", "FASTNN_DATA")

DATA = {"mnist": "idx", "fashion-mnist": "idx", "housing": "housing", "catvnoncat": "catvnoncat"}


def add(commands: Commands[Any]) -> None:
    """Register the command."""
    parser = commands.add_parser("info", help="what is installed and what will be used", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the same as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print what `collect` finds."""
    found = collect()
    print(json.dumps(found, indent=2) if arguments.json else _text(found))


def blas_overrides() -> dict[str, str]:
    """Return the variables of BLAS_VARIABLES that are set."""
    return {name: os.environ[name] for name in BLAS_VARIABLES if name in os.environ}


def collect() -> dict[str, Any]:
    """Return what there is to know about this installation, as plain JSON values."""
    found = backends.config()
    return {
        **found,
        "packages": {name: _version(name) for name in PACKAGES},
        "missing": {
            name: {"reason": reason, "install": backends.remedy(name, reason)}
            for name, reason in found["missing"].items()
        },
        "environment": {name: os.environ[name] for name in OWN_VARIABLES if name in os.environ},
        "blas_overrides": blas_overrides(),
        "data": {name: _data(name, room) for name, room in DATA.items()},
    }


def _version(package: str) -> str | None:
    if package == "numpy":
        return np.__version__
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _data(name: str, room: str) -> dict[str, Any]:
    """Return the folder in which a data set's files lie, or None, and the last place that was looked at."""
    module = importlib.import_module(f"fastnn.datasets.{room}")
    try:
        where = files.find(name, module._FILES, None, "")[0].parent
    except FileNotFoundError:
        looked = files.places(name, None)
        return {"found": None, "put_into": str(looked[-1]) if looked else None}
    return {"found": str(where)}


def _text(found: dict[str, Any]) -> str:
    lines = [
        labelled("fastnn", f"{found['fastnn']}   Python {found['python']}   {found['platform']}"),
        labelled("backends", ", ".join(found["available"]) + f"   (default: {found['backend'] or 'none'})"),
    ]
    if found["backend_error"]:
        lines.append(labelled("", found["backend_error"]))
    for name, what in found["missing"].items():
        lines.append(labelled("", f"no {name}: {what['reason']}\n  to have it: {what['install']}"))
    if found["cpu_target"]:
        others = ", ".join(found["cpu_targets"])
        lines.append(labelled("CPU", f"target {found['cpu_target']}   (this build and processor: {others})"))
    else:
        lines.append(labelled("CPU", "no target: the compiled backend is missing"))
    threads = f"{found['num_threads']}   (from {found['num_threads_from']})"
    lines.append(labelled("threads", found["num_threads_error"] or threads))
    if found["environment"]:
        lines.append(labelled("variables", "\n".join(f"{k}={v}" for k, v in found["environment"].items())))
    if found["blas_overrides"]:
        shown = ", ".join(f"{k}={v}" for k, v in found["blas_overrides"].items())
        lines.append(labelled("BLAS", f"{shown}\nNumPy and Numba may run at half speed; unset before timing"))
    lines.append("")
    lines += [labelled(*pair) for pair in _packages(found["packages"])]
    lines.append("")
    for name, place in found["data"].items():
        lines.append(f"{name:<15}{place['found'] or 'no files'}")
    lines.append(f"{'digits':<15}bundled")
    absent = [place["put_into"] for place in found["data"].values() if not place["found"]]
    if absent and absent[0]:
        lines.append(f"Files are looked for under FASTNN_DATA, then in {os.path.dirname(absent[0])}")
    return "\n".join(lines)


def _packages(versions: dict[str, str | None]) -> list[tuple[str, str]]:
    there = textwrap.fill(", ".join(f"{name} {version}" for name, version in versions.items() if version), 100)
    pairs = [("packages", there)]
    absent: dict[str, list[str]] = {}
    for name, version in versions.items():
        if version is None:
            absent.setdefault(PACKAGES[name], []).append(name)
    for extra, names in absent.items():
        install = f'pip install "fastnn-kernels[{extra}]"' if extra else f"pip install {' '.join(names)}"
        pairs.append(("", f"not installed: {', '.join(names)}   ({install})"))
    return pairs
