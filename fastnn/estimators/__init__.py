"""A drop-in for scikit-learn's multi-layer perceptrons, and what their users have asked for.  Needs scikit-learn.

`MLPClassifier` and `MLPRegressor` have scikit-learn's parameters, draws, results, warnings and errors, and additions
after them; `patch_sklearn` puts them in scikit-learn's place; `from_sklearn` converts what is fitted;
`compile_pipeline` freezes a pipeline into one callable.
"""

from __future__ import annotations

from . import threads
from .classifier import MLPClassifier
from .convert import from_sklearn
from .patch import patch_sklearn, unpatch_sklearn
from .pipeline import compile_pipeline
from .regressor import MLPRegressor

__all__ = [
    "MLPClassifier",
    "MLPRegressor",
    "compile_pipeline",
    "from_sklearn",
    "patch_sklearn",
    "unpatch_sklearn",
]

threads.register()
