"""IDX, the format of MNIST: a single file, or the four files of an image set.

    bytes 0, 1   zero
    byte  2      the type: 0x08 uint8, 0x09 int8, 0x0B int16, 0x0C int32, 0x0D float32, 0x0E float64
    byte  3      the number of dimensions d
    4 d bytes    the dimensions, uint32
    the rest     the values, row-major

All numbers are big-endian. A file may be gzipped. Sizes are checked before memory is taken: it never holds more than
the file really contains, whatever its header declares.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.datasets.dataset import Dataset, scale_pixels
from fastnn.datasets.files import MAX_DEFLATE_RATIO, RemoteFile, StrPath, cache_dir, fetch, find, open_binary, places
from fastnn.errors import DownloadError

__all__ = ["load_fashion_mnist", "load_idx", "load_mnist", "read_idx"]

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MAX_DIMENSIONS = 32
_CHUNK = 1 << 20

_NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
# Packed as it is distributed, unpacked, and with the dot that some archives have.
_FILES = tuple(
    (f"{name}.gz", name, f"{name.replace('-idx', '.idx')}.gz", name.replace("-idx", ".idx")) for name in _NAMES
)

#: Copies of the four original files; the digests below are those of the originals.
MNIST_MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
MNIST_FILES = (
    RemoteFile(
        "train-images-idx3-ubyte.gz", 9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    RemoteFile("train-labels-idx1-ubyte.gz", 28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    RemoteFile(
        "t10k-images-idx3-ubyte.gz", 1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
    ),
    RemoteFile("t10k-labels-idx1-ubyte.gz", 4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
)


def load_mnist(*, raw: bool = False, path: StrPath | None = None, download: bool = False) -> Dataset:
    """Load MNIST: 70 000 handwritten digits of 28x28 pixels.

        X = pixel / 255

    Parameters
    ----------
    raw : bool, default False
        Return the uint8 pixels 0..255 in place of float32 in 0..1: a quarter of the memory.
    path : str or path-like, optional
        The directory that holds the four IDX files, gzipped or not. Without it: ``mnist/`` below each directory of
        ``FASTNN_DATA`` and that directory itself, then ``fastnn/mnist`` in the user's cache.
    download : bool, default False
        If the files are not found, fetch those that are missing (11.6 MB in all) into ``path``, or into the user's
        cache, and check their SHA-256. Without it the network is never used.

    Returns
    -------
    Dataset
        ``X_train`` (60000, 784) and ``X_test`` (10000, 784), float32 in 0..1 (uint8 if ``raw``); ``y_train`` (60000,)
        and ``y_test`` (10000,), int64 labels 0..9. New arrays at each call.

    Raises
    ------
    FileNotFoundError
        If the files are not found; the message names them, every place that was looked at, and where to put them.
    DownloadError
        If a download was asked for and failed.
    ValueError
        If a file is not what it should be; the message names the file, what was expected and what came.

    References
    ----------
    Y. LeCun, C. Cortes and C. J. C. Burges, The MNIST database of handwritten digits, 1998; licence CC BY-SA 3.0.

    Examples
    --------
    >>> from fastnn.datasets import load_mnist
    >>> X_train, y_train, X_test, y_test = load_mnist()  # doctest: +SKIP
    """
    if download:
        _complete_mnist(path)
    advice = "Or call load_mnist(download=True), which fetches them and checks their SHA-256."
    return _read_four(find("mnist", _FILES, path, advice), raw)


def load_fashion_mnist(*, raw: bool = False, path: StrPath | None = None) -> Dataset:
    """Load Fashion-MNIST: 70 000 pictures of clothing of 28x28 pixels, in MNIST's format.

        X = pixel / 255

    Parameters
    ----------
    raw : bool, default False
        Return the uint8 pixels 0..255 in place of float32 in 0..1.
    path : str or path-like, optional
        The directory that holds the four IDX files, gzipped or not. Without it: ``fashion-mnist/`` below each
        directory of ``FASTNN_DATA``, and that directory itself if "fashion" or "fmnist" is in its name (the files are
        named like MNIST's); then ``fastnn/fashion-mnist`` in the user's cache.

    Returns
    -------
    Dataset
        As :func:`load_mnist`. The labels: 0 T-shirt/top, 1 trouser, 2 pullover, 3 dress, 4 coat, 5 sandal, 6 shirt, 7
        sneaker, 8 bag, 9 ankle boot.

    Raises
    ------
    FileNotFoundError
        If the files are not found; the message names them, every place that was looked at, and where to put them.
    ValueError
        If a file is not what it should be; the message names the file, what was expected and what came.

    Notes
    -----
    No download is offered: this package pins a SHA-256 only where it was computed from the files themselves.

    References
    ----------
    H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST, arXiv:1708.07747,
    https://github.com/zalandoresearch/fashion-mnist; licence MIT.

    Examples
    --------
    >>> from fastnn.datasets import load_fashion_mnist
    >>> X_train, y_train, X_test, y_test = load_fashion_mnist()  # doctest: +SKIP
    """
    advice = "They can be had from https://github.com/zalandoresearch/fashion-mnist; no download is offered here."
    return _read_four(find("fashion-mnist", _FILES, path, advice), raw)


def load_idx(path: StrPath, *, raw: bool = False) -> NDArray[Any] | Dataset:
    """Load one IDX file, or a directory with the four files of an image set.

    Parameters
    ----------
    path : str or path-like
        An IDX file, gzipped or not; or a directory with ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``,
        ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``, each with or without ``.gz``.
    raw : bool, default False
        For a directory: keep the dtype of the pixels.

    Returns
    -------
    ndarray or Dataset
        For a file: a new array of the file's shape and dtype, in the machine's byte order. For a directory: images
        flattened to rows (n, height * width), uint8 pixels divided by 255 as float32, other types cast to float32 as
        they are; labels (n,) int64.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or one of the four is missing.
    ValueError
        If a file is malformed, truncated or too long, or the files do not fit together; the message names the file,
        what was expected and what came.

    References
    ----------
    Y. LeCun, The IDX file format, on the page of the MNIST database.

    Examples
    --------
    >>> import os, tempfile
    >>> from fastnn.datasets import load_idx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = os.path.join(folder, "numbers")
    ...     with open(file, "wb") as f:
    ...         _ = f.write(bytes([0, 0, 0x0B, 1, 0, 0, 0, 3]) + bytes([0, 1, 0, 2, 1, 0]))
    ...     load_idx(file)
    array([  1,   2, 256], dtype=int16)
    """
    if os.path.isdir(path):
        return _read_four(find("an IDX directory", _FILES, path, "Or pass the path of a single IDX file."), raw)
    return read_idx(path)


def read_idx(path: StrPath) -> NDArray[Any]:
    """Read one IDX file; :func:`load_idx` has the contract."""
    name = os.fspath(path)
    with open_binary(path) as file:
        header = file.read(4)
        if len(header) < 4 or header[:2] != b"\0\0" or header[2] not in _DTYPES:
            raise ValueError(
                f"{name} is not an IDX file: it begins with {header.hex(' ') or 'nothing'}; "
                f"expected 00 00, a type ({' '.join(f'{code:02x}' for code in _DTYPES)}), the number of dimensions."
            )
        ndim = header[3]
        if not 1 <= ndim <= _MAX_DIMENSIONS:
            raise ValueError(f"{name} declares {ndim} dimensions; expected 1 to {_MAX_DIMENSIONS}.")
        sizes = file.read(4 * ndim)
        if len(sizes) < 4 * ndim:
            raise ValueError(f"{name} ends inside its header, after {4 + len(sizes)} of {4 + 4 * ndim} bytes.")
        shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
        dtype: np.dtype[Any] = np.dtype(_DTYPES[header[2]])
        values = _read_exactly(file, name, shape, dtype, os.path.getsize(path))
    try:
        array = np.frombuffer(values, dtype).reshape(shape)
    except ValueError as error:
        raise ValueError(f"{name} declares the shape {shape}, which no array can have ({error}).") from error
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_exactly(file: Any, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], on_disk: int) -> bytearray:
    """Read the values, no byte more or less; memory grows with what comes, not with what the header declares."""
    expected = math.prod(shape) * dtype.itemsize
    described = f"{name}: its header declares {dtype.newbyteorder('=')} values of shape {shape}, {expected} bytes"
    if expected > on_disk * MAX_DEFLATE_RATIO:
        raise ValueError(f"{described}; the file has only {on_disk} bytes, too few even if it is gzipped.")
    values = bytearray()
    while chunk := file.read(min(_CHUNK, expected + 1 - len(values))):
        values += chunk
    if len(values) < expected:
        raise ValueError(f"{described}; the file ends after {len(values)} of them.")
    if len(values) > expected:
        raise ValueError(f"{described}; the file goes on after them.")
    return values


def _complete_mnist(path: StrPath | None) -> None:
    """Fetch the files of MNIST that are missing, unless some place has all four."""
    try:
        find("mnist", _FILES, path, "")
    except FileNotFoundError:
        pass
    else:
        return
    if path is None and cache_dir() is None:
        raise DownloadError(
            "There is no home directory to keep a download of MNIST in. "
            "Set XDG_CACHE_HOME (LOCALAPPDATA on Windows), or pass path=."
        )
    directory = places("mnist", path)[-1]
    for remote, names in zip(MNIST_FILES, _FILES, strict=True):
        if not any(os.path.isfile(directory / name) for name in names):
            fetch(remote, MNIST_MIRRORS, directory)


def _read_four(files: list[Path], raw: bool) -> Dataset:
    """Read and check training images, training labels, test images and test labels."""
    X_train, y_train = _read_pair(files[0], files[1], raw)
    X_test, y_test = _read_pair(files[2], files[3], raw)
    if X_train.shape[1] != X_test.shape[1]:
        raise ValueError(
            f"{files[2]} has images of {X_test.shape[1]} values; "
            f"those of {files[0]} have {X_train.shape[1]}. Expected equal numbers."
        )
    return Dataset(X_train, y_train, X_test, y_test)


def _read_pair(image_file: Path, label_file: Path, raw: bool) -> tuple[NDArray[Any], NDArray[np.int64]]:
    images, labels = read_idx(image_file), read_idx(label_file)
    if images.ndim < 2:
        raise ValueError(f"{image_file} has the shape {images.shape}; expected images, (n, height, width).")
    if labels.ndim != 1 or labels.dtype.kind not in "ui":
        raise ValueError(
            f"{label_file} has {labels.dtype} values of shape {labels.shape}; expected whole numbers of shape (n,)."
        )
    if len(images) != len(labels):
        raise ValueError(
            f"{image_file} has {len(images)} images, {label_file} has {len(labels)} labels; expected as many."
        )
    X: NDArray[Any] = images.reshape(len(images), math.prod(images.shape[1:]))
    if not raw:
        X = scale_pixels(X) if X.dtype == np.uint8 else X.astype(np.float32, copy=False)
    return X, labels.astype(np.int64)
