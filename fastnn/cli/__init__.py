"""The command line: ``fastnn info | demo | train | predict | plot | bench | run``, also ``python -m fastnn``.

Each command is a module with ``add(commands)``, which registers its options and the function that runs it; that
function returns nothing and raises what went wrong.  Here an exception becomes one line and an exit code:

    0 done,  1 it ran and failed (a fit diverged, the backends disagree),  2 wrong usage or input,
    130 Ctrl-C,  141 the reader of a pipe went away
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import os
import sys
from collections.abc import Sequence

from .._version import __version__
from ..backends import use_backend
from ..errors import FastNNError
from . import bench, demo, info, plot, predict, run, train
from .options import Parser, UsageError

__all__ = ["main"]

OVERVIEW = """\
Dense neural networks on the CPU, from NumPy arrays.

  fastnn demo                                            a good first minute: every backend, one table, two pictures
  fastnn info                                            versions, backends, CPU target, threads, data files
  fastnn train --data digits --model digits.safetensors  train a network and save it
  fastnn predict digits.safetensors digits --classes     what a saved network says about data
  fastnn plot weights digits.safetensors                 pictures of networks and of what they learn
  fastnn run script.py                                   a scikit-learn script with its MLPs replaced, unchanged
  fastnn bench loops                                     benchmarks against the peers, from a checkout
"""

EXPECTED = (FastNNError, ValueError, TypeError, OSError, MemoryError, ImportError)
REFUSED = (ValueError, TypeError, OSError, MemoryError, ImportError)


def _parse(words: list[str]) -> argparse.Namespace:
    """Return the options; raise UsageError, which suggests the nearest option for one that is unknown."""
    parser = Parser(
        prog="fastnn", usage="fastnn COMMAND [options]", description=OVERVIEW,
        epilog="fastnn COMMAND --help lists a command's options.",
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"fastnn {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", help=argparse.SUPPRESS, prog="fastnn")
    for module in (info, demo, train, predict, plot, bench, run):
        module.add(commands)
    found, unknown = parser.parse_known_args(words)
    if found.command is None:
        if unknown:
            parser.error(f"unknown option {unknown[0]}")
        parser.print_help()
        raise SystemExit(0)
    if unknown:
        chosen = commands.choices[found.command]
        near = difflib.get_close_matches(unknown[0].partition("=")[0], chosen._option_string_actions, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(f"{found.command} does not know {unknown[0]!r}.{hint} See: {chosen.prog} --help")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after ``fastnn``; None takes those of this process.

    Returns
    -------
    int
        See this module's docstring.

    Examples
    --------
    >>> code = main(["--version"])  # doctest: +ELLIPSIS
    fastnn ...
    >>> code
    0
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        arguments = _parse(words)
        arguments.own_process = argv is None
        chosen = getattr(arguments, "backend", None)
        with use_backend(chosen) if chosen else contextlib.nullcontext():
            arguments.run(arguments)
        sys.stdout.flush()  # so that a pipe that broke is noticed here
    except SystemExit as done:  # --help and --version
        return done.code if isinstance(done.code, int) else 0
    except KeyboardInterrupt as stop:
        return _failed(f"interrupted{_after(stop)}", 130)
    except BrokenPipeError:
        return _broken_pipe()
    except EXPECTED as error:
        if "--traceback" in words:
            raise
        return _failed(_message(error), 2 if isinstance(error, REFUSED) else 1)
    return 0


def _failed(message: str, code: int) -> int:
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    print(f"fastnn: {message}", file=sys.stderr)
    return code


def _after(stop: KeyboardInterrupt) -> str:
    return f"; {stop.args[0]}" if stop.args and isinstance(stop.args[0], str) else ""


def _message(error: BaseException) -> str:
    """Return what went wrong in words; an error of the system says its number first, which helps nobody."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{os.fspath(error.filename)}: {error.strerror}"
    return str(error) or type(error).__name__


def _broken_pipe() -> int:
    """Let the interpreter flush into nothing when it ends, and say nothing."""
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
    except (OSError, ValueError):  # stdout is no file: there is nothing to flush into
        pass
    return 141
