"""Files that a command writes: checked before the work, whole or not there after it."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from .._version import __version__
from ..callbacks import History
from ..io import write_whole
from .options import UsageError

__all__ = ["check_folder", "check_writable", "write_history", "write_whole"]


def check_writable(model: Path | None, history: Path | None) -> None:
    """Make sure that both files can be written, before an hour of training shows that they cannot.

    Raises
    ------
    UsageError
        If both are one file, or the history's name ends neither in .json nor in .csv.
    OSError
        If a folder does not exist or cannot be written to, or a path is a folder.
    """
    if history is not None and history.suffix not in (".json", ".csv"):
        raise UsageError(f"--history {history}: the name must end in .json or .csv.")
    given = [path for path in (model, history) if path is not None]
    if len(given) == 2 and given[0].resolve() == given[1].resolve():
        raise UsageError(f"--model and --history are the same file, {history}.")
    for path in given:
        check_file(path)


def check_file(path: Path) -> None:
    """Raise OSError if a file of this name cannot be written."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: there is no folder {path.parent}.")
    check_folder(path.parent)


def check_folder(folder: Path) -> None:
    """Raise OSError if no file can be made in a folder."""
    try:
        # by trying: permission bits do not tell about read-only file systems, quotas and the superuser
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise type(error)(f"{folder} cannot be written to: {error.strerror or error}.") from error


def write_history(path: Path, history: History, about: dict[str, Any]) -> None:
    """Write a history as JSON, with what it is about, or as CSV, one row per epoch."""
    series = history.as_dict()
    if path.suffix == ".json":
        made = {"fastnn": __version__, **about, "stopped_by": history.stopped_by, **series}
        write_whole(path, (json.dumps(made, indent=1) + os.linesep).encode())
        return
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["epoch", *series])
    rows.writerows([epoch, *values] for epoch, values in enumerate(zip(*series.values(), strict=False), start=1))
    write_whole(path, text.getvalue().encode())
