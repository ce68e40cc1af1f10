"""`MLPClassifier`: scikit-learn's, on fastnn's kernels."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels

from ..arrays import Array
from ..network import Network
from .base import RULES, BaseMLP
from .checked import checked
from .documents import documented
from .fast import FrozenLabels, two_columns
from .labels import fitted_binarizer, positions

__all__ = ["MLPClassifier"]


@documented("classifier")
class MLPClassifier(ClassifierMixin, BaseMLP):
    """Multi-layer perceptron for classes: a drop-in for ``sklearn.neural_network.MLPClassifier``."""

    loss = "log_loss"
    _score_name = "val_accuracy"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **RULES,
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }

    def __init__(
        self, hidden_layer_sizes: Any = (100,), activation: Any = "relu", *, solver: str = "adam",
        alpha: float = 0.0001, batch_size: int | str = "auto", learning_rate: Any = "constant",
        learning_rate_init: float = 0.001, power_t: float = 0.5, max_iter: int = 200, shuffle: bool = True,
        random_state: Any = None, tol: float = 1e-4, verbose: Any = False, warm_start: bool = False,
        momentum: float = 0.9, nesterovs_momentum: bool = True, early_stopping: bool = False,
        validation_fraction: float = 0.1, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8,
        n_iter_no_change: float = 10, max_fun: int = 15000, class_weight: Any = None, dropout: Any = 0.0,
        weight_decay: float = 0.01, rho: float = 0.9, clip_norm: float | None = None, monitor: str = "score",
        resume: bool = False, time_limit: float | None = None, num_threads: int | None = None,
    ) -> None:  # fmt: skip
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.class_weight = class_weight
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.rho = rho
        self.clip_norm = clip_norm
        self.monitor = monitor
        self.resume = resume
        self.time_limit = time_limit
        self.num_threads = num_threads

    # ---- what BaseMLP asks for

    def _network_loss(self) -> Any:
        return None  # the output's own: a cross-entropy

    def _out_activation(self) -> str:
        return "softmax" if self._kind() == "multiclass" else "logistic"

    def _kind(self) -> str:
        """Return "binary", "multiclass" or "multilabel"."""
        kind: str = self._label_binarizer.y_type_
        return "multilabel" if kind.startswith("multilabel") else kind

    def _checked(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        X, y = checked(self, X, y, reset)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        warm = self.warm_start or self.resume
        if not hasattr(self, "classes_") or (not warm and not incremental):
            self._label_binarizer = fitted_binarizer(y)
            self.classes_ = self._label_binarizer.classes_
            return X, y
        classes = unique_labels(y)
        if warm:
            if set(classes) != set(self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                    f"Previously got {self.classes_}, `y` has {classes}"
                )
        elif len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}."
            )
        return X, y

    def _checked_again(self, X: Any, y: Any) -> tuple[Any, Any]:
        X, y = checked(self, X, y, False)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        unknown = np.setdiff1d(unique_labels(y), self.classes_)
        if len(unknown):
            raise ValueError(f"y of validation_data has classes that fit has not seen: {unknown}.")
        return X, y

    def _n_outputs(self, y: Any) -> int:
        return 1 if self._kind() == "binary" else len(self.classes_)

    def _encoded(self, y: Any, dtype: Any) -> Array:
        kind = self._kind()
        if kind == "multilabel" or y.ndim == 2:
            return np.ascontiguousarray(self._label_binarizer.transform(y) != 0, dtype)
        if kind == "multiclass":
            return positions(self.classes_, y).reshape(-1, 1)
        if len(self.classes_) == 1:
            return np.zeros((len(y), 1), dtype)
        return np.ascontiguousarray(y == self.classes_[1], dtype).reshape(-1, 1)

    def _stratify(self, T: Array) -> Any:
        return T.astype(bool) if self.n_outputs_ == 1 else None

    def _class_weights(self, y: Any, weights: Array | None, incremental: bool) -> Array | None:
        if self.class_weight is None:
            return weights
        if incremental and isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight='balanced' is not supported for partial_fit, which sees a part of the data only. Compute "
                "the weights over all of y with sklearn.utils.class_weight.compute_class_weight and pass a dict."
            )
        each = compute_sample_weight(self.class_weight, y)
        return each if weights is None else each * weights

    def _score_of(self, T: Array, outputs: Array, weights: Array | None) -> float:
        kind = self._kind()
        if kind == "multiclass":
            right = outputs.argmax(axis=1) == T[:, 0]
        elif len(self.classes_) == 1 and kind == "binary":
            right = np.ones(len(T), bool)
        else:
            right = ((outputs > 0.5) == (T > 0.5)).all(axis=1)
        return float(np.average(right, weights=weights))

    def _freeze(self, net: Network, method: str) -> Any:
        kind = self._kind()
        if method == "predict":
            return FrozenLabels(net.predictor(num_threads=self.num_threads), self.classes_, kind)
        net = two_columns(net) if net.sizes[-1] == 1 else net
        return net.predictor(num_threads=self.num_threads)

    # ---- the public methods

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: Any = None, callbacks: Any = None
    ) -> Self:
        """Train on X and y.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            float32 and float64 are kept; CSR is never made dense.
        y : array-like, shape (n_samples,) or (n_samples, n_labels)
            Class labels of any kind, or a 0/1 matrix of several labels per row.
        sample_weight : array-like, shape (n_samples,), optional
            Not negative.
        validation_data : (X, y) or (X, y, sample_weight), optional
            Scored after each epoch (``validation_scores_``, ``validation_loss_curve_``); with ``early_stopping`` it is
            used in place of a split.
        callbacks : sequence of callable, optional
            Called with a `fastnn.FitState` after each epoch; True stops the fit.

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, validation_data=validation_data, callbacks=callbacks)

    @available_if(lambda est: est._check_solver())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one epoch, from where the last call stopped.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
        y : array-like, shape (n_samples,) or (n_samples, n_labels)
        sample_weight : array-like, shape (n_samples,), optional
        classes : array-like, shape (n_classes,), optional
            All classes there will be; needed in the first call.

        Returns
        -------
        self
        """
        if _check_partial_fit_first_call(self, classes):
            several = type_of_target(y).startswith("multilabel")
            self._label_binarizer = LabelBinarizer().fit(y if several else classes)
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Array:
        """Return the predicted labels.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)

        Returns
        -------
        ndarray, shape (n_samples,), or (n_samples, n_labels) of 0 and 1
        """
        outputs = self._raw(X)
        if self._label_binarizer.y_type_ == "multiclass":
            return self._label_binarizer.classes_[outputs.argmax(axis=1)]
        return self._label_binarizer.inverse_transform(outputs.ravel() if self.n_outputs_ == 1 else outputs)

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, in the order of ``classes_``.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)

        Returns
        -------
        ndarray, shape (n_samples, n_classes)
            For several labels per row, each label's own probability.
        """
        outputs = self._raw(X)
        if outputs.shape[1] > 1:
            return outputs
        both = np.empty((len(outputs), 2), outputs.dtype)
        both[:, 1:] = outputs
        np.subtract(1, outputs[:, 0], out=both[:, 0])
        return both

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of `predict_proba`.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)

        Returns
        -------
        ndarray, shape (n_samples, n_classes)
        """
        probabilities = self.predict_proba(X)
        return np.log(probabilities, out=probabilities)

    def __sklearn_tags__(self) -> Any:
        """Return the tags: several labels per row are taken."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
