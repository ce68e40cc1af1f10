"""``fastnn train``: data, network and optimiser as options; saves the model and the history."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array
from ..callbacks import Callback, EarlyStopping, History, TimeLimit
from ..checks import whole
from ..model import OUTPUT_LOSSES
from ..network import Network
from . import options
from .data import Loaded, add_reading_options, hold_out, load_training
from .files import check_writable, write_history
from .options import Commands, UsageError
from .report import Plan, Report, Silence
from .standard import measure

__all__ = ["add"]

DESCRIPTION = """\
Train a network and save it.

  fastnn train --data digits --model digits.safetensors
  fastnn train --data mnist --hidden 16,16 --activation sigmoid --epochs 30 --schedule cosine
  fastnn train --data houses.csv --target price --model price.safetensors --history history.csv

--data is digits, mnist, fashion-mnist, housing, catvnoncat, a .csv file (one column is the target), an .npz file with
X and y (or X_train, y_train, X_test, y_test), or a folder with the four files of an image set in IDX format.
Whole numbers from 0 to 99 as targets are class labels; anything else is a real target. --output overrides that.
"""
EPILOG = """\
Ctrl-C ends the training and still saves what has been reached, once an epoch is complete.
"""

MAX_LABEL = 99  # whole numbers above it are taken for measurements
VALIDATION_SIZE = 0.1  # of the training rows, where early stopping needs some


def add(commands: Commands[Any]) -> None:
    """Register the command."""
    parser = commands.add_parser("train", help="train a network and save it", description=DESCRIPTION, epilog=EPILOG)
    parser.set_defaults(run=run)
    data = parser.add_argument_group("data")
    data.add_argument("--data", default="digits", metavar="NAME|PATH", help="see above (default digits)")
    data.add_argument("--target", metavar="COL", help="a CSV file's target: name or position (default: last column)")
    data.add_argument("--test-size", type=float, metavar="S", help="share of the rows kept for the test (default 0.2)")
    data.add_argument(
        "--validation-size", type=float, metavar="S",
        help="share of the training rows to validate with (default 0; 0.1 with --early-stopping)",
    )  # fmt: skip
    data.add_argument(
        "--standardize", action=argparse.BooleanOptionalAction,
        help="train on columns (and, with an identity output, targets) of mean 0 and deviation 1; the saved network "
        "takes and gives raw ones (default: for CSV files and housing)",
    )  # fmt: skip
    data.add_argument("--class-weight", choices=["balanced"], help="weigh each class by one over its frequency")
    add_reading_options(data)

    network = parser.add_argument_group("network")
    network.add_argument(
        "--hidden", type=options.integers, metavar="N,N", help="units of the hidden layers, or none (default 32,32)"
    )
    network.add_argument(
        "--sizes", type=options.integers, metavar="N,N,N", help="all layers, input and output too, in place of --hidden"
    )
    network.add_argument(
        "--activation", type=options.names, default="relu", metavar="NAME[,NAME]", help="of the hidden layers (relu)"
    )
    network.add_argument("--output", metavar="NAME", help="softmax, sigmoid, identity, exp, ... (from the targets)")
    network.add_argument(
        "--loss", type=options.loss, metavar="NAME[:P]",
        help="the output's first if not given; huber:1.5 and quantile:0.9 set the parameter (for a standardised "
        "target, huber's is in deviations)",
    )  # fmt: skip
    network.add_argument(
        "--init", type=options.init, metavar="INIT", help="he_normal, ..., normal:0.01, normal:1,bias:1"
    )
    network.add_argument("--dtype", default="float32", help="float32 (default) or float64")
    network.add_argument("--seed", type=int, default=0, help="of weights, order and dropout (default 0)")

    training = parser.add_argument_group("training")
    training.add_argument("--optimizer", default="adam", help="sgd, momentum, nesterov, adam (default), adamw, rmsprop")
    training.add_argument("--learning-rate", type=float, metavar="R", help="(the optimizer's default)")
    training.add_argument("--momentum", type=float, metavar="M", help="for sgd, momentum and nesterov")
    training.add_argument("--weight-decay", type=float, metavar="W", help="decoupled; for all but adam")
    training.add_argument(
        "--schedule", metavar="S",
        help="of the rate: cosine[:FINAL], onecycle[:RISE], step:EVERY[:FACTOR], exponential:FACTOR, inverse[:POWER]; "
        "lengths in epochs",
    )  # fmt: skip
    training.add_argument("--epochs", type=int, default=20, help="passes over the data (default 20)")
    training.add_argument("--batch-size", default="32", metavar="N|full", help="rows per update (default 32)")
    training.add_argument(
        "--l2", type=options.floats, default=0.0, metavar="L", help="penalty L/2 |W|^2, or one per layer"
    )
    training.add_argument(
        "--dropout", type=options.floats, default=0.0, metavar="P", help="share dropped, or one per hidden layer"
    )
    training.add_argument("--clip-norm", type=float, metavar="C", help="longest norm of the gradient")
    training.add_argument(
        "--early-stopping", type=int, metavar="N", help="stop after N epochs without improvement; keep the best"
    )
    training.add_argument("--time-limit", type=float, metavar="S", help="stop after S seconds")
    training.add_argument("--backend", help="cython, numba or numpy")
    training.add_argument("--threads", type=int, metavar="N", help="threads to use")

    outputs = parser.add_argument_group("results")
    outputs.add_argument("--model", type=Path, metavar="FILE", help="save the network (.safetensors)")
    outputs.add_argument("--history", type=Path, metavar="FILE", help="save the epochs' numbers (.json or .csv)")
    outputs.add_argument("--quiet", action="store_true", help="print nothing but errors")


def run(arguments: argparse.Namespace) -> None:
    """Train as the options say."""
    check_writable(arguments.model, arguments.history)
    settings = _fit_settings(arguments)
    loaded = load_training(arguments)
    plan = _plan(arguments, loaded)
    plan.network.const(l2=arguments.l2, dropout=arguments.dropout, clip_norm=arguments.clip_norm)  # refuses bad ones
    if arguments.class_weight and plan.network.output not in ("softmax", "sigmoid"):
        raise UsageError(f"--class-weight is for class labels; the output {plan.network.output!r} has none.")
    say = Silence() if arguments.quiet else Report(plan, arguments)
    say.announce(settings["optimizer"].describe().partition(":  ")[0])
    interrupted = False
    try:
        with say.lines() as progress:
            plan.network.fit(
                *plan.fitted, validation_data=plan.validation, class_weight=arguments.class_weight, progress=progress,
                callbacks=[*settings.pop("callbacks"), say], **settings,
            )  # fmt: skip
    except KeyboardInterrupt:
        interrupted = True
    history = plan.network.history or History()
    if interrupted and not history.epochs:
        raise KeyboardInterrupt("before the first epoch was complete: nothing was saved")
    _finish(arguments, plan, history, say, interrupted)
    if interrupted:
        saved = [str(path) for path in (arguments.model, arguments.history) if path is not None]
        raise KeyboardInterrupt(f"what was reached is in {' and '.join(saved)}" if saved else "nothing was to be saved")


def _fit_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the keyword arguments of `Network.fit` that do not depend on the data."""
    callbacks: list[Callback] = []
    if arguments.early_stopping is not None:
        callbacks.append(EarlyStopping(arguments.early_stopping))
    if arguments.time_limit is not None:
        callbacks.append(TimeLimit(arguments.time_limit))
    batch_size = None
    if arguments.batch_size != "full":
        try:
            batch_size = int(arguments.batch_size)
        except ValueError:
            raise UsageError(f"--batch-size must be a whole number or full, got {arguments.batch_size!r}.") from None
        whole(batch_size, "batch_size", 1)
    return {
        "optimizer": options.optimizer(arguments),
        "epochs": whole(arguments.epochs, "epochs"),
        "batch_size": batch_size,
        "l2": arguments.l2,
        "dropout": arguments.dropout,
        "clip_norm": arguments.clip_norm,
        "num_threads": None if arguments.threads is None else whole(arguments.threads, "num_threads", 1),
        "callbacks": callbacks,
    }


def _plan(arguments: argparse.Namespace, loaded: Loaded) -> Plan:
    validation_size = arguments.validation_size
    if validation_size is None:
        validation_size = VALIDATION_SIZE if arguments.early_stopping is not None else 0.0
    if arguments.early_stopping is not None and validation_size == 0:
        raise UsageError("--early-stopping needs a --validation-size above 0; the test part must not decide.")
    held_out: tuple[Array, Array] | None = None
    if validation_size:
        loaded, *rows = hold_out(loaded, validation_size)
        held_out = (rows[0], rows[1])
    elif len(loaded.X_test):
        held_out = (loaded.X_test, loaded.y_test)
    output, n_out = _output_for(arguments, np.concatenate([loaded.y_train, loaded.y_test]))
    standardize = loaded.table if arguments.standardize is None else arguments.standardize
    standard = None
    if standardize:
        standard = measure(loaded.X_train, loaded.y_train if output == "identity" else None)
    pixels = loaded.X_train.dtype == np.uint8 and standard is None
    network = Network(
        _sizes(arguments, loaded, n_out), activation=arguments.activation, output=output, loss=arguments.loss,
        init=arguments.init, dtype=arguments.dtype, seed=arguments.seed, input_scale=1 / 255 if pixels else 1.0,
    )  # fmt: skip
    fitted = (loaded.X_train, loaded.y_train)
    if standard is not None:
        fitted = (standard.inputs(fitted[0], network.dtype), standard.targets(fitted[1]))
        if held_out is not None:
            held_out = (standard.inputs(held_out[0], network.dtype), standard.targets(held_out[1]))
    return Plan(network, loaded, fitted, held_out, "validation" if validation_size else "test", standard)


def _sizes(arguments: argparse.Namespace, loaded: Loaded, n_out: int) -> list[int]:
    columns = loaded.X_train.shape[1]
    if arguments.sizes is None:
        return [columns, *([32, 32] if arguments.hidden is None else arguments.hidden), n_out]
    if arguments.hidden is not None:
        raise UsageError("--hidden and --sizes say the same thing twice; give one of them.")
    sizes: list[int] = arguments.sizes
    if len(sizes) >= 2 and (sizes[0] != columns or sizes[-1] != n_out):
        fitting = ",".join(map(str, [columns, *sizes[1:-1], n_out]))
        raise UsageError(f"--sizes: the data have {columns} columns and need {n_out} outputs, so it must be {fitting}.")
    return sizes


def _output_for(arguments: argparse.Namespace, y: Array) -> tuple[str, int]:
    """Return the output that suits the targets, the loss and what was asked for, and the number of units."""
    if y.dtype.kind not in "buif":
        raise TypeError(f"the targets must be numbers, got dtype {y.dtype}. Encode them first.")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError("the targets hold values that are not finite. Remove or impute those rows.")
    wide = y.ndim == 2 and y.shape[1] > 1
    y = y if wide else y.reshape(-1)
    binary = y.size > 0 and bool(((y == 0) | (y == 1)).all())
    labels = not wide and y.dtype.kind in "bui" and y.size > 0 and 0 <= y.min() and y.max() <= MAX_LABEL
    if wide:
        guess = ("softmax" if (y.sum(axis=1) == 1).all() else "sigmoid") if binary else "identity"
    else:
        guess = ("sigmoid" if binary else "softmax") if labels else "identity"
    output = arguments.output or _for_loss(arguments.loss, guess, wide or labels)
    if wide:
        return output, y.shape[1]
    classes = int(y.max()) + 1 if labels and y.size else 1
    if output == "softmax":
        return output, max(2, int(y.max()) + 1 if y.dtype.kind in "bui" and y.min() >= 0 else classes)
    return output, (1 if binary else classes) if output == "sigmoid" else 1


def _for_loss(loss: str | dict[str, float] | None, guess: str, labels: bool) -> str:
    """Return the first output that goes with a loss: the guess where it does."""
    if loss is None:
        return guess
    name = next(iter(loss)) if isinstance(loss, dict) else loss
    name = {"mse": "squared_error", "mae": "absolute_error"}.get(name, name)
    order = [guess, *(("sigmoid", "identity") if labels else ("identity", "sigmoid")), "exp", "softmax"]
    return next((output for output in order if name in OUTPUT_LOSSES[output]), guess)


def _finish(
    arguments: argparse.Namespace, plan: Plan, history: History, say: Report | Silence, interrupted: bool
) -> None:
    """Go back to raw units, evaluate, save, and report."""
    network, data = plan.network, plan.data
    if plan.standard is not None:
        network = plan.standard.fold(network, data.X_train)
        history = plan.standard.in_raw_units(history, network.loss)
    tested = len(data.X_test) > 0
    X, y = (data.X_test, data.y_test) if tested else (data.X_train, data.y_train)
    result = network.evaluate(X, y, num_threads=arguments.threads)
    if arguments.model is not None:
        network.save(arguments.model)
    if arguments.history is not None:
        about = {"data": data.name, "sizes": list(network.sizes), "seed": network.seed, "interrupted": interrupted}
        write_history(arguments.history, history, {**about, "test" if tested else "training": result})
    say.end_report(network, history, result, len(X) if tested else 0)
