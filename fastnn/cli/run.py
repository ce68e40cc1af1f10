"""``fastnn run``: an unchanged script, with fastnn's estimators where scikit-learn hands out its perceptrons."""

from __future__ import annotations

import argparse
import os
import runpy
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import require
from .options import Commands, UsageError

__all__ = ["add"]

DESCRIPTION = """\
Run a Python script, unchanged, with sklearn.neural_network.MLPClassifier and MLPRegressor replaced by fastnn's.

  fastnn run script.py arguments of the script
  fastnn run -m package.module arguments
"""


def add(commands: Commands[Any]) -> None:
    """Register the command."""
    parser = commands.add_parser("run", help="a script with scikit-learn's MLPs replaced", description=DESCRIPTION)
    parser.add_argument("--backend", choices=("cython", "numba", "numpy"), help="the kernels to use")
    parser.add_argument("-m", "--module", action="store_true", help="SCRIPT is a module's name, as in python -m")
    parser.add_argument("script", metavar="SCRIPT", help="path of the script")
    parser.add_argument("arguments", metavar="...", nargs=argparse.REMAINDER, help="passed on to the script")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Run the script as Python would: its arguments, its exit code, its traceback."""
    require("sklearn", "sklearn", "fastnn run")
    from ..estimators import patch_sklearn

    if not arguments.module and not Path(arguments.script).is_file():
        raise UsageError(f"there is no file {arguments.script!r}. See: fastnn run --help")
    before_argv, before_path = sys.argv, list(sys.path)
    sys.argv = [arguments.script, *arguments.arguments]
    sys.path[0] = os.getcwd() if arguments.module else str(Path(arguments.script).resolve().parent)
    try:
        with patch_sklearn():
            if arguments.module:
                runpy.run_module(arguments.script, run_name="__main__", alter_sys=True)
            else:
                runpy.run_path(arguments.script, run_name="__main__")
    except SystemExit as done:
        if done.code is not None and not isinstance(done.code, int):  # a message, which Python prints
            print(done.code, file=sys.stderr)
            raise SystemExit(1) from None
        raise SystemExit(done.code or 0) from None
    except Exception as error:
        sys.stdout.flush()
        traceback.print_exception(type(error), error, _of_the_script(error.__traceback__))
        raise SystemExit(1) from None
    finally:
        sys.argv, sys.path[:] = before_argv, before_path


def _of_the_script(found: TracebackType | None) -> TracebackType | None:
    """Return the traceback without the frames that lead to the script; all of it where it never got there."""
    inner = found
    while inner is not None and inner.tb_frame.f_code.co_filename in OUTER:
        inner = inner.tb_next
    return inner or found


OUTER = {__file__, runpy.__file__, "<frozen runpy>"}
