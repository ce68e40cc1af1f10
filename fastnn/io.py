"""Model files: safetensors, with the configuration as JSON in its metadata; written whole or not at all.

All that fastnn says about a network is one entry of the metadata, JSON: safetensors writes several in random order, and
equal networks would give different files.  In format version 1 the same entries stood side by side.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np

from ._version import __version__
from .arrays import Array
from .errors import ModelFileError
from .model import DTYPES, Model

__all__ = ["FORMAT", "FORMAT_VERSION", "read", "write"]

FORMAT = "fastnn"
FORMAT_VERSION = 2
HEADER_LIMIT = 1 << 24  # bytes of JSON; a network of 50 000 layers needs less

M = TypeVar("M", bound=Model)


def write(
    path: str | os.PathLike[str], config: dict[str, Any], tensors: dict[str, Array], rng: np.random.Generator
) -> None:
    """Write a model file through a temporary file in the same folder, renamed when it is complete.

    The state of a generator other than NumPy's default is left out.  Equal networks give the same bytes.
    """
    from safetensors.numpy import save

    entries = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "fastnn_version": __version__,
        "config": json.dumps(config),
    }
    if isinstance(rng.bit_generator, np.random.PCG64):
        entries["generator"] = json.dumps(rng.bit_generator.state)
    data = save({name: np.ascontiguousarray(array) for name, array in tensors.items()}, {FORMAT: json.dumps(entries)})
    write_whole(Path(path), data)


def write_whole(path: Path, data: bytes) -> None:
    """Write bytes to a file so that it is there whole, with the usual permissions, or not changed at all."""
    temporary = path.parent / f".{path.name[:40]}.{secrets.token_hex(8)}.part"
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.filename is not None:  # name the file that was asked for
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise


def read(path: str | os.PathLike[str], cls: type[M]) -> M:
    """Return the model in a file, everything checked; raise ModelFileError for anything malformed.

    The header comes first, and no more of the file is read than it accounts for.
    """
    with open(path, "rb") as file:
        try:
            return _decode(file, cls)
        except (ModelFileError, RecursionError) as error:
            raise ModelFileError(f"{os.fspath(path)!r} is not a model file that can be loaded: {error}") from error


def _decode(file: BinaryIO, cls: type[M]) -> M:
    head, header = _header(file)
    metadata = _metadata(header)
    if metadata.get("format") != FORMAT:
        raise ModelFileError("its metadata do not say format=fastnn; it was not written by fastnn.")
    _check_version(metadata.get("format_version"))
    config = _config(metadata.get("config"))
    generator = _generator(metadata["generator"]) if "generator" in metadata else None
    theta = _theta(file, head, config)
    try:
        made = cls.from_config(config, theta)
    except (ValueError, TypeError, OverflowError, MemoryError) as error:
        raise ModelFileError(f"its configuration does not describe a network: {error}") from error
    if generator is not None:
        made.rng = generator
    return made


def _header(file: BinaryIO) -> tuple[bytes, dict[str, Any]]:
    """Return the safetensors header, as bytes and decoded: 8 bytes of length, little-endian, then JSON."""
    prefix = file.read(8)
    length = int.from_bytes(prefix, "little")
    if len(prefix) < 8:
        raise ModelFileError(f"it has {len(prefix)} bytes; a header alone takes more. Is it truncated?")
    if length > HEADER_LIMIT:
        raise ModelFileError(f"it declares a header of {length} bytes; more than {HEADER_LIMIT} are not taken.")
    text = file.read(length)
    if len(text) < length:
        raise ModelFileError(f"it declares a header of {length} bytes and has {len(text)} more. Is it truncated?")
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"its header is not JSON: {error}") from error
    if not isinstance(header, dict):
        raise ModelFileError("its header is not a JSON object.")
    return prefix + text, header


def _metadata(header: dict[str, Any]) -> dict[str, Any]:
    """Return what fastnn wrote beside the tensors, or an empty dict."""
    metadata = header.get("__metadata__")
    if isinstance(metadata, dict) and FORMAT in metadata:
        try:
            metadata = json.loads(metadata[FORMAT])
        except (TypeError, ValueError, RecursionError) as error:
            raise ModelFileError(f"its metadata are not JSON: {error}") from error
    return metadata if isinstance(metadata, dict) else {}


def _check_version(version: Any) -> None:
    if not isinstance(version, str) or not version.isdecimal() or len(version) > 9:
        raise ModelFileError(f"its format version is {version!r:.80}, expected a whole number.")
    if int(version) > FORMAT_VERSION:
        raise ModelFileError(
            f"it has format version {version}; this fastnn ({__version__}) reads up to {FORMAT_VERSION}. "
            "Upgrade fastnn-kernels."
        )


def _config(text: Any) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelFileError(f"its configuration is not JSON: {error}") from error
    expected: dict[str, Any] = {
        "sizes": list,
        "activation": list,
        "output": str,
        "loss": (str, dict),
        "bias": bool,
        "dtype": str,
        "seed": int,
        "input_scale": (int, float),
        "multilabel": bool,
    }
    if not isinstance(config, dict) or set(config) != set(expected):
        raise ModelFileError(f"its configuration must have exactly the entries {', '.join(expected)}.")
    for name, kind in expected.items():
        if not isinstance(config[name], kind) or (kind is int and isinstance(config[name], bool)):
            raise ModelFileError(f"its configuration has {name} = {config[name]!r:.80}.")
    if not all(type(size) is int and size >= 1 for size in config["sizes"]) or len(config["sizes"]) < 2:
        raise ModelFileError(f"its configuration has sizes = {config['sizes']!r:.80}.")
    return config


def _generator(text: Any) -> np.random.Generator:
    """Return the generator whose state is written; a file need not have one."""
    try:
        state = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelFileError(f"its generator's state is not JSON: {error}") from error
    inner = state.get("state") if isinstance(state, dict) else None
    if (
        not isinstance(inner, dict)
        or set(state) != {"bit_generator", "state", "has_uint32", "uinteger"}
        or state["bit_generator"] != "PCG64"
        or set(inner) != {"state", "inc"}
        or not all(_below(inner[name], 128) for name in inner)
        or inner["inc"] % 2 == 0
        or not _below(state["has_uint32"], 1)
        or not _below(state["uinteger"], 32)
    ):
        raise ModelFileError(f"its generator's state is {state!r:.80}, expected that of NumPy's PCG64.")
    bits = np.random.PCG64(0)
    bits.state = state
    return np.random.Generator(bits)


def _below(value: Any, bits: int) -> bool:
    return type(value) is int and 0 <= value < 1 << bits


def _theta(file: BinaryIO, head: bytes, config: dict[str, Any]) -> Array:
    """Return all parameters from the tensors, whose names, shapes and dtype must be those that config implies."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    sizes = config["sizes"]
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, (n_in, n_out) in enumerate(zip(sizes[:-1], sizes[1:], strict=True), start=1):
        shapes[f"W{layer}"] = (n_in, n_out)
        if config["bias"]:
            shapes[f"b{layer}"] = (n_out,)
    if config["dtype"] not in DTYPES:
        raise ModelFileError(f"its configuration has dtype = {config['dtype']!r:.80}.")
    size = sum(map(math.prod, shapes.values())) * np.dtype(config["dtype"]).itemsize
    present = os.fstat(file.fileno()).st_size - len(head)
    if present != size:
        raise ModelFileError(f"its tensors take {present} bytes; sizes {sizes[:9]} need {size}. Is it truncated?")
    try:
        tensors = load(head + file.read(size))
    except (SafetensorError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise ModelFileError(f"its tensors cannot be read: {error}") from error
    if set(tensors) != set(shapes):
        raise ModelFileError(
            f"it has tensors {sorted(tensors)[:8]}, expected {list(shapes)[:8]} for sizes {sizes[:9]}."
        )
    for name, shape in shapes.items():
        tensor = tensors[name]
        if tensor.shape != shape or tensor.dtype.name != config["dtype"]:
            raise ModelFileError(
                f"tensor {name} is {tensor.dtype.name} {tensor.shape}, expected {config['dtype']} {shape}."
            )
        if not np.isfinite(tensor).all():
            raise ModelFileError(f"tensor {name} holds values that are not finite.")
    return np.concatenate([tensors[name].ravel() for name in shapes])
