"""Files that are not bundled: where to look for them, how to open them, how to fetch them when asked to.

Nothing here knows a format. A download is written to a temporary file beside its place and renamed once its SHA-256
is right, so that a file in the cache is whole or absent.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.client
import importlib
import os
import secrets
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from fastnn.errors import DownloadError

__all__ = ["MAX_DEFLATE_RATIO", "RemoteFile", "StrPath", "cache_dir", "fetch", "find", "open_binary", "places"]

StrPath = str | os.PathLike[str]

#: No deflate stream (gzip, HDF5's filter) unpacks to more than this many times its own size (zlib's technical details).
MAX_DEFLATE_RATIO = 1032

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 18
_TIMEOUT = 30.0


class RemoteFile(NamedTuple):
    """A file on a server: its name there and here, its size in bytes, and its SHA-256 in hexadecimal digits."""

    name: str
    size: int
    sha256: str


def cache_dir() -> Path | None:
    """Return the user's cache for fastnn's data, or None where the user has no home directory.

    ``$LOCALAPPDATA/fastnn`` on Windows; elsewhere ``$XDG_CACHE_HOME/fastnn`` if that variable holds an absolute path,
    else ``~/.cache/fastnn``. The directory is not created.
    """
    root = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME", "")
    if os.path.isabs(root):
        return Path(root) / "fastnn"
    try:
        return Path.home() / ".cache" / "fastnn"
    except RuntimeError:
        return None


def places(name: str, path: StrPath | None) -> list[Path]:
    """List the directories in which the data set ``name`` may lie, in the order of looking.

    Only ``path`` if it is given; else for each directory of ``FASTNN_DATA`` its subdirectory ``name`` and itself;
    then the subdirectory ``name`` of the user's cache. As Fashion-MNIST's files are named like MNIST's, a directory
    of ``FASTNN_DATA`` itself counts for one of the two only: for Fashion-MNIST if "fashion" or "fmnist" is in its
    name, else for MNIST.
    """
    if path is not None:
        return [Path(path)]
    found = []
    for entry in os.environ.get("FASTNN_DATA", "").split(os.pathsep):
        if entry.strip():
            root = Path(os.path.expanduser(entry.strip()))
            found.append(root / name)
            fashion = "fashion" in root.name.lower() or "fmnist" in root.name.lower()
            if name not in ("mnist", "fashion-mnist") or fashion == (name == "fashion-mnist"):
                found.append(root)
    cache = cache_dir()
    return found if cache is None else [*found, cache / name]


def find(name: str, wanted: Sequence[Sequence[str]], path: StrPath | None, advice: str) -> list[Path]:
    """Find the files of a data set, all in one directory.

    Parameters
    ----------
    name : str
        The data set, and its subdirectory's name: ``"mnist"``.
    wanted : sequence of sequences of str
        For each file the names that it may have, the usual one first.
    path : str or path-like or None
        The directory (or, where one file is wanted, that file) to take; None looks in :func:`places`.
    advice : str
        The last sentence of the error: how else to get the files.

    Returns
    -------
    list of Path
        One existing file for each entry of ``wanted``, from the first place that has them all.

    Raises
    ------
    FileNotFoundError
        If no place has them all. The message names the files, and for each place what is missing there.
    NotADirectoryError
        If ``path`` is a file and more than one file is wanted.
    """
    if path is not None and os.path.isfile(path):
        if len(wanted) == 1:
            return [Path(path)]
        raise NotADirectoryError(
            f"{os.fspath(path)} is a file; expected the directory with the {len(wanted)} files of {name}."
        )
    looked = places(name, path)
    report = []
    for place in looked:
        chosen = [_first_file(place, names) for names in wanted]
        found = [file for file in chosen if file is not None]
        if len(found) == len(wanted):
            return found
        missing = [names[0] for names, file in zip(wanted, chosen, strict=True) if file is None]
        what = "missing " + ", ".join(missing) if os.path.isdir(place) else "no such directory"
        report.append(f"  {place}: {what}")
    where = f"into {looked[-1]}" if looked else "into a directory"
    if path is None:
        where += (
            f", or into {name}{os.sep} below a directory that the environment variable FASTNN_DATA names, or pass path="
        )
    raise FileNotFoundError(
        f"{name}: {', '.join(names[0] for names in wanted)} not found. Looked in\n"
        + "\n".join(report)
        + f"\nPut them {where}. {advice}"
    )


def _first_file(place: Path, names: Sequence[str]) -> Path | None:
    return next((place / name for name in names if os.path.isfile(place / name)), None)


@contextlib.contextmanager
def open_binary(path: StrPath) -> Iterator[IO[bytes]]:
    """Open a file for reading, unpacked if it is gzipped (whatever its name).

    Errors of the gzip stream, met while the file is open, become a ValueError that names the file.
    """
    with open(path, "rb") as file:
        magic = file.read(len(_GZIP_MAGIC))
        file.seek(0)
        if magic != _GZIP_MAGIC:
            yield file
            return
        try:
            with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
                yield cast("IO[bytes]", unpacked)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(f"{os.fspath(path)}: the gzip stream is damaged or cut short ({error}).") from error


def fetch(
    remote: RemoteFile,
    mirrors: Sequence[str],
    directory: StrPath,
    *,
    timeout: float = _TIMEOUT,
    progress: bool | None = None,
) -> Path:
    """Fetch one file from the first mirror that has it, check it, and put it into its place.

    Parameters
    ----------
    remote : RemoteFile
        Name, size and digest of the file.
    mirrors : sequence of str
        Addresses that ``remote.name`` is appended to, tried in order.
    directory : str or path-like
        Where the file goes; created if it is not there.
    timeout : float, default 30.0
        Seconds without an answer after which a mirror is given up.
    progress : bool or None
        Show a progress bar; None shows it on a terminal only.

    Returns
    -------
    Path
        The file in ``directory``, whole and with the right digest.

    Raises
    ------
    DownloadError
        If no mirror gave the file, or the directory cannot be written. The message names each address with the
        reason, the file, and where to put it by hand. Nothing is left behind, and a file that was in the place before
        is as it was.
    """
    target = Path(directory) / remote.name
    by_hand = f"Get {remote.name} (SHA-256 {remote.sha256}) by hand and put it into {target.parent}."
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(f"{target.parent} cannot be created ({error}); no download was tried. {by_hand}") from error
    # A name of its own lets two processes fetch the same file: the later rename wins, with the same bytes.
    partial = target.with_name(f".{remote.name}.{secrets.token_hex(8)}.part")
    reasons = []
    for mirror in mirrors:
        url = mirror + remote.name
        try:
            _copy(url, partial, remote, timeout, progress)
            os.replace(partial, target)
            return target
        except urllib.error.HTTPError as error:
            error.close()
            reasons.append(f"  {url}: {error}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            reasons.append(f"  {url}: {str(error) or type(error).__name__}")
        finally:
            partial.unlink(missing_ok=True)
    raise DownloadError(f"{remote.name} could not be downloaded:\n" + "\n".join(reasons) + f"\n{by_hand}")


def _copy(url: str, partial: Path, remote: RemoteFile, timeout: float, progress: bool | None) -> None:
    """Copy ``url`` into the new file ``partial``; raise ValueError if that is not the file wanted, byte for byte."""
    tqdm: Any = importlib.import_module("tqdm").tqdm
    digest = hashlib.sha256()
    received = 0
    with (
        urllib.request.urlopen(url, timeout=timeout) as response,
        open(partial, "xb") as file,
        tqdm(
            desc=remote.name,
            total=remote.size,
            unit="B",
            unit_scale=True,
            disable=None if progress is None else not progress,
        ) as bar,
    ):
        # One byte beyond the size tells a file that is too long; the rest of it is not read.
        while chunk := response.read(min(_CHUNK, remote.size + 1 - received)):
            file.write(chunk)
            digest.update(chunk)
            received += len(chunk)
            bar.update(len(chunk))
        file.flush()
        os.fsync(file.fileno())
    if received < remote.size:
        raise ValueError(f"the transfer ended after {received} of {remote.size} bytes")
    if received > remote.size:
        raise ValueError(f"the server sent more than the {remote.size} bytes of the file")
    if digest.hexdigest() != remote.sha256:
        raise ValueError(f"the SHA-256 of what came is {digest.hexdigest()}")
