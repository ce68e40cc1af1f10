"""The exceptions of fastnn, and the one way to ask for an optional package."""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = [
    "DivergenceError",
    "DownloadError",
    "FastNNError",
    "MissingDependencyError",
    "ModelFileError",
    "require",
]


class FastNNError(Exception):
    """Base of every exception that only fastnn raises.

    Wrong arguments raise the usual ``ValueError`` or ``TypeError``; this base is for what has no name in Python.
    """


class DivergenceError(FastNNError, ArithmeticError):
    """A fit met a loss or a parameter that is not finite; the parameters are those of the epoch's start."""


class ModelFileError(FastNNError, ValueError):
    """A model file is malformed, truncated, foreign, or of a newer format version."""


class MissingDependencyError(FastNNError, ImportError):
    """An optional package is not installed; the message names it and the line that installs it."""


class DownloadError(FastNNError, OSError):
    """A download failed; the message names the address, the file and where to put it by hand."""


def require(module: str, extra: str, purpose: str) -> ModuleType:
    """Import an optional package, or say how to get it.

    Parameters
    ----------
    module : str
        The module to import, such as ``"matplotlib.pyplot"``.
    extra : str
        The extra of the distribution that installs it, such as ``"plot"``.
    purpose : str
        What needs it, as the subject of the message: ``"Drawing pictures"``.

    Returns
    -------
    module
        The imported module.

    Raises
    ------
    MissingDependencyError
        If the module, or something that it imports, is not installed.

    Examples
    --------
    >>> require("json", "data", "Reading JSON").dumps([1])
    '[1]'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingDependencyError(
            f'{purpose} needs {package}, which cannot be imported ({error}). '
            f'Install it with: pip install "fastnn-kernels[{extra}]"'
        ) from error
