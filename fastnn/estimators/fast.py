"""Predictions for a row or a few: the short way in, and frozen callables.

`Fast._short` takes what needs no conversion: an ndarray of the network's dtype and width, finite, without feature names
to compare.  Everything else goes the long way through scikit-learn's checks, errors and warnings included.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .. import backends, engine
from ..arrays import NO_INDICES, Array, Input
from ..network import Network
from ..predictor import Predictor

__all__ = ["Fast", "Frozen", "FrozenLabels", "FrozenValues", "two_columns"]

# Entries of X up to which the short way is tried: beyond, the checks cost little beside the products, and the sum of
# squares that looks for NaN would wake the threads of NumPy's BLAS.
SHORT = 8192


class Frozen:
    """The last fit's predictor, made when it is first asked for, and the backend that it was made for."""

    __slots__ = ("backend", "predictor")

    def __init__(self) -> None:
        self.predictor: Predictor | None = None
        self.backend = ""


class Fast:
    """The part of an estimator that predicts for few rows."""

    _frozen: Frozen

    def _short(self: Any, X: Any) -> Array | None:
        """Return the outputs for an X that needs no check but for NaN, None for any other."""
        net = self._network
        if (
            net is None
            or type(X) is not np.ndarray
            or X.ndim != 2
            or X.dtype != net.dtype
            or X.shape[1] != net.sizes[0]
            or not 0 < X.size <= SHORT
            or "feature_names_in_" in self.__dict__
            or not math.isfinite(np.vdot(X, X))
        ):
            return None
        if self._exposed:  # someone may have written to the parameters since
            if not self._is_synced():
                return None
            out = np.empty((len(X), net.sizes[-1]), net.dtype)
            rows = Input(X, NO_INDICES, NO_INDICES, len(X))
            return engine.predict(net, backends.kernels(), rows, out, self._threads(), self._const)
        frozen, backend = self._frozen, backends.get_backend()
        predictor = frozen.predictor
        if predictor is None or frozen.backend != backend:
            predictor = net.predictor(num_threads=self.num_threads, backend=backend)
            frozen.predictor, frozen.backend = predictor, backend
        return predictor(X)

    def _raw(self: Any, X: Any) -> Array:
        """Return the network's outputs for X."""
        found = self._short(X)
        return self._outputs(X) if found is None else found

    def predictor(self: Any, method: str | None = None) -> Any:
        """Return a frozen callable: the shortest way from a row to a prediction.

        It is a snapshot: later training does not change it.  It takes one row (n_features,) and gives that row's
        result, or rows (m, n_features) and gives what ``method`` gives; it looks for no NaN and no feature names.

        Parameters
        ----------
        method : {"predict_proba", "predict"}, optional
            None: "predict_proba" for a classifier, "predict" for a regressor.

        Returns
        -------
        callable
            ``f(x)``; a `fastnn.Predictor` wherever the method's result is the network's output.

        Raises
        ------
        ValueError
            For another method.

        Examples
        --------
        >>> import numpy as np, fastnn
        >>> X, y = np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 3
        >>> clf = fastnn.MLPClassifier((8,), max_iter=300, tol=1e-2, random_state=0).fit(X, y)
        >>> f = clf.predictor()
        >>> np.allclose(f(X[0]), clf.predict_proba(X[:1])[0])
        True
        """
        check_is_fitted(self)
        return self._freeze(self._current(), self._method(method))

    def _method(self, method: str | None) -> str:
        """Return the method asked for, by default the first; raise ValueError for another."""
        known = ("predict_proba", "predict") if hasattr(self, "classes_") else ("predict",)
        method = known[0] if method is None else method
        if method not in known:
            raise ValueError(f"method must be {' or '.join(map(repr, known))}, got {method!r}.")
        return method


class FrozenLabels:
    """A frozen classifier: rows to labels; made by `MLPClassifier.predictor`."""

    def __init__(self, outputs: Predictor, classes: Array, kind: str) -> None:
        self._outputs, self._classes, self._kind = outputs, classes, kind

    def __call__(self, x: Any) -> Any:
        """Return the label of one row, or the labels of rows; for several labels per row 0 and 1."""
        outputs = self._outputs(x)
        if self._kind == "multilabel":
            return (outputs > 0.5).astype(np.int64)
        index = outputs.argmax(axis=-1) if self._kind == "multiclass" else (outputs[..., 0] > 0.5).astype(np.intp)
        return self._classes[np.minimum(index, len(self._classes) - 1)]

    def __repr__(self) -> str:
        """Return the predictor within."""
        return f"FrozenLabels({self._outputs!r})"


class FrozenValues:
    """A frozen regressor of one output: a row to a number, rows to a vector; made by `MLPRegressor.predictor`."""

    def __init__(self, outputs: Predictor) -> None:
        self._outputs = outputs

    def __call__(self, x: Any) -> Any:
        """Return the value for one row, or the values for rows."""
        return self._outputs(x)[..., 0]

    def __repr__(self) -> str:
        """Return the predictor within."""
        return f"FrozenValues({self._outputs!r})"


def two_columns(net: Network) -> Network:
    """Return a network of two softmax outputs, (1 - p, p), for one of a single sigmoid output p.

    softmax(0, r) = (1 / (1 + exp r), exp r / (1 + exp r)) = (1 - p, p)
    """
    weights, biases = list(net.weights), list(net.biases)
    weights[-1] = np.hstack([np.zeros_like(weights[-1]), weights[-1]])
    biases[-1] = np.concatenate([np.zeros_like(biases[-1]), biases[-1]])
    return Network.from_weights(weights, biases, output="softmax", activation=list(net.activations), dtype=net.dtype)
