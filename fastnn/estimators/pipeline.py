"""A fitted pipeline as one frozen callable: the scaler folded into the first layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.validation import check_is_fitted

from ..arrays import Array
from ..network import Network
from .base import BaseMLP
from .convert import from_sklearn
from .theirs import ORIGINALS

__all__ = ["compile_pipeline"]


def compile_pipeline(pipeline: Any, method: str | None = None) -> Any:
    """Return one frozen callable for a fitted pipeline of scalers and a perceptron.

    A scaler is x -> s x + o per feature, and (s x + o) W + b = x (s W) + (o W + b): it disappears into the first layer.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Fitted; any number of StandardScaler and MinMaxScaler (without ``clip``) before an MLPClassifier or
        MLPRegressor, fastnn's or scikit-learn's.
    method : {"predict_proba", "predict"}, optional
        As in `MLPClassifier.predictor`.

    Returns
    -------
    callable
        As from `MLPClassifier.predictor`: one row or rows, as the pipeline takes them, to what ``method`` gives.

    Raises
    ------
    TypeError
        For steps that cannot be folded; the message names them.

    Examples
    --------
    >>> import numpy as np, fastnn
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X = np.random.default_rng(0).normal(5, 3, size=(80, 4))
    >>> pipe = make_pipeline(StandardScaler(), fastnn.MLPClassifier((8,), max_iter=400, tol=1e-2, random_state=0))
    >>> pipe = pipe.fit(X, np.arange(80) % 3)
    >>> f = fastnn.compile_pipeline(pipe)
    >>> np.allclose(f(X), pipe.predict_proba(X))
    True
    """
    if not isinstance(pipeline, Pipeline):
        raise TypeError(f"compile_pipeline takes a fitted sklearn.pipeline.Pipeline, got {type(pipeline).__name__}.")
    est = pipeline.steps[-1][1]
    if isinstance(est, tuple(ORIGINALS.values())):
        est = from_sklearn(est)
    if not isinstance(est, BaseMLP):
        raise TypeError(
            f"the last step must be an MLPClassifier or MLPRegressor, got {type(est).__name__}: nothing to compile."
        )
    check_is_fitted(est)
    net = est._current()
    scale, offset = np.ones(net.sizes[0]), np.zeros(net.sizes[0])
    for name, step in pipeline.steps[:-1]:
        s, o = _affine(name, step)
        scale, offset = scale * s, offset * s + o
    return est._freeze(_folded(net, scale, offset), est._method(method))


def _affine(name: str, step: Any) -> tuple[Any, Any]:
    """Return (s, o) of a scaler x -> s x + o."""
    if step is None or step == "passthrough":
        return 1.0, 0.0
    if isinstance(step, StandardScaler):
        check_is_fitted(step)
        s = 1.0 / step.scale_ if step.scale_ is not None else 1.0
        return s, -step.mean_ * s if step.with_mean and step.mean_ is not None else 0.0
    if isinstance(step, MinMaxScaler) and not step.clip:
        check_is_fitted(step)
        return step.scale_, step.min_
    clip = " with clip=True" if isinstance(step, MinMaxScaler) else ""
    raise TypeError(
        f"step {name!r} is a {type(step).__name__}{clip}; only StandardScaler and MinMaxScaler without clip can be "
        "folded into a first layer. Call the others before the compiled rest."
    )


def _folded(net: Network, scale: Array, offset: Array) -> Network:
    """Return the network of x -> net(scale x + offset); the products are summed in float64."""
    weights, biases = [np.array(W) for W in net.weights], [np.array(b) for b in net.biases]
    W = weights[0].astype(np.float64)
    biases[0] = (biases[0] + offset @ W).astype(net.dtype)
    weights[0] = (scale[:, None] * W).astype(net.dtype)
    made = Network.from_weights(
        weights, biases, output=net.output, activation=list(net.activations), loss=net.config()["loss"], dtype=net.dtype
    )
    made.multilabel = net.multilabel
    return made
