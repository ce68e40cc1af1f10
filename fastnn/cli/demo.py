"""``fastnn demo``: one network on every backend, one table, two pictures."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .. import backends, datasets
from .._version import __version__
from ..datasets.dataset import Dataset
from ..errors import MissingDependencyError
from . import info
from .files import check_folder
from .options import Commands, UsageError
from .runners import (
    AGREEMENT,
    STEPS,
    BackendRun,
    HandRun,
    Result,
    Settings,
    check_agreement,
    one_blas_thread,
    run_sklearn,
)
from .text import labelled, seconds, table

__all__ = ["add"]

DESCRIPTION = """\
Train one small network on every backend and compare them: same start, same batches, same results.

The network is 784-16-16-10 with sigmoid layers. It learns MNIST if its files are there (under FASTNN_DATA or in the
cache: see fastnn info), else the bundled digits. Nothing is downloaded. The two pictures go into --out.
"""

EPOCHS = {"MNIST": 10, "digits": 40}
QUICK_EPOCHS = 10
LINES = 10  # epoch lines of a training
SETTLE = 0.05  # seconds between two runs: a BLAS keeps its threads spinning for about 20 ms after its last product

#: What one needs to go on from here; printed as it stands, and run by the tests.
FIVE_LINES = """\
import fastnn
X_train, y_train, X_test, y_test = fastnn.datasets.{loader}()
net = fastnn.Network([784, 16, 16, 10], activation="sigmoid", output="softmax", seed={seed})
net.fit(X_train, y_train, epochs={epochs}, optimizer=fastnn.SGD({rate}, momentum={momentum}))
print(net.evaluate(X_test, y_test))
"""


def add(commands: Commands[Any]) -> None:
    """Register the command."""
    parser = commands.add_parser("demo", help="every backend, one table, two pictures", description=DESCRIPTION)
    parser.add_argument(
        "--out", type=Path, default=Path("fastnn-demo"), metavar="DIR", help="folder of the pictures (fastnn-demo)"
    )
    parser.add_argument("--quick", action="store_true", help="the bundled digits and few epochs: a few seconds")
    parser.add_argument("--epochs", type=int, metavar="N", help="passes over the data (MNIST 10, digits 40)")
    parser.add_argument("--seed", type=int, default=0, help="of the initial weights and the order of rows (default 0)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Run the demo."""
    _without_overrides(arguments.own_process)
    if arguments.epochs is not None and arguments.epochs < 1:
        raise UsageError(f"--epochs must be at least 1, got {arguments.epochs}.")
    arguments.out.mkdir(parents=True, exist_ok=True)
    check_folder(arguments.out)
    name, data = _data(arguments.quick)
    epochs = arguments.epochs or (QUICK_EPOCHS if arguments.quick else EPOCHS[name])
    settings = Settings(epochs=epochs, seed=arguments.seed)
    _introduce(name, data, settings)
    runs = _prepare(settings, data)
    hand = HandRun(settings, data)
    _train(runs, hand, epochs)
    results = [run.finish() for run in runs]
    by_hand = hand.finish()
    missing = {
        name: f"not available: {backends.remedy(name, reason)}" for name, reason in backends.missing_backends().items()
    }
    others = _others(settings, data, missing)
    print()
    print("\n".join(_table(results, by_hand, others, missing)))
    print()
    _draw(arguments.out, name, runs, [*results, by_hand, *others])
    print("Five lines to go on with:\n")
    print(FIVE_LINES.format(
        loader="load_mnist" if name == "MNIST" else "load_digits", seed=settings.seed, epochs=settings.epochs,
        rate=settings.rate, momentum=settings.momentum,
    ), end="")  # fmt: skip


def _without_overrides(own_process: bool) -> None:
    """Start this process anew without the variables that make OpenBLAS slow; NumPy has read them already.

    A caller's process is not replaced: there the variables are only named.
    """
    found = info.blas_overrides()
    if not found:
        return
    names = " and ".join(found)
    if not own_process:
        print(f"{names} set: NumPy and Numba may run at half speed here, and so look worse than they are.")
        return
    print(f"{names} would slow NumPy and Numba down: starting again without.", flush=True)
    command = [sys.executable, *sys.orig_argv[1:]]
    environment = {name: value for name, value in os.environ.items() if name not in found}
    if os.name == "nt":  # exec would give the terminal back before the end
        raise SystemExit(subprocess.run(command, env=environment, check=False).returncode)
    os.execve(sys.executable, command, environment)


def _data(quick: bool) -> tuple[str, Dataset]:
    if not quick:
        try:
            return "MNIST", datasets.load_mnist()
        except FileNotFoundError:
            pass
    return "digits", datasets.load_digits()


def _introduce(name: str, data: Dataset, settings: Settings) -> None:
    sizes = "-".join(map(str, settings.sizes))
    source = {"MNIST": "MNIST", "digits": "the bundled digits"}[name]
    print(labelled("fastnn", f"{__version__}, on {_machine()}"))
    print(labelled("data", f"{source}: {len(data.X_train):,} images to learn from, {len(data.X_test):,} to test with"))
    print(labelled("network", f"{sizes}, sigmoid layers, softmax output, float32, seed {settings.seed}"))
    print(labelled("training", f"{settings.epochs} epochs of batches of {settings.batch_size}, "
                   f"gradient descent with momentum {settings.momentum}, learning rate {settings.rate}"))  # fmt: skip
    print()


def _machine() -> str:
    found = backends.config()
    target = f", CPU target {found['cpu_target']}" if found["cpu_target"] else ""
    threads = backends.get_num_threads()
    return f"{threads} thread{'s' if threads > 1 else ''}{target}, Python {found['python']}, NumPy {found['numpy']}"


def _prepare(settings: Settings, data: Dataset) -> list[BackendRun]:
    """Return the runs, warmed up and found to agree."""
    runs = []
    for name in backends.available_backends():
        if name == "numba":
            print("Numba compiles at its first use, which may take a minute ... ", end="", flush=True)
        runs.append(BackendRun(name, settings, data))
        if name == "numba":
            print(f"{runs[-1].result.compile:.1f} s")
    found = check_agreement(runs)
    if found:
        pairs = "   ".join(f"{one} - {other} {difference:.1e}" for one, other, difference in found)
        print(f"The backends agree: after {STEPS} steps the largest relative difference of a parameter array is\n"
              f"  {pairs}   (allowed {AGREEMENT:.0e})")  # fmt: skip
    else:
        print("There is only one backend here: nothing to compare it with.")
    print()
    return runs


def _train(runs: list[BackendRun], hand: HandRun, epochs: int) -> None:
    """Train all runs a few epochs at a time, in turn, so that a busy moment of the machine hits them alike."""
    everyone: list[BackendRun | HandRun] = [*runs, hand]
    widths = [max(7, len(one.result.name)) for one in everyone]
    heads = [one.result.name.rjust(width) for one, width in zip(everyone, widths, strict=True)]
    print("epoch     loss  test accuracy   s/epoch: " + "  ".join(heads))
    step = max(1, -(-epochs // LINES))
    for done in range(0, epochs, step):
        last = min(done + step, epochs)
        for one in everyone:
            time.sleep(SETTLE)
            with one_blas_thread():
                for _ in range(done, last):
                    one.epoch()
        first = runs[0].result
        times = [seconds(one.result.epoch).rjust(width) for one, width in zip(everyone, widths, strict=True)]
        accuracy = f"{100 * first.accuracy[-1]:11.2f} %"
        print(f"{last:5}  {first.loss[-1]:7.4f}  {accuracy}" + " " * 12 + "  ".join(times), flush=True)


def _others(settings: Settings, data: Dataset, missing: dict[str, str]) -> list[Result]:
    try:
        print("training scikit-learn's MLPClassifier as long ...", flush=True)
        return [run_sklearn(settings, data)]
    except ImportError:
        missing["scikit-learn"] = 'not installed: pip install "fastnn-kernels[sklearn]"'
        return []


def _table(results: list[Result], by_hand: Result, others: list[Result], missing: dict[str, str]) -> list[str]:
    head = ("backend", "compile s", "epoch s", "accuracy %", "one row us", "speed")
    rows: list[tuple[str, ...]] = [head]
    for one in [*results, by_hand, *others]:
        rows.append((
            one.name,
            f"{one.compile:.1f}" if one.compile >= 0.05 else "-",
            seconds(one.epoch),
            f"{100 * one.accuracy[-1]:.2f}",
            f"{1e6 * one.one_row:.1f}",
            f"{by_hand.epoch / one.epoch:.2f}x",
        ))  # fmt: skip
    order = [*backends.BACKENDS, by_hand.name, "scikit-learn"]
    rows += [(name, note) for name, note in missing.items()]
    rows[1:] = sorted(rows[1:], key=lambda row: order.index(row[0]))
    lines = table(rows)
    return [
        *lines[:1], "-" * len(lines[0]), *lines[1:],
        "epoch: median; accuracy: test images, last epoch; one row: one image from Python, median;",
        "speed: epochs per second, NumPy by hand = 1; compile: Numba's code is kept, a later run only loads it;",
        "numpy: the reference that the other backends are tested against, written to be read",
    ]  # fmt: skip


def _draw(folder: Path, name: str, runs: list[BackendRun], results: list[Result]) -> None:
    """Write the pictures and print their paths, or how to get them."""
    try:
        from .pictures import draw_curves, draw_weights

        curves = draw_curves(folder / "curves.png", name, [run.backend for run in runs], results)
        weights = draw_weights(folder / "weights.png", name, runs[0].network.weights[0], len(runs[0].result.seconds))
    except MissingDependencyError as error:
        print(f"No pictures: {error}\n")
        return
    print(labelled("pictures", f"{curves}\n{weights}") + "\n")
