"""Programs and loops of the Numba backend: one compiled variant per precision, kept on disk between processes.

A `Program` has one signature per dtype of theta, built from the names of its parameters, so that neither strides nor
write protection nor the dtype of X lead to another compilation: arrays of any strides are declared as such, and X comes
as one argument per dtype, of which one is in use (``numba_kernels.source``).

Numba's own cache watches only the file that a function stands in.  These functions depend on every formula, so the
folder's name holds a hash over all sources of the package: ``NUMBA_CACHE_DIR`` if set, else the user's cache folder,
``/fastnn/numba-<hash>``.  Where it cannot be made or written, programs are compiled in each process, and nothing else
changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import os
import sys
from pathlib import Path

import numpy as np
from numba import config, njit, types
from numba.core.ccallback import CFunc

from .numpy_kernels import quiet

REAL = {"f": types.float32, "d": types.float64}
COMPILED = []  # every loop ever compiled: code is freed with its object, and an address may be in use anywhere


def read(dtype, n_dimensions, layout="C", aligned=True):
    """Return the type of an array that is only read; a writable one may be given in its place."""
    return types.Array(dtype, n_dimensions, layout, readonly=True, aligned=aligned)


def types_of(real):
    """Return the type of each parameter by its name, for theta of the type ``real``."""
    int64, float64 = types.int64, types.float64
    anything = {"layout": "A", "aligned": False}
    return {
        "plan": read(int64, 2),
        "const": read(float64, 2),
        "loops": read(int64, 1),
        "X32": read(types.float32, 2, **anything),
        "X64": read(float64, 2, **anything),
        "X8": read(types.uint8, 2, **anything),
        "columns32": read(types.int32, 1),
        "indptr32": read(types.int32, 1),
        "columns64": read(int64, 1),
        "indptr64": read(int64, 1),
        "theta": read(real, 1),
        "new_theta": real[::1],  # theta again, to write to
        "grad": real[::1],
        "read_grad": read(real, 1),  # grad again, or one that is only read
        "state": real[:, ::1],
        "targets": read(real, 2),
        "labels": read(types.int32, 2),
        "weights": read(real, 1),
        "order": read(int64, 1),
        "starts": read(int64, 1),
        "hyper": read(float64, 2),
        "hyper_row": read(float64, 1),
        "work": real[::1],
        "parts": float64[::1],
        "losses": float64[:, ::1],
        "out": real[:, :],
        "dY": read(real, 2, **anything),
        "dX": real[:, :],
        # the pieces' arrays, all contiguous
        "kept": real[::1],
        "b": read(real, 1),
        "R": read(real, 1),
        "T": read(real, 1),
        "YZ": read(real, 1),
        "flat": real[::1],
        "dR": real[::1],
        "db": real[::1],
        "norm": float64,
        "parameter": float64,
    } | dict.fromkeys(("act", "code", "key", "loss", "m", "n", "rule", "t"), int64)


def source_hash():
    """Return a hash over the package's Python sources and the versions that compiled code depends on."""
    digest = hashlib.sha256(f"{np.__version__} {sys.version}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def user_cache():
    """Return the user's folder for caches on this system."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def cache_class():
    """Return a class of Numba caches in this package's folder, or None where there can be no such folder."""
    try:
        from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator

        stamp = source_hash()
        folder = Path(config.CACHE_DIR or user_cache()) / "fastnn" / f"numba-{stamp}"
        folder.mkdir(parents=True, exist_ok=True)  # one that is there but read-only is still good to load from
    except (ImportError, OSError, RuntimeError):  # RuntimeError: there is no home folder
        return None

    class Locator(_CacheLocator):
        def get_cache_path(self):
            return str(folder)

        def get_source_stamp(self):
            return stamp

        def get_disambiguator(self):
            return "1"  # names are unique in this package

        @classmethod
        def from_function(cls, py_func, py_file):
            return cls()

    class Implementation(CompileResultCacheImpl):
        _locator_classes = [Locator]

    class PackageCache(FunctionCache):
        _impl_class = Implementation

        def _index_key(self, sig, codegen):
            """Leave out the closure, which has jitted functions in it and differs from process to process."""
            return sig, codegen.magic_tuple()

        def load_overload(self, sig, target_context):
            """Return what is stored, or None for whatever cannot be read: it is then compiled again."""
            try:
                return super().load_overload(sig, target_context)
            except Exception:  # a file cut short may raise anything
                with contextlib.suppress(OSError):
                    self.flush()
                return None

        def save_overload(self, sig, data):
            """Store, if there is still room and permission."""
            with contextlib.suppress(OSError):
                super().save_overload(sig, data)

    return PackageCache


Cache = None if config.DISABLE_JIT else cache_class()


def compile_loop(loop, char):
    """Compile one of numba_formulas.LOOPS for a dtype, or load it; return its address, good for the process's life."""
    real = REAL[char]
    number = {"p": types.float64, "norm": types.float64, "t": types.float64, "hyper": types.CPointer(types.float64)}
    number |= dict.fromkeys(("m", "n", "weighted", "wanted"), types.int64)
    parameters = inspect.signature(loop.function).parameters
    arguments = tuple(number.get(name, types.CPointer(real)) for name in parameters)
    loop.function.__name__ = loop.function.__qualname__ = loop.name
    options = {"error_model": "numpy", "fastmath": loop.fastmath}
    compiled = CFunc(loop.function, (arguments, types.float64), {}, options)
    if Cache is not None:
        compiled._cache = Cache(loop.function)
    compiled.compile()
    COMPILED.append(compiled)
    return compiled.address


class Program(dict):
    """A function compiled once per dtype: ``program[theta.dtype.char](...)``.

    Under NUMBA_DISABLE_JIT the function itself.
    """

    def __init__(self, function, **options):
        super().__init__()
        self.function, self.options = function, options

    def __missing__(self, char):
        """Compile for a dtype, or load what another process compiled.  Two threads here at once do no harm."""
        if config.DISABLE_JIT:
            compiled = quiet(self.function)
        else:
            by_name = types_of(REAL[char])
            compiled = njit(**self.options)(self.function)
            if Cache is not None:
                compiled._cache = Cache(self.function)
            compiled.compile(tuple(by_name[name] for name in inspect.signature(self.function).parameters))
            compiled.disable_compile()  # arguments are converted to the signature instead
        self[char] = compiled
        return compiled
