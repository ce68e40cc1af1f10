"""`MLPRegressor`: scikit-learn's, on fastnn's kernels."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, validate_data

from ..arrays import Array
from ..network import Network
from .base import RULES, BaseMLP
from .checked import checked
from .documents import documented
from .fast import FrozenValues

__all__ = ["MLPRegressor"]


@documented("regressor")
class MLPRegressor(RegressorMixin, BaseMLP):
    """Multi-layer perceptron for real targets: a drop-in for ``sklearn.neural_network.MLPRegressor``."""

    _score_name = "val_r2"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **RULES,
        "loss": [StrOptions({"squared_error", "poisson", "absolute_error", "huber", "quantile"})],
        "huber_delta": [Interval(Real, 0, None, closed="neither")],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self, loss: str = "squared_error", hidden_layer_sizes: Any = (100,), activation: Any = "relu", *,
        solver: str = "adam", alpha: float = 0.0001, batch_size: int | str = "auto", learning_rate: Any = "constant",
        learning_rate_init: float = 0.001, power_t: float = 0.5, max_iter: int = 200, shuffle: bool = True,
        random_state: Any = None, tol: float = 1e-4, verbose: Any = False, warm_start: bool = False,
        momentum: float = 0.9, nesterovs_momentum: bool = True, early_stopping: bool = False,
        validation_fraction: float = 0.1, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8,
        n_iter_no_change: float = 10, max_fun: int = 15000, dropout: Any = 0.0, weight_decay: float = 0.01,
        rho: float = 0.9, clip_norm: float | None = None, monitor: str = "score", resume: bool = False,
        time_limit: float | None = None, num_threads: int | None = None, huber_delta: float = 1.0,
        quantile: float = 0.5,
    ) -> None:  # fmt: skip
        self.loss = loss
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
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.rho = rho
        self.clip_norm = clip_norm
        self.monitor = monitor
        self.resume = resume
        self.time_limit = time_limit
        self.num_threads = num_threads
        self.huber_delta = huber_delta
        self.quantile = quantile

    # ---- what BaseMLP asks for

    def _network_loss(self) -> Any:
        parameter = {"huber": "huber_delta", "quantile": "quantile"}.get(self.loss)
        return {self.loss: float(getattr(self, parameter))} if parameter else self.loss

    def _out_activation(self) -> str:
        return "exp" if self.loss == "poisson" else "identity"

    def _checked(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        X, y = checked(self, X, y, reset, y_numeric=True)
        return X, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _checked_again(self, X: Any, y: Any) -> tuple[Any, Any]:
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False, dtype=(np.float64, np.float32))
        y = check_array(y, ensure_2d=False, dtype="numeric")
        wanted = (X.shape[0],) if self.n_outputs_ == 1 else (X.shape[0], self.n_outputs_)
        if y.shape != wanted and y.size != X.shape[0] * self.n_outputs_:
            raise ValueError(f"y of validation_data must have shape {wanted}, got {y.shape}.")
        return X, y

    def _n_outputs(self, y: Any) -> int:
        return 1 if y.ndim == 1 else int(y.shape[1])

    def _encoded(self, y: Any, dtype: Any) -> Array:
        return np.ascontiguousarray(y.reshape(len(y), -1), dtype)

    def _score_of(self, T: Array, outputs: Array, weights: Array | None) -> float:
        # scikit-learn's r2_score: averaged over outputs; a constant target counts 1 where it is met exactly, else 0
        T = T.astype(np.float64)
        w = np.ones(len(T)) if weights is None else weights.astype(np.float64)
        squares = (np.square(T - outputs) * w[:, None]).sum(axis=0)  # no BLAS: its threads spin for 20 ms afterwards
        spread = (np.square(T - np.average(T, axis=0, weights=w)) * w[:, None]).sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            r2 = np.where(spread > 0, 1 - squares / spread, np.where(squares > 0, 0.0, 1.0))
        return float(r2.mean())

    def _freeze(self, net: Network, method: str) -> Any:
        f = net.predictor(num_threads=self.num_threads)
        return FrozenValues(f) if net.sizes[-1] == 1 else f

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
        y : array-like, shape (n_samples,) or (n_samples, n_outputs)
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
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch, from where the last call stopped.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
        y : array-like, shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like, shape (n_samples,), optional

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Array:
        """Return the predicted values.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)

        Returns
        -------
        ndarray, shape (n_samples,) or (n_samples, n_outputs)
        """
        outputs = self._raw(X)
        return outputs.ravel() if outputs.shape[1] == 1 else outputs
