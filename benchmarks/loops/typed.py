"""Compile typed_loops.pyx into the user's cache, once per source, compiler flags and versions."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType

from fastnn.datasets.files import cache_dir

SOURCE = Path(__file__).with_name("typed_loops.pyx")
NAME = "typed_loops"
# Everything of -ffast-math that lets a sum be vectorised and nothing that changes what NaN means.  Not -ffast-math
# itself: GCC 12 would link code that flushes denormals for the whole process.
GNU = ["-O3", "-march=native", "-fassociative-math", "-fno-signed-zeros", "-fno-trapping-math", "-fno-math-errno",
       "-ffp-contract=fast"]  # fmt: skip
MSVC = ["/O2", "/fp:fast"]
BUILD = """
import sys
from setuptools import Extension, setup
from Cython.Build import cythonize
name, source, flags = sys.argv[1], sys.argv[2], sys.argv[3].split()
setup(name=name, script_args=["-q", "build_ext", "--inplace"],
      ext_modules=cythonize([Extension(name, [source], extra_compile_args=flags)], quiet=True))
"""


class NotBuilt(ImportError):
    """There is no Cython, or no compiler."""


@cache
def load() -> ModuleType:
    """Return the compiled module.

    Raises
    ------
    NotBuilt
        With the reason, in one line.
    """
    try:
        import Cython
        import setuptools  # noqa: F401
    except ImportError as error:
        raise NotBuilt(f"{error.name} is not installed") from error
    flags = " ".join(MSVC if os.name == "nt" else GNU)
    key = f"{SOURCE.read_text()}{flags}{Cython.__version__}{sys.version}{os.uname() if hasattr(os, 'uname') else ''}"
    folder = (cache_dir() or Path(tempfile.gettempdir())) / "benchmarks" / hashlib.sha256(key.encode()).hexdigest()[:16]
    made = find(folder) or build(folder, flags)
    spec = importlib.util.spec_from_file_location(NAME, made)
    if spec is None or spec.loader is None:
        raise NotBuilt(f"{made} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def find(folder: Path) -> Path | None:
    """Return the built extension in a folder, or None."""
    return next((path for path in sorted(folder.glob(f"{NAME}*")) if path.suffix in (".so", ".pyd")), None)


def build(folder: Path, flags: str) -> Path:
    """Compile in a folder of its own and move the result: a build that fails leaves nothing behind."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as room:
        source = Path(room, SOURCE.name)
        source.write_bytes(SOURCE.read_bytes())
        command = [sys.executable, "-c", BUILD, NAME, source.name, flags]
        done = subprocess.run(command, cwd=room, capture_output=True, text=True, check=False)
        made = find(Path(room))
        if done.returncode or made is None:
            told = (done.stderr or done.stdout).strip().splitlines()
            raise NotBuilt(f"it does not compile here ({told[-1] if told else 'no message'})")
        folder.mkdir(exist_ok=True)
        os.replace(made, folder / made.name)
        return folder / made.name
