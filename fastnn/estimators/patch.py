"""Put fastnn's estimators in scikit-learn's place, and take them out again."""

from __future__ import annotations

import sys
from types import ModuleType, TracebackType
from typing import Any, Self

import sklearn.neural_network
from sklearn.neural_network import _multilayer_perceptron as home

from .classifier import MLPClassifier
from .regressor import MLPRegressor
from .theirs import ORIGINALS

__all__ = ["OURS", "Patch", "patch_sklearn", "unpatch_sklearn"]

OURS: dict[str, type] = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}

# (module, name) of what was replaced, with the original; empty while nothing is patched
_replaced: list[tuple[ModuleType, str, type]] = []


class Patch:
    """What `patch_sklearn` returns: a context manager that undoes it.

    Within another patch it does nothing, so that the outer one stays in force.
    """

    def __init__(self, began: bool) -> None:
        self._began = began

    def __enter__(self) -> Self:
        """Return the patch, which is in force already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Undo it, if it was this one that began it."""
        if self._began:
            unpatch_sklearn()

    def __repr__(self) -> str:
        """Say whether a patch is in force."""
        return f"<scikit-learn's perceptrons are {'fastnn' if _replaced else 'its own'}>"


def patch_sklearn() -> Patch:
    """Let scikit-learn hand out fastnn's estimators.

    ``sklearn.neural_network.MLPClassifier`` and ``MLPRegressor`` become fastnn's, and so does every name for one of
    them at the top of a module that is loaded.  Names within functions, classes and containers stay as they are, and
    so does the module where scikit-learn defines the classes: pickles of its estimators go on loading and saving as
    what they are.

    Returns
    -------
    Patch
        ``with patch_sklearn(): ...`` undoes it at the end of the block.

    Examples
    --------
    >>> import fastnn, sklearn.neural_network
    >>> with fastnn.patch_sklearn():
    ...     sklearn.neural_network.MLPClassifier is fastnn.MLPClassifier
    True
    >>> sklearn.neural_network.MLPClassifier is fastnn.MLPClassifier
    False
    """
    if _replaced:
        return Patch(began=False)
    for name, original in ORIGINALS.items():
        _replace(sklearn.neural_network, name, original)
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType) and module is not home and not _is_ours(module):
            for name, value in list(vars(module).items()):
                if any(value is original for original in ORIGINALS.values()):
                    _replace(module, name, value)
    return Patch(began=True)


def unpatch_sklearn() -> None:
    """Give every module back what `patch_sklearn` has replaced in it; nothing where nothing is patched.

    A module that imported the classes while they were patched keeps fastnn's.
    """
    while _replaced:
        module, name, original = _replaced.pop()
        if vars(module).get(name) is OURS[original.__name__]:
            setattr(module, name, original)


def _replace(module: ModuleType, name: str, original: Any) -> None:
    setattr(module, name, OURS[original.__name__])
    _replaced.append((module, name, original))


def _is_ours(module: ModuleType) -> bool:
    name = getattr(module, "__name__", "")
    return name == "fastnn" or name.startswith("fastnn.")
