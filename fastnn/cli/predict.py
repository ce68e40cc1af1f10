"""``fastnn predict``: a saved network's outputs for data, as CSV or NPY."""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array
from ..network import Network, load
from .data import add_reading_options, load_rows
from .files import check_file, write_whole
from .options import Commands, UsageError

__all__ = ["add"]

DESCRIPTION = """\
Print or save what a network says about data.

  fastnn predict digits.safetensors digits --classes
  fastnn predict price.safetensors houses.csv --target price --out predicted.csv

DATA is a .csv file of the columns that the network takes, an .npy or .npz file (X_test, X, or its one array), a file of
IDX images, or a data set, of which the test part is taken: digits, mnist, fashion-mnist, housing, catvnoncat, or a
folder with the four files of an image set in IDX format.
"""

CHUNK = 4096  # rows of text written at a time


def add(commands: Commands[Any]) -> None:
    """Register the command."""
    parser = commands.add_parser("predict", help="what a saved network says about data", description=DESCRIPTION)
    parser.add_argument("model", type=Path, metavar="MODEL", help="a file that fastnn train or Network.save wrote")
    parser.add_argument("data", metavar="DATA", help="see above")
    parser.add_argument(
        "--out", type=Path, default=Path("-"), metavar="FILE", help="a .csv or .npy file; - prints CSV (default)"
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--classes", action="store_true", help="class labels")
    kind.add_argument("--probabilities", action="store_true", help="one probability per output")
    parser.add_argument("--target", metavar="COL", help="a column of a CSV file to leave out")
    add_reading_options(parser)
    parser.add_argument("--backend", help="cython, numba or numpy")
    parser.add_argument("--threads", type=int, metavar="N", help="threads to use")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Predict as the options say."""
    out: Path = arguments.out
    printed = str(out) == "-"
    if not printed:
        if out.suffix not in (".csv", ".npy"):
            raise UsageError(f"--out {out}: the name must end in .csv or .npy, or be - for the terminal.")
        check_file(out)
    network = load(arguments.model)
    rows = load_rows(arguments.data, arguments, raw=network.input_scale != 1)
    try:
        result = _outputs(network, rows, arguments)
    except ValueError as error:
        if rows.ndim == 2 and rows.shape[1] == network.sizes[0] + 1 and arguments.target is None:
            raise ValueError(f"{error} If a column of a CSV file is the target, leave it out by --target.") from error
        raise
    if printed:
        for block in _blocks(network, result, arguments.classes):
            sys.stdout.write(block)
        return
    if out.suffix == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, result)
        data = buffer.getvalue()
    else:
        data = "".join(_blocks(network, result, arguments.classes)).encode()
    write_whole(out, data)
    print(f"{out}: {len(result):,} rows")


def _outputs(network: Network, rows: Array, arguments: argparse.Namespace) -> Array:
    if arguments.probabilities and network.output not in ("softmax", "sigmoid"):
        raise UsageError(f"this network's output is {network.output!r}: it gives values, not probabilities.")
    if arguments.classes:
        return network.classify(rows, num_threads=arguments.threads)
    return network.predict(rows, num_threads=arguments.threads)


def _blocks(network: Network, result: Array, classes: bool) -> list[str]:
    """Return CSV text in blocks: a header, and numbers with the digits that give the same float back."""
    table = result.reshape(len(result), -1)
    stem = "class" if classes else "p" if network.output in ("softmax", "sigmoid") else "y"
    columns = [stem] if table.shape[1] == 1 else [f"{stem}{i}" for i in range(table.shape[1])]
    digits = "%d" if classes else "%.9g" if table.dtype == np.float32 else "%.17g"
    row = ",".join([digits] * table.shape[1]) + "\n"
    blocks = [",".join(columns) + "\n"]
    for start in range(0, len(table), CHUNK):
        blocks.append("".join(row % tuple(values) for values in table[start : start + CHUNK].tolist()))
    return blocks
