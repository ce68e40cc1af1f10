"""Data sets: bundled digits, IDX, housing, pictures and CSV; where files are looked for, and downloads.

Everything runs on small files made here. The tests at the end read the real files and are skipped where ``FASTNN_DATA``
does not name a directory that has them.
"""

# ruff: noqa: D103 (the name of a test says what it shows)

from __future__ import annotations

import gzip
import hashlib
import http.server
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnn.datasets.idx as idx_module
from fastnn.datasets import (
    Dataset,
    load_catvnoncat,
    load_csv,
    load_digits,
    load_fashion_mnist,
    load_housing,
    load_idx,
    load_mnist,
)
from fastnn.datasets.dataset import split_rows
from fastnn.datasets.files import RemoteFile, cache_dir, fetch
from fastnn.datasets.housing import FEATURES
from fastnn.errors import DownloadError, FastNNError, MissingDependencyError

IDX_CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}
FOUR = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def idx_bytes(array: np.ndarray[Any, Any]) -> bytes:
    """Encode an array, independently of the reader: header and values big-endian."""
    code = IDX_CODES[array.dtype.str[1:]]
    dimensions = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, code, array.ndim]) + dimensions + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_four(folder: Path, *, n: int = 7, packed: bool = True, seed: int = 0, dotted: bool = False) -> Dataset:
    """Write the four files of a small image set; return what they hold, as raw rows."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = []
    for count in (n, n // 2):
        arrays += [rng.integers(0, 256, (count, 4, 3), np.uint8), rng.integers(0, 10, count, np.uint8)]
    arrays[0][0, 0, :2] = 0, 255
    for name, array in zip(FOUR, arrays, strict=True):
        name = name.replace("-idx", ".idx") if dotted else name
        data = idx_bytes(array)
        (folder / (name + ".gz" if packed else name)).write_bytes(gzip.compress(data) if packed else data)
    X_train, y_train, X_test, y_test = arrays
    return Dataset(X_train.reshape(n, 12), y_train, X_test.reshape(n // 2, 12), y_test)


@pytest.fixture(autouse=True)
def no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test an empty cache and no FASTNN_DATA, whatever this machine has; return the cache."""
    cache = tmp_path / "user-cache"
    monkeypatch.delenv("FASTNN_DATA", raising=False)
    monkeypatch.setenv("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME", str(cache))
    return cache / "fastnn"


# ---- digits


def test_digits_have_the_promised_shapes_and_dtypes() -> None:
    X_train, y_train, X_test, y_test = load_digits()
    assert X_train.shape == (1437, 784)
    assert X_test.shape == (360, 784)
    assert (y_train.shape, y_test.shape) == ((1437,), (360,))
    assert X_train.dtype == X_test.dtype == np.float32
    assert y_train.dtype == y_test.dtype == np.int64
    assert X_train.flags.c_contiguous
    assert X_train.flags.writeable
    assert X_train.min() == 0.0
    assert X_train.max() == 1.0


def test_digits_bundled_copy_is_the_published_one() -> None:
    data = load_digits(size=8)
    counts = np.bincount(data.y_train) + np.bincount(data.y_test)
    # The class distribution that the repository states for the testing set.
    assert_array_equal(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    pixels = np.concatenate([data.X_train, data.X_test]) * 16
    assert_array_equal(pixels, np.round(pixels))
    assert pixels.sum() == 561718


def test_digits_equal_scikit_learns_copy() -> None:
    theirs = pytest.importorskip("sklearn.datasets", exc_type=ImportError).load_digits()
    ours = load_digits(size=8)
    test = np.zeros(1797, dtype=bool)
    test[np.argsort(theirs.target, kind="stable")[::5]] = True
    assert_array_equal(ours.X_train, (theirs.data / 16)[~test])
    assert_array_equal(ours.X_test, (theirs.data / 16)[test])
    assert_array_equal(ours.y_train, theirs.target[~test])
    assert_array_equal(ours.y_test, theirs.target[test])


def test_digits_split_is_stratified_and_fixed() -> None:
    first, second = load_digits(), load_digits()
    for one, other in zip(first, second, strict=True):
        assert_array_equal(one, other)
        assert not np.shares_memory(one, other)
    share = np.bincount(first.y_test) / (np.bincount(first.y_train) + np.bincount(first.y_test))
    assert_allclose(share, 0.2, atol=1 / 170)


def interpolate(image: np.ndarray[Any, Any], size: int) -> np.ndarray[Any, Any]:
    """Do what the documentation says, pixel by pixel."""
    out = np.zeros((size, size))
    for i in range(size):
        for k in range(size):
            s, t = (min(max((m + 0.5) * 8 / size - 0.5, 0.0), 7.0) for m in (i, k))
            r, c = min(int(s), 6), min(int(t), 6)
            u, v = s - r, t - c
            top = (1 - v) * image[r, c] + v * image[r, c + 1]
            bottom = (1 - v) * image[r + 1, c] + v * image[r + 1, c + 1]
            out[i, k] = (1 - u) * top + u * bottom
    return out


@pytest.mark.parametrize("size", [8, 9, 16, 28, 31])
def test_digits_are_scaled_by_the_documented_formula(size: int) -> None:
    originals = load_digits(size=8).X_train[:3]
    scaled = load_digits(size=size).X_train[:3]
    expected = np.stack([interpolate(image.reshape(8, 8).astype(np.float64), size).ravel() for image in originals])
    assert_allclose(scaled, expected, rtol=2e-7, atol=1e-15)
    assert np.ptp(expected) == 1.0


def test_digits_largest_size_is_still_exact() -> None:
    # One source pixel is 16 wide: the output pixel right after its centre lies 1/32 of the way to the next.
    scaled = load_digits(size=128).X_test[0].reshape(128, 128)
    small = load_digits(size=8).X_test[0].astype(np.float64).reshape(8, 8)
    row, column = 3, 4
    i, k = 16 * row + 8, 16 * column + 8
    u = 1 / 32
    expected = (1 - u) * ((1 - u) * small[row, column] + u * small[row, column + 1]) + u * (
        (1 - u) * small[row + 1, column] + u * small[row + 1, column + 1]
    )
    assert expected > 0.0
    assert scaled[i, k] == np.float32(expected)


@pytest.mark.parametrize("size", [8, 28, 128])
def test_digits_raw_is_the_rounded_image(size: int) -> None:
    raw, real = load_digits(size=size, raw=True), load_digits(size=size)
    assert raw.X_train.dtype == np.uint8
    assert raw.X_train.max() == 255
    step = slice(None, None, 1 if size < 100 else 20)
    difference = raw.X_train[step] - 255.0 * real.X_train[step].astype(np.float64)
    assert difference.min() > -0.5001
    assert difference.max() <= 0.5001
    assert_array_equal(raw.y_test, real.y_test)


@pytest.mark.parametrize("size", [7, 0, -28, 129])
def test_digits_refuse_a_size_out_of_range(size: int) -> None:
    with pytest.raises(ValueError, match=f"size is {size}; expected 8 to 128"):
        load_digits(size=size)


def test_digits_refuse_a_size_that_is_not_whole() -> None:
    with pytest.raises(TypeError):
        load_digits(size=28.0)  # type: ignore[arg-type]


def test_digits_carry_their_attribution() -> None:
    import fastnn.datasets

    text = (Path(fastnn.datasets.__file__).parent / "data" / "DIGITS.txt").read_text(encoding="utf-8")
    for part in ("Alpaydin", "Kaynak", "10.24432/C50P49", "CC BY 4.0", "What was changed"):
        assert part in text


# ---- one IDX file


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 3, 4), (0,), (0, 28, 28), (1, 1, 1, 1)])
@pytest.mark.parametrize("code", IDX_CODES)
def test_idx_round_trip(tmp_path: Path, code: str, shape: tuple[int, ...], packed: bool) -> None:
    dtype = np.dtype(code)
    values = np.random.default_rng(1).integers(0, 256, int(np.prod(shape)) * dtype.itemsize, np.uint8).view(dtype)
    array = np.nan_to_num(values).reshape(shape)
    file = tmp_path / "array"
    file.write_bytes(gzip.compress(idx_bytes(array)) if packed else idx_bytes(array))
    read = load_idx(file)
    assert isinstance(read, np.ndarray)
    assert read.dtype == dtype
    assert read.dtype.isnative
    assert read.flags.writeable
    assert_array_equal(read, array, strict=True)


def test_idx_reads_a_file_worked_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "hand"
    file.write_bytes(bytes.fromhex("00000c02 00000002 00000001 00000102 ffffffff"))
    assert_array_equal(load_idx(str(file)), np.array([[258], [-1]], np.int32), strict=True)


@pytest.mark.parametrize("packed", [False, True])
def test_idx_every_prefix_is_refused(tmp_path: Path, packed: bool) -> None:
    whole = idx_bytes(np.arange(12, dtype=np.int16).reshape(2, 3, 2))
    data = gzip.compress(whole) if packed else whole
    file = tmp_path / "prefix"
    for length in range(len(data)):
        file.write_bytes(data[:length])
        with pytest.raises(ValueError, match="prefix"):
            load_idx(file)
    file.write_bytes(data)
    assert load_idx(file)[0].shape == (3, 2)


@pytest.mark.parametrize("packed", [False, True])
def test_idx_that_goes_on_is_refused(tmp_path: Path, packed: bool) -> None:
    data = idx_bytes(np.arange(4, dtype=np.uint8)) + b"\0"
    file = tmp_path / "longer"
    file.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(ValueError, match=r"longer: .*shape \(4,\), 4 bytes; the file goes on"):
        load_idx(file)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (b"", "is not an IDX file: it begins with nothing"),
        (b"\x89PNG", "is not an IDX file: it begins with 89 50 4e 47; expected 00 00"),
        (b"\0\0\x0a\1\0\0\0\0", "is not an IDX file"),
        (b"\0\1\x08\1\0\0\0\0", "is not an IDX file"),
        (b"\0\0\x08\0", "declares 0 dimensions; expected 1 to 32"),
        (b"\0\0\x08\xff" + b"\0\0\0\1" * 255, "declares 255 dimensions"),
        (b"\0\0\x08\2\0\0\0\1", "ends inside its header, after 8 of 12 bytes"),
        (b"\0\0\x08\4" + b"\0\0\0\0" + b"\xff\xff\xff\xff" * 3, "which no array can have"),
    ],
)
def test_idx_bad_header_is_refused(tmp_path: Path, start: bytes, message: str) -> None:
    file = tmp_path / "header"
    file.write_bytes(start)
    with pytest.raises(ValueError, match=f"header.*{message}"):
        load_idx(file)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("size", [b"\xff\xff\xff\xff" * 3, b"\0\0\1\0" * 3, b"\0\0\0\2\0\0\1\0\0\0\1\0"])
def test_idx_takes_no_memory_for_what_a_header_only_declares(tmp_path: Path, size: bytes, packed: bool) -> None:
    data = b"\0\0\x0e\3" + size + b"\0" * 100
    file = tmp_path / "huge"
    file.write_bytes(gzip.compress(data) if packed else data)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="huge: its header declares float64 values of shape"):
            load_idx(file)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 << 20


def test_idx_beyond_what_gzip_can_pack_is_refused_before_reading(tmp_path: Path) -> None:
    file = tmp_path / "zeros.gz"
    zeros = np.zeros((1, 1 << 23), np.uint8)
    file.write_bytes(gzip.compress(idx_bytes(zeros), 9))
    # As tightly packed as gzip can, and still accepted.
    assert zeros.size > 1000 * file.stat().st_size
    assert_array_equal(load_idx(file), zeros)
    file.write_bytes(gzip.compress(b"\0\0\x08\1\x7f\0\0\0" + bytes(1000)))
    with pytest.raises(ValueError, match=r"has only \d+ bytes, too few even if it is gzipped"):
        load_idx(file)


def test_idx_damaged_gzip_is_refused_or_harmless(tmp_path: Path) -> None:
    array = np.random.default_rng(2).integers(0, 256, (4, 5, 5), np.uint8)
    data = gzip.compress(idx_bytes(array), mtime=0)
    file = tmp_path / "flipped.gz"
    for position in range(len(data)):
        file.write_bytes(data[:position] + bytes([data[position] ^ 0x5A]) + data[position + 1 :])
        # Time stamp, level and name of the system, and the padding bits of the last packed byte, carry no data.
        if 4 <= position <= 9 or position == len(data) - 9:
            assert_array_equal(load_idx(file), array)
        else:
            with pytest.raises(ValueError, match=r"flipped\.gz"):
                load_idx(file)


def test_idx_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_idx(tmp_path / "nowhere")


# ---- the four files


@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_four_files_are_read_as_rows(tmp_path: Path, packed: bool, dotted: bool) -> None:
    expected = write_four(tmp_path / "set", packed=packed, dotted=dotted)
    raw = load_mnist(path=tmp_path / "set", raw=True)
    for got, want in zip(raw, expected, strict=True):
        assert_array_equal(got, want)
    assert raw.X_train.dtype == np.uint8
    assert raw.y_train.dtype == np.int64
    real = load_mnist(path=str(tmp_path / "set"))
    assert real.X_train.dtype == np.float32
    assert real.X_train[0, :2].tolist() == [0.0, 1.0]
    assert_array_equal(real.X_test, (expected.X_test / 255.0).astype(np.float32))


def test_load_idx_takes_a_directory_of_any_pixel_type(tmp_path: Path) -> None:
    expected = write_four(tmp_path)
    data = load_idx(tmp_path)
    assert isinstance(data, Dataset)
    assert_array_equal(data.X_train, expected.X_train / np.float32(255))
    images = np.linspace(-1, 1, 7 * 12, dtype=np.float64).reshape(7, 4, 3)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(images)))
    data = load_idx(tmp_path)
    assert isinstance(data, Dataset)
    assert_array_equal(data.X_train, images.reshape(7, 12).astype(np.float32), strict=True)
    raw = load_idx(tmp_path, raw=True)
    assert isinstance(raw, Dataset)
    assert raw.X_train.dtype == np.float64


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (FOUR[0], np.zeros((6, 4, 3), np.uint8), r"has 6 images, .*train-labels.* has 7 labels"),
        (FOUR[0], np.zeros(7, np.uint8), r"has the shape \(7,\); expected images"),
        (FOUR[1], np.zeros((7, 1), np.uint8), r"has uint8 values of shape \(7, 1\); expected whole numbers"),
        (FOUR[1], np.zeros(7, np.float32), r"has float32 values of shape \(7,\)"),
        (FOUR[2], np.zeros((3, 4, 4), np.uint8), r"has images of 16 values; those of .* have 12"),
    ],
)
def test_four_files_that_do_not_fit_together(
    tmp_path: Path, name: str, array: np.ndarray[Any, Any], message: str
) -> None:
    write_four(tmp_path, packed=False)
    (tmp_path / name).write_bytes(idx_bytes(array))
    with pytest.raises(ValueError, match=f"{name}.*{message}"):
        load_mnist(path=tmp_path)


# ---- where files are looked for


def test_fastnn_data_subdirectory_then_itself_then_cache(
    tmp_path: Path, no_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = [tmp_path / "one", tmp_path / "two"]
    monkeypatch.setenv("FASTNN_DATA", os.pathsep.join(["", *map(str, roots), ""]))
    # Written from the last place to the first: each newer one must hide the older.
    for seed, folder in enumerate([no_data / "mnist", roots[1], roots[1] / "mnist", roots[0], roots[0] / "mnist"]):
        expected = write_four(folder, seed=seed)
        assert_array_equal(load_mnist(raw=True).X_train, expected.X_train)


def test_a_place_with_some_of_the_files_is_passed_over(
    tmp_path: Path, no_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_four(tmp_path / "mnist", seed=1)
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    expected = write_four(no_data / "mnist", seed=2)
    monkeypatch.setenv("FASTNN_DATA", str(tmp_path))
    assert_array_equal(load_mnist(raw=True).X_train, expected.X_train)


def test_path_alone_counts_when_given(tmp_path: Path, no_data: Path) -> None:
    write_four(no_data / "mnist")
    with pytest.raises(FileNotFoundError) as caught:
        load_mnist(path=tmp_path / "empty")
    assert str(no_data) not in str(caught.value)
    with pytest.raises(NotADirectoryError, match="is a file; expected the directory with the 4 files of mnist"):
        load_mnist(path=no_data / "mnist" / "t10k-labels-idx1-ubyte.gz")


def test_missing_files_are_named_with_the_places(
    tmp_path: Path, no_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_four(tmp_path / "mnist", packed=False)
    (tmp_path / "mnist" / FOUR[1]).unlink()
    monkeypatch.setenv("FASTNN_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        load_mnist()
    message = str(caught.value)
    assert all(f"{name}.gz" in message for name in FOUR)
    assert f"{tmp_path / 'mnist'}: missing {FOUR[1]}.gz\n" in message
    assert f"{tmp_path}: missing {FOUR[0]}.gz, " in message
    assert f"{no_data / 'mnist'}: no such directory" in message
    assert f"Put them into {no_data / 'mnist'}" in message
    assert "FASTNN_DATA" in message
    assert "load_mnist(download=True)" in message


def test_fashion_mnist_has_its_own_places(tmp_path: Path, no_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = write_four(tmp_path / "fashion-mnist", seed=3)
    monkeypatch.setenv("FASTNN_DATA", str(tmp_path))
    assert_array_equal(load_fashion_mnist(raw=True).X_train, expected.X_train)
    with pytest.raises(FileNotFoundError, match="mnist: train-images"):
        load_mnist()
    # The directory itself counts for the set that its name tells.
    monkeypatch.setenv("FASTNN_DATA", str(tmp_path / "fashion-mnist"))
    assert_array_equal(load_fashion_mnist(raw=True).X_train, expected.X_train)
    with pytest.raises(FileNotFoundError):
        load_mnist()
    write_four(tmp_path / "digits")
    monkeypatch.setenv("FASTNN_DATA", str(tmp_path / "digits"))
    assert load_mnist().X_train.shape == (7, 12)
    with pytest.raises(FileNotFoundError, match=r"no download is offered here"):
        load_fashion_mnist()


def test_cache_dir_follows_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.name != "nt":
        monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert cache_dir() == tmp_path / ".cache" / "fastnn"
    variable = "LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME"
    monkeypatch.setenv(variable, str(tmp_path / "c"))
    assert cache_dir() == tmp_path / "c" / "fastnn"


def test_no_home_directory_is_no_error_until_a_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert cache_dir() is None
    with pytest.raises(FileNotFoundError, match="Put them into a directory"):
        load_mnist()
    with pytest.raises(DownloadError, match="no home directory"):
        load_mnist(download=True)
    write_four(tmp_path / "mnist")
    monkeypatch.setenv("FASTNN_DATA", str(tmp_path))
    assert load_mnist().X_train.shape == (7, 12)


# ---- downloads


def remote(name: str, data: bytes, **changes: Any) -> RemoteFile:
    return RemoteFile(name, len(data), hashlib.sha256(data).hexdigest())._replace(**changes)


class _Handler(http.server.BaseHTTPRequestHandler):
    data = b"x" * 700_000

    def do_GET(self) -> None:
        length = len(self.data)
        if self.path == "/cut/file":
            self.send_response(200)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(self.data[: length // 2])
        elif self.path == "/good/file":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.data)
        elif self.path == "/hang/file":
            self.server.released.wait(10)  # type: ignore[attr-defined]
        else:
            self.send_error(404)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    """Serve /good/file, /cut/file (half of what it announces) and /hang/file (nothing) on this machine."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as running:
        running.released = threading.Event()  # type: ignore[attr-defined]
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.released.set()  # type: ignore[attr-defined]
        running.shutdown()
        thread.join()


def test_download_goes_to_the_next_mirror_and_leaves_one_file(tmp_path: Path, server: str) -> None:
    wanted = remote("file", _Handler.data)
    mirrors = [f"{server}/absent/", f"{server}/cut/", "http://127.0.0.1:1/", f"{server}/good/"]
    got = fetch(wanted, mirrors, tmp_path / "new" / "folder")
    assert got == tmp_path / "new" / "folder" / "file"
    assert got.read_bytes() == _Handler.data
    assert os.listdir(got.parent) == ["file"]


def test_download_failure_names_addresses_file_and_place(tmp_path: Path, server: str) -> None:
    wanted = remote("file", _Handler.data)
    mirrors = [f"{server}/absent/", f"{server}/cut/", "ill formed", f"{server}/hang/"]
    with pytest.raises(DownloadError) as caught:
        fetch(wanted, mirrors, tmp_path / "place", timeout=0.3)
    message = str(caught.value)
    assert isinstance(caught.value, (FastNNError, OSError))
    assert f"{server}/absent/file: HTTP Error 404" in message
    assert f"{server}/cut/file: " in message
    assert "350000" in message
    assert "ill formedfile: unknown url type" in message
    assert f"{server}/hang/file: " in message
    assert "timed out" in message
    assert f"Get file (SHA-256 {wanted.sha256}) by hand and put it into {tmp_path / 'place'}" in message
    assert os.listdir(tmp_path / "place") == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sha256": "0" * 64}, "the SHA-256 of what came is"),
        ({"size": 11}, "the transfer ended after 10 of 11 bytes"),
        ({"size": 9}, "the server sent more than the 9 bytes"),
    ],
)
def test_download_of_other_bytes_is_refused(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    source, place = tmp_path / "source", tmp_path / "place"
    for folder in (source, place):
        folder.mkdir()
    (source / "file").write_bytes(b"0123456789")
    (place / "file").write_bytes(b"was here before")
    mirror = source.as_uri() + "/"
    with pytest.raises(DownloadError, match=reason):
        fetch(remote("file", b"0123456789", **changes), [mirror], place)
    assert os.listdir(place) == ["file"]
    assert (place / "file").read_bytes() == b"was here before"
    fetch(remote("file", b"0123456789"), [mirror], place)
    assert (place / "file").read_bytes() == b"0123456789"


def test_download_interrupted_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")

    def interrupted(source: Any, target: Any) -> None:
        assert os.path.getsize(source) == 10
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(remote("file", b"0123456789"), [tmp_path.as_uri() + "/"], tmp_path / "place")
    assert os.listdir(tmp_path / "place") == []


def test_download_shows_progress_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    mirrors = [tmp_path.as_uri() + "/"]
    fetch(remote("file", b"0123456789"), mirrors, tmp_path / "place")
    assert capsys.readouterr().err == ""
    fetch(remote("file", b"0123456789"), mirrors, tmp_path / "place", progress=True)
    assert "file: 100%" in capsys.readouterr().err


def test_download_into_a_place_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadError, match=r"cannot be created .*; no download was tried.* by hand"):
        fetch(remote("x", b""), [], tmp_path / "file" / "below")


@pytest.fixture
def small_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Dataset]:
    """Put a small MNIST on a mirror of this machine, with its digests pinned."""
    source = tmp_path / "mirror"
    expected = write_four(source, seed=9)
    pinned = tuple(remote(f"{name}.gz", (source / f"{name}.gz").read_bytes()) for name in FOUR)
    monkeypatch.setattr(idx_module, "MNIST_MIRRORS", (source.as_uri() + "/",))
    monkeypatch.setattr(idx_module, "MNIST_FILES", pinned)
    return source, expected


def test_load_mnist_downloads_only_when_asked(small_mirror: tuple[Path, Dataset], no_data: Path) -> None:
    source, expected = small_mirror
    with pytest.raises(FileNotFoundError):
        load_mnist()
    assert not no_data.exists()
    assert_array_equal(load_mnist(raw=True, download=True).X_train, expected.X_train)
    assert sorted(os.listdir(no_data / "mnist")) == sorted(f"{name}.gz" for name in FOUR)
    for file in source.iterdir():
        file.unlink()
    # What is there is not fetched again.
    assert_array_equal(load_mnist(raw=True, download=True).X_test, expected.X_test)
    assert_array_equal(load_mnist(raw=True).y_test, expected.y_test)


def test_load_mnist_completes_what_is_missing(small_mirror: tuple[Path, Dataset], tmp_path: Path) -> None:
    source, expected = small_mirror
    place = tmp_path / "mine"
    write_four(place, packed=False, seed=9)
    (place / FOUR[2]).unlink()
    assert_array_equal(load_mnist(path=place, raw=True, download=True).X_test, expected.X_test)
    assert sorted(os.listdir(place)) == sorted([FOUR[0], FOUR[1], f"{FOUR[2]}.gz", FOUR[3]])


def test_pinned_digests_have_the_right_form() -> None:
    assert [file.name for file in idx_module.MNIST_FILES] == [f"{name}.gz" for name in FOUR]
    assert all(len(bytes.fromhex(file.sha256)) == 32 for file in idx_module.MNIST_FILES)
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in idx_module.MNIST_MIRRORS)


# ---- CSV


def csv_file(folder: Path, text: str | bytes, name: str = "table.csv") -> Path:
    file = folder / name
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def test_csv_with_and_without_a_header(tmp_path: Path) -> None:
    rows = "1,2.5,3\n-4,5e-1,6\n"
    for text in (rows, "a,b,c\n" + rows, '"a","b","c"\r\n\r\n' + rows.replace("\n", "\r\n") + "\r\n  \r\n"):
        X_train, y_train, X_test, y_test = load_csv(csv_file(tmp_path, text))
        assert_array_equal(X_train, np.array([[1, 2.5], [-4, 0.5]], np.float32), strict=True)
        assert_array_equal(y_train, np.array([3, 6], np.int64), strict=True)
        assert_array_equal(X_test, np.zeros((0, 2), np.float32), strict=True)
        assert_array_equal(y_test, np.zeros(0, np.int64), strict=True)


@pytest.mark.parametrize("target", [1, -2, "b"])
def test_csv_target_by_position_or_name(tmp_path: Path, target: int | str) -> None:
    data = load_csv(csv_file(tmp_path, "a,b,c\n1,2.5,3\n4,5,6\n"), target=target, dtype=np.float64)
    assert_array_equal(data.X_train, np.array([[1.0, 3.0], [4.0, 6.0]]), strict=True)
    assert_array_equal(data.y_train, np.array([2.5, 5.0]), strict=True)


def test_csv_other_delimiters_gzip_byte_order_mark_and_one_row(tmp_path: Path) -> None:
    for delimiter in (";", "\t", "|", " "):
        text = "\ufeff" + delimiter.join(["größe", "x"]) + "\n" + delimiter.join(["1", "2"])
        file = csv_file(tmp_path, gzip.compress(text.encode()), "table.csv.gz")
        data = load_csv(file, target="größe", delimiter=delimiter)
        assert data.X_train.tolist() == [[2.0]]
        assert data.y_train.tolist() == [1]


def test_csv_header_can_be_said(tmp_path: Path) -> None:
    file = csv_file(tmp_path, "2019,2020\n1,2\n3,4\n")
    assert load_csv(file).X_train.tolist() == [[2019.0], [1.0], [3.0]]
    assert load_csv(file, header=True, target="2019").y_train.tolist() == [1, 3]
    mixed = csv_file(tmp_path, "id,2020\n1,2\n")
    with pytest.raises(
        ValueError, match=r"table.csv: the first line has both numbers \('2020'\) and other cells \('id'\)"
    ):
        load_csv(mixed)
    assert load_csv(mixed, header=True).y_train.tolist() == [2]
    with pytest.raises(ValueError, match=r"line 1, column 1: 'id' is not a number"):
        load_csv(mixed, header=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n\n3,x\n", r"line 4, column 2 \(b\): 'x' is not a number"),
        ("1,2\n3,\n", r"line 2, column 2: the cell is empty"),
        ("a,b\n1,2\n,\n", r"line 3, column 1 \(a\): the cell is empty"),
        ("1,2\n3,4,5\n", r"line 2: 3 cells; expected 2, as in line 1"),
        ("1,2\n3\n", r"line 2: 1 cells; expected 2"),
        ("a,b,c\n1,2\n3,4\n", r"line 2: 2 cells; expected 3, as in line 1"),
        ("1,2\n3,nan\n", r"line 2, column 2: 'nan' is not finite"),
        ("1,2\n-inf,4\n", r"line 2, column 1: '-inf' is not finite"),
        ("1,2\n3,1e39\n", r"line 2, column 2: '1e39' is beyond 3.403e\+38"),
        ("1,2\n1_0,2\n", r"line 2, column 1: '1_0' is not a number"),
        ("1,2\n1,\u0663\n", r"line 2, column 2: '\u0663' is not a number"),
        ("a," + "b" * 200_000 + "\n1,2\n", r"is not a CSV file \(field larger"),
        ('1,2\n"3,4\n', r"line 2"),
        ('1,2\n3,"4\n5,6\n', r"is not a table of numbers separated by ','"),
        ("", "is empty"),
        ("\n  \n", "is empty"),
        ("a,b\n\n", "has a header and no rows"),
        ("1\n2\n", "has one column; expected inputs and a target. Is the delimiter right"),
        (b"a,b\n1,\xff\n", "is not UTF-8 text"),
        (b"1,2\n" * 9000 + b"1,\xff\n", "is not UTF-8 text"),
        (gzip.compress(b"1,2\n" * 9000)[:-9], "the gzip stream is damaged or cut short"),
    ],
)
def test_csv_errors_name_the_place(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=f"table.csv.*{message}"):
        load_csv(csv_file(tmp_path, text))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "z"}, r"target is 'z'; .* has 0 such columns among \['a', 'b', 'a'\]"),
        ({"target": "a"}, "has 2 such columns"),
        ({"target": 3}, r"target is column 3; .* has 3 columns, -3 to 2"),
        ({"target": -4}, "target is column -4"),
        ({"delimiter": ",,"}, "delimiter is ',,'; expected one character"),
        ({"delimiter": "e"}, "delimiter is 'e'"),
        ({"header": "no"}, "header is 'no'"),
        ({"test_size": 1.0}, "test_size is 1.0; expected a fraction"),
        ({"test_size": -0.1}, "test_size is -0.1"),
        ({"test_size": float("nan")}, "test_size is nan"),
        ({"test_size": 0.9}, "test_size=0.9 of 2 rows leaves no row to train on"),
        ({"dtype": np.int32}, "dtype is int32; expected float32 or float64"),
    ],
)
def test_csv_wrong_arguments(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_csv(csv_file(tmp_path, "a,b,a\n1,2,3\n4,5,6\n"), **arguments)


def test_csv_named_target_needs_a_header(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"target is 'b', and .* has no header; give the column's position"):
        load_csv(csv_file(tmp_path, "1,2\n"), target="b")
    with pytest.raises(FileNotFoundError):
        load_csv(tmp_path / "absent.csv")


def test_csv_split_is_seeded_and_complete(tmp_path: Path) -> None:
    file = csv_file(tmp_path, "".join(f"{i},{i % 3}\n" for i in range(50)))
    one, again, other = (load_csv(file, test_size=0.2, seed=seed) for seed in (1, 1, 2))
    assert one.X_test.shape == (10, 1)
    assert_array_equal(one.X_test, again.X_test)
    assert one.X_test.tolist() != other.X_test.tolist()
    assert sorted(np.concatenate([one.X_train, one.X_test]).ravel()) == list(range(50))
    for X, y in ((one.X_train, one.y_train), (one.X_test, one.y_test)):
        assert_array_equal(y, X[:, 0] % 3)
        assert (np.diff(X[:, 0]) > 0).all()


def test_split_is_the_same_for_ever() -> None:
    # Written down once: a change of NumPy or of the code that moves a row shows here.
    assert split_rows(20, 0.25, 0)[1].tolist() == [2, 3, 11, 13, 15]
    assert split_rows(5, 0.2, 3)[1].size == 1
    assert split_rows(100, 0.07, 3)[1].size == 7
    assert split_rows(1, 0.0, 0)[0].tolist() == [0]
    assert len(split_rows(1000, 0.29, None)[1]) == 290


# ---- housing


def housing_rows(n: int = 40) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(4)
    return np.round(np.column_stack([rng.uniform(1, 1000, (n, 7)), rng.uniform(1, 15, n), rng.uniform(2e4, 5e5, n)]), 4)


def write_housing(file: Path, rows: np.ndarray[Any, Any], columns: list[str] | None) -> Path:
    lines = [] if columns is None else [",".join(columns)]
    lines += [",".join(map(str, row)) for row in rows.tolist()]
    return csv_file(file.parent, "\n".join(lines) + "\n", file.name)


COLUMNS = [*FEATURES, "median_house_value"]


def test_housing_values_split_and_standardisation(tmp_path: Path) -> None:
    rows = housing_rows()
    file = write_housing(tmp_path / "cal_housing.csv", rows, COLUMNS)
    train, test = split_rows(40, 0.2, 0)
    plain = load_housing(path=file, standardize=False, dtype=np.float64)
    assert_array_equal(plain.X_train, rows[train, :8], strict=True)
    assert_array_equal(plain.X_test, rows[test, :8], strict=True)
    assert_allclose(plain.y_test, rows[test, 8] / 1e5, rtol=1e-15)
    scaled = load_housing(path=tmp_path, dtype=np.float64)
    assert_allclose(scaled.X_train.mean(axis=0), 0.0, atol=1e-12)
    assert_allclose(scaled.X_train.std(axis=0), 1.0, rtol=1e-12)
    # From the training rows alone: the test rows keep what the training rows leave them.
    expected = (rows[test, :8] - rows[train, :8].mean(axis=0)) / rows[train, :8].std(axis=0)
    assert_allclose(scaled.X_test, expected, rtol=1e-9)
    assert np.abs(scaled.X_test.mean(axis=0)).max() > 0.01
    assert_array_equal(scaled.y_train, plain.y_train)
    single = load_housing(path=tmp_path)
    assert {array.dtype for array in single} == {np.dtype(np.float32)}
    assert_array_equal(single.X_test, scaled.X_test.astype(np.float32))


def test_housing_columns_in_any_order_or_without_names(tmp_path: Path) -> None:
    rows = housing_rows()
    wanted = load_housing(path=write_housing(tmp_path / "a.csv", rows, COLUMNS)).X_train
    assert_array_equal(load_housing(path=write_housing(tmp_path / "b.data", rows, None)).X_train, wanted)
    assert_array_equal(
        load_housing(path=write_housing(tmp_path / "c.csv", rows[:, ::-1], COLUMNS[::-1])).X_train, wanted
    )


def test_housing_derived_features(tmp_path: Path) -> None:
    rows = housing_rows()
    rows[0] = [-122.23, 37.88, 41, 880, 129, 322, 126, 8.3252, 452600]
    file = write_housing(tmp_path / "cal_housing.csv", rows, COLUMNS)
    data = load_housing(path=file, derived=True, standardize=False, dtype=np.float64)
    part = data.X_train if 0 in split_rows(40, 0.2, 0)[0] else data.X_test
    # The first row of scikit-learn's fetch_california_housing, as its documentation shows it.
    expected = [8.3252, 41.0, 6.98412698, 1.02380952, 322.0, 2.55555556, 37.88, -122.23]
    assert_allclose(part[0], expected, rtol=1e-8)


def test_housing_constant_column_stays_finite(tmp_path: Path) -> None:
    rows = housing_rows()
    rows[:, 2] = 7.0
    data = load_housing(path=write_housing(tmp_path / "cal_housing.csv", rows, COLUMNS))
    assert_array_equal(data.X_train[:, 2], 0.0)
    assert np.isfinite(data.X_test).all()


def test_housing_bad_files(tmp_path: Path) -> None:
    rows = housing_rows()
    renamed = write_housing(tmp_path / "a.csv", rows, [*COLUMNS[:-1], "price"])
    with pytest.raises(ValueError, match=r"a.csv has the columns .*'price'\]; expected"):
        load_housing(path=renamed)
    with pytest.raises(ValueError, match="8 columns and no header; expected the 9 columns"):
        load_housing(path=write_housing(tmp_path / "b.csv", rows[:, :8], None))
    empty = rows.copy()
    empty[3, 6] = 0.0
    with pytest.raises(ValueError, match="a row without households"):
        load_housing(path=write_housing(tmp_path / "c.csv", empty, COLUMNS), derived=True)
    with pytest.raises(ValueError, match="dtype is float16"):
        load_housing(path=renamed, dtype=np.float16)
    with pytest.raises(FileNotFoundError, match=r"housing: cal_housing.csv not found") as caught:
        load_housing()
    assert "no download is offered" in str(caught.value)


# ---- catvnoncat


def write_pictures(folder: Path, change: Callable[[Any, str], None] | None = None) -> dict[str, np.ndarray[Any, Any]]:
    h5py = pytest.importorskip("h5py", reason="h5py writes the files of this test")
    rng = np.random.default_rng(6)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for part, n in (("train", 5), ("test", 3)):
        arrays[part] = rng.integers(0, 256, (n, 64, 64, 3), np.uint8)
        with h5py.File(folder / f"{part}_catvnoncat.h5", "w") as file:
            file["list_classes"] = np.array([b"non-cat", b"cat"])
            file[f"{part}_set_x"] = arrays[part]
            file[f"{part}_set_y"] = np.arange(n, dtype=np.int64) % 2
            if change is not None:
                change(file, part)
    return arrays


def test_catvnoncat_rows_and_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = write_pictures(tmp_path / "catvnoncat")
    monkeypatch.setenv("FASTNN_DATA", str(tmp_path))
    raw = load_catvnoncat(raw=True)
    assert_array_equal(raw.X_train, arrays["train"].reshape(5, 12288), strict=True)
    assert_array_equal(raw.y_test, np.array([0, 1, 0], np.int64), strict=True)
    data = load_catvnoncat(path=tmp_path / "catvnoncat")
    assert_array_equal(data.X_test, arrays["test"].reshape(3, 12288) / np.float32(255), strict=True)


def _without(key: str) -> Callable[[Any, str], None]:
    def change(file: Any, part: str) -> None:
        del file[f"{part}_set_{key}"]

    return change


def _with(key: str, **stored: Any) -> Callable[[Any, str], None]:
    def change(file: Any, part: str) -> None:
        del file[f"{part}_set_{key}"]
        file.create_dataset(f"{part}_set_{key}", **stored)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without("x"), r"it has no data set train_set_x, only \['list_classes', 'train_set_y'\]"),
        (_without("y"), "it has no data set train_set_y"),
        (
            _with("x", data=np.zeros((5, 32, 32, 3), np.uint8)),
            r"uint8 values of shape \(5, 32, 32, 3\); expected uint8",
        ),
        (_with("x", data=np.zeros((5, 64, 64, 3))), "train_set_x has float64 values"),
        (_with("x", data=np.uint8(1)), r"values of shape \(\)"),
        (_with("y", data=np.zeros(4, np.int64)), r"train_set_y has int64 values of shape \(4,\)"),
        (_with("y", data=np.zeros(5)), "train_set_y has float64 values"),
        (
            _with("x", shape=(10**9, 64, 64, 3), chunks=(1, 64, 64, 3), dtype="u1"),
            r"shape \(5,\); expected .*1000000000",
        ),
    ],
)
def test_catvnoncat_other_contents_are_refused(
    tmp_path: Path, change: Callable[[Any, str], None], message: str
) -> None:
    write_pictures(tmp_path, change)
    with pytest.raises(ValueError, match=f"train_catvnoncat.h5 is not a file of catvnoncat: .*{message}"):
        load_catvnoncat(path=tmp_path)


def test_catvnoncat_takes_no_memory_for_what_is_only_declared(tmp_path: Path) -> None:
    def change(file: Any, part: str) -> None:
        _with("x", shape=(10**9, 64, 64, 3), chunks=(1, 64, 64, 3), dtype="u1")(file, part)
        _with("y", shape=(10**9,), chunks=(1000,), dtype="i8")(file, part)

    write_pictures(tmp_path, change)
    with pytest.raises(ValueError, match="declares 1000000000 pictures, more than its"):
        load_catvnoncat(path=tmp_path)


def test_catvnoncat_damaged_file(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    file = tmp_path / "test_catvnoncat.h5"
    whole = file.read_bytes()
    for length in (0, 5, 600, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="test_catvnoncat.h5 is not a file of catvnoncat"):
            load_catvnoncat(path=tmp_path)


def test_catvnoncat_without_h5py_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "fastnn-kernels\[data\]"'):
        load_catvnoncat()


def test_catvnoncat_missing_files(tmp_path: Path) -> None:
    pytest.importorskip("h5py", reason="h5py is asked for before the files are looked for")
    with pytest.raises(FileNotFoundError, match="train_catvnoncat.h5, test_catvnoncat.h5 not found"):
        load_catvnoncat(path=tmp_path)


# ---- the real files

REAL = os.environ.get("FASTNN_DATA", "")


@pytest.fixture
def real_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test see FASTNN_DATA as it was when the tests began."""
    if not REAL:
        pytest.skip("FASTNN_DATA is not set: the real data sets are not on this machine")
    monkeypatch.setenv("FASTNN_DATA", REAL)


def load_or_skip(load: Callable[..., Dataset], **arguments: Any) -> Dataset:
    try:
        return load(**arguments)
    except (FileNotFoundError, MissingDependencyError) as error:
        pytest.skip(f"FASTNN_DATA has not what {load.__name__} needs: {error}")


@pytest.mark.usefixtures("real_data")
def test_real_mnist() -> None:
    data = load_or_skip(load_mnist, raw=True)
    assert [array.shape for array in data] == [(60000, 784), (60000,), (10000, 784), (10000,)]
    assert data.y_train[:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(data.y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    # The mean pixel that everyone subtracts, 0.1307.
    assert abs(data.X_train.mean() / 255 - 0.1307) < 5e-5


@pytest.mark.usefixtures("real_data")
def test_real_housing() -> None:
    data = load_or_skip(load_housing, standardize=False, derived=True)
    assert [array.shape for array in data] == [(16512, 8), (16512,), (4128, 8), (4128,)]
    assert_allclose(data.y_train.min(), 0.14999, rtol=1e-6)
    assert_allclose(data.y_train.max(), 5.00001, rtol=1e-6)
    assert_allclose(data.X_train[:, 0].mean(), 3.87, atol=0.03)


@pytest.mark.usefixtures("real_data")
def test_real_catvnoncat() -> None:
    data = load_or_skip(load_catvnoncat)
    assert [array.shape for array in data] == [(209, 12288), (209,), (50, 12288), (50,)]
    assert data.y_train.sum() == 72
    assert data.y_test.sum() == 33
