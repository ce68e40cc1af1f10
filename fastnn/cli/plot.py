"""``fastnn plot``: pictures of a saved network, of a history, of activation functions."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .. import landscape, plot
from ..arrays import Array
from ..callbacks import History
from ..checks import real
from ..network import Network, load
from ..plot.style import matplotlib
from . import options
from .data import add_reading_options, load_test
from .files import check_file
from .options import Commands, UsageError

__all__ = ["add"]

DESCRIPTION = """\
Draw a picture of a network, or of what it learned.

  fastnn plot network digits.safetensors
  fastnn plot weights digits.safetensors --layer 1 --out weights.svg
  fastnn plot activations digits.safetensors digits --row 3
  fastnn plot confusion digits.safetensors digits
  fastnn plot landscape digits.safetensors digits --relief --html surface.html
  fastnn plot history history.json --series loss,val_loss --log
  fastnn plot functions sigmoid,tanh,relu

DATA is what fastnn train takes: digits, mnist, ..., a .csv or .npz file, a folder of IDX files; the part that training
leaves out is taken.
"""
OWN = ("loss", "data_loss", "val_loss", "seconds")  # the series of every history, and those in its metrics
METRICS = ("val_accuracy", "val_mse", "val_r2")


def add(commands: Commands[Any]) -> None:
    """Register the command, one sub-command per picture."""
    parser = commands.add_parser("plot", help="draw a network or what it learned", description=DESCRIPTION)
    pictures = parser.add_subparsers(dest="picture", metavar="PICTURE", required=True, prog="fastnn plot")

    def picture(name: str, draw: Callable[..., Any], told: str, data: bool = False, model: bool = True) -> Any:
        made = pictures.add_parser(name, help=told, description=told)
        made.set_defaults(run=run, draw=draw)
        if model:
            made.add_argument("model", type=Path, metavar="MODEL", help="a file that fastnn train wrote")
        if data:
            made.add_argument("data", metavar="DATA", help="see fastnn plot --help")
            made.add_argument("--target", metavar="COL", help="a CSV file's target (default: last column)")
            made.add_argument("--test-size", type=float, metavar="S", help="as for fastnn train (default 0.2)")
            add_reading_options(made)
        made.add_argument(
            "--out", type=Path, metavar="FILE", default=Path(f"{name}.png"),
            help=f"the picture: .png, .svg, .pdf, ... (default {name}.png)",
        )  # fmt: skip
        return made

    made = picture("network", _network, "neurons and weights as a graph")
    made.add_argument("--most", type=int, default=10, metavar="N", help="neurons shown of a layer (default 10)")
    made = picture("weights", _weights, "the weights of a layer as images")
    made.add_argument("--layer", type=int, default=1, metavar="L", help="from 1 (default 1)")
    made.add_argument("--shape", type=options.integers, metavar="H,W", help="of an image (default: a square)")
    made = picture("activations", _activations, "one row of DATA through all layers", data=True)
    made.add_argument("--row", type=int, default=0, metavar="I", help="from 0 (default 0)")
    made.add_argument("--shape", type=options.integers, metavar="H,W", help="of an image (default: a square)")
    made = picture("confusion", _confusion, "which classes are taken for which", data=True)
    made.add_argument("--normalize", action="store_true", help="per cent of the true class in place of counts")
    picture("predictions", _predictions, "predictions against real targets", data=True)
    picture("boundary", _boundary, "the classes of a network of two inputs, in the plane", data=True)
    made = picture("landscape", _landscape, "the loss over two random directions around the network", data=True)
    made.add_argument("--points", type=int, default=51, metavar="N", help="per axis (default 51)")
    made.add_argument("--span", type=float, default=1.0, metavar="S", help="from -S to S (default 1)")
    made.add_argument("--seed", type=int, default=0, help="of the directions (default 0)")
    made.add_argument("--relief", action="store_true", help="in three dimensions, not from above")
    made.add_argument("--html", type=Path, metavar="FILE", help="write a page to turn it about, too (.html)")
    made = picture("history", _history, "the numbers of a fit over its epochs", model=False)
    made.add_argument("history", type=Path, metavar="HISTORY", help="a .json or .csv file of fastnn train --history")
    made.add_argument("--series", type=options.names, metavar="NAME[,NAME]", help="loss, val_loss, val_accuracy, ...")
    made.add_argument("--log", action="store_true", help="logarithmic vertical axis")
    made = picture("functions", _functions, "activation functions and their derivatives", model=False)
    made.add_argument("names", type=options.names, metavar="NAME[,NAME]", help="sigmoid, tanh, relu, ...")


def run(arguments: argparse.Namespace) -> None:
    """Draw as the options say, and print where the picture is."""
    pyplot = matplotlib("pyplot")
    pyplot.switch_backend("agg")  # a file is all that is wanted: no window system is asked
    check_file(arguments.out)
    drawn = arguments.draw(arguments)
    try:
        print(plot.save(drawn, arguments.out))
    finally:
        pyplot.close(drawn.figure)


def _tested(arguments: argparse.Namespace) -> tuple[Network, Array, Array]:
    """Return the network, and the rows and targets that test it."""
    network = load(arguments.model)
    X, y = load_test(arguments, raw=network.input_scale != 1)
    return network, X, y


def _network(arguments: argparse.Namespace) -> Any:
    return plot.network(load(arguments.model), most=arguments.most)


def _weights(arguments: argparse.Namespace) -> Any:
    return plot.weights(load(arguments.model), arguments.layer, shape=arguments.shape)


def _activations(arguments: argparse.Namespace) -> Any:
    network, X, _ = _tested(arguments)
    if not 0 <= arguments.row < len(X):
        raise UsageError(f"--row must be 0 ... {len(X) - 1}, got {arguments.row}.")
    return plot.activations(network, X[arguments.row], shape=arguments.shape)


def _confusion(arguments: argparse.Namespace) -> Any:
    network, X, y = _tested(arguments)
    return plot.confusion_matrix(y, network.classify(X), normalize=arguments.normalize)


def _predictions(arguments: argparse.Namespace) -> Any:
    network, X, y = _tested(arguments)
    if network.output in ("softmax", "sigmoid"):
        raise UsageError(f"this network's output is {network.output!r}, so its targets are classes: plot confusion.")
    return plot.predictions(y, network.predict(X))


def _boundary(arguments: argparse.Namespace) -> Any:
    network, X, y = _tested(arguments)
    return plot.decision_boundary(network, X, y)


def _landscape(arguments: argparse.Namespace) -> Any:
    if arguments.html is not None:
        check_file(arguments.html)
    network, X, y = _tested(arguments)
    span = real(arguments.span, "--span", 0, open_low=True)
    found = landscape.surface(network, X, y, span=(-span, span), points=arguments.points, seed=arguments.seed)
    if arguments.html is not None:
        print(found.html(arguments.html))
    return found.relief() if arguments.relief else found.contour()


def _history(arguments: argparse.Namespace) -> Any:
    return plot.history(read_history(arguments.history), series=arguments.series, log=arguments.log)


def _functions(arguments: argparse.Namespace) -> Any:
    return plot.activation_functions(arguments.names)


def read_history(path: Path) -> History:
    """Return the history that ``fastnn train --history`` wrote.

    Raises ValueError for another file.
    """
    try:
        if path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8") as file:
                header, *rows = csv.reader(file)
            series = {name: [float(row[i]) for row in rows] for i, name in enumerate(header)}
        else:
            found = json.loads(path.read_text(encoding="utf-8"))
            series = {name: np.array(found[name], float).tolist() for name in (*OWN, *METRICS) if name in found}
        history = History(metrics={name: series[name] for name in METRICS if name in series})
        for name in OWN:
            setattr(history, name, series.get(name, []))
        if not history.loss:
            raise ValueError("it has no losses")
    except (ValueError, AttributeError, IndexError, TypeError) as error:  # what is no JSON or no such table
        raise ValueError(f"{path} is no history that fastnn train wrote: {error}.") from error
    return history
