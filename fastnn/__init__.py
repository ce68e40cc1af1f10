"""fastnn: dense neural networks for NumPy people, trained and served on the CPU.

>>> import fastnn
>>> net = fastnn.Network([784, 16, 16, 10], activation="sigmoid", output="softmax", seed=0)
>>> net.n_parameters
13002
"""

from __future__ import annotations

import os as _os
from typing import TYPE_CHECKING, Any

if _os.path.exists(_os.path.join(_os.path.dirname(__file__), "exporting.py")):  # a module that only the other one has
    raise ImportError(
        "the files of another project that is also imported as 'fastnn' lie in this package's folder. Remove both and "
        "install this one again: pip uninstall -y fastnn fastnn-kernels; pip install fastnn-kernels"
    )

from ._version import __version__
from .backends import (
    available_backends,
    get_backend,
    get_num_threads,
    set_backend,
    set_num_threads,
    show_config,
    use_backend,
)
from .errors import DivergenceError, DownloadError, FastNNError, MissingDependencyError, ModelFileError
from .network import Network, load

if TYPE_CHECKING:
    from . import course, datasets, functional, landscape, plot, schedules
    from .callbacks import Checkpoints, EarlyStopping, FitState, History, TimeLimit
    from .estimators import MLPClassifier as MLPClassifier
    from .estimators import MLPRegressor as MLPRegressor
    from .estimators import compile_pipeline as compile_pipeline
    from .estimators import from_sklearn as from_sklearn
    from .estimators import patch_sklearn as patch_sklearn
    from .estimators import unpatch_sklearn as unpatch_sklearn
    from .optimizers import SGD, Adam, AdamW, Optimizer, OptimizerState, RMSprop
    from .predictor import Predictor
    from .trainer import Trainer

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Checkpoints",
    "DivergenceError",
    "DownloadError",
    "EarlyStopping",
    "FastNNError",
    "FitState",
    "History",
    "MissingDependencyError",
    "ModelFileError",
    "Network",
    "Optimizer",
    "OptimizerState",
    "Predictor",
    "RMSprop",
    "TimeLimit",
    "Trainer",
    "__version__",
    "available_backends",
    "course",
    "datasets",
    "functional",
    "get_backend",
    "get_num_threads",
    "landscape",
    "load",
    "plot",
    "schedules",
    "set_backend",
    "set_num_threads",
    "show_config",
    "use_backend",
]

_LAZY_MODULES = (
    "callbacks", "course", "datasets", "functional", "landscape", "optimizers", "plot", "predictor", "schedules",
    "trainer",
)  # fmt: skip
# These and `kernels.table` took 7 of 12 ms that an import cost beyond NumPy's 60: dataclasses are made by exec.
_LAZY_NAMES = {
    **dict.fromkeys(("Checkpoints", "EarlyStopping", "FitState", "History", "TimeLimit"), "callbacks"),
    **dict.fromkeys(("SGD", "Adam", "AdamW", "Optimizer", "OptimizerState", "RMSprop"), "optimizers"),
    "Predictor": "predictor",
    "Trainer": "trainer",
}
# not in __all__, so that ``from fastnn import *`` asks for no scikit-learn
_OF_ESTIMATORS = (
    "MLPClassifier", "MLPRegressor", "compile_pipeline", "from_sklearn", "patch_sklearn", "unpatch_sklearn",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import when first asked for what not every use of fastnn needs."""
    if name in _LAZY_MODULES or name in _LAZY_NAMES:
        import importlib

        module = importlib.import_module(f"fastnn.{_LAZY_NAMES.get(name, name)}")
        if name in _LAZY_MODULES:
            return module
        globals()[name] = found = getattr(module, name)
        return found
    if name in _OF_ESTIMATORS:
        from .errors import require

        require("sklearn", "sklearn", f"fastnn.{name}")
        from . import estimators

        return getattr(estimators, name)
    raise AttributeError(f"module 'fastnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*__all__, *_OF_ESTIMATORS])
