"""From scikit-learn's fitted estimators to fastnn's."""

from __future__ import annotations

import copy
from typing import Any

from .base import BaseMLP
from .patch import OURS
from .theirs import ORIGINALS, take

__all__ = ["from_sklearn"]


def from_sklearn(estimator: Any) -> Any:
    """Return fastnn's estimator for a fitted one of scikit-learn.

    Nothing is lost: parameters, loss curve, classes, the solver's velocities or moments and the random state come over,
    so that ``partial_fit`` and ``warm_start`` go on as there.

    Parameters
    ----------
    estimator : sklearn.neural_network.MLPClassifier or MLPRegressor
        Fitted or not; not changed.

    Returns
    -------
    MLPClassifier or MLPRegressor

    Raises
    ------
    TypeError
        For another estimator.

    Examples
    --------
    >>> import numpy as np, fastnn
    >>> from sklearn.neural_network import MLPRegressor
    >>> X, y = np.arange(10.0).reshape(-1, 1), np.arange(10.0)
    >>> theirs = MLPRegressor(hidden_layer_sizes=(3,), solver="lbfgs", max_iter=100, random_state=0).fit(X, y)
    >>> ours = fastnn.from_sklearn(theirs)
    >>> np.allclose(ours.predict(X), theirs.predict(X))
    True
    """
    if isinstance(estimator, BaseMLP):
        return copy.deepcopy(estimator)
    name = next((name for name, original in ORIGINALS.items() if isinstance(estimator, original)), None)
    if name is None:
        raise TypeError(
            f"from_sklearn takes scikit-learn's MLPClassifier or MLPRegressor, got {type(estimator).__name__}."
        )
    made = OURS[name](**copy.deepcopy(estimator.get_params(deep=False)))
    take(made, copy.deepcopy(estimator.__dict__))
    return made
