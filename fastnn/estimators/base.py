"""What both estimators share: parameters, fit, prediction, scikit-learn's protocol."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import sklearn.neural_network._multilayer_perceptron as installed
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions, validate_parameter_constraints
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from fastnn.kernels import plan as P
from fastnn.kernels.activations import ALIASES as ACTIVATION_ALIASES
from fastnn.kernels.activations import BY_NAME as ACTIVATIONS

from .. import backends, engine
from ..arrays import Array, Input, as_input
from ..callbacks import as_callbacks
from ..network import Network
from ..targets import Targets
from . import stochastic
from .draws import random_state
from .fast import Fast, Frozen
from .lbfgs import fit_lbfgs
from .parameters import Parameters, draw, network_of, sizes_of
from .printed import Printed, limit
from .solvers import STOCHASTIC, Solver
from .theirs import to_sklearn
from .threads import threads_here

__all__ = ["BaseMLP"]

# scikit-learn's own rules for its own parameters, and what is added to them
RULES: dict[str, list[Any]] = {
    **installed.BaseMultilayerPerceptron._parameter_constraints,
    "activation": [StrOptions({*ACTIVATIONS, *ACTIVATION_ALIASES}), "array-like"],
    "solver": [StrOptions({"lbfgs", *STOCHASTIC})],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"}), HasMethods("rates")],
    "verbose": ["verbose", StrOptions({"bar"})],
    "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "rho": [Interval(Real, 0, 1, closed="left")],
    "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
    "monitor": [StrOptions({"score", "loss"})],
    "resume": ["boolean"],
    "time_limit": [Interval(Real, 0, None, closed="neither"), None],
    "num_threads": [Interval(Integral, 1, None, closed="left"), None],
}


@cache
def _defaults_of(estimator: type) -> dict[str, Any]:
    """Return an estimator's parameters, in the order of their names as scikit-learn has them, and their defaults."""
    parameters = inspect.signature(estimator).parameters
    return {name: parameters[name].default for name in BaseEstimator._get_param_names.__func__(estimator)}


class BaseMLP(Fast, Parameters, BaseEstimator, ABC):
    """Base of `MLPClassifier` and `MLPRegressor`; use those."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = RULES
    _score_name: ClassVar[str]

    # ---- what the two differ in

    @abstractmethod
    def _network_loss(self) -> Any:
        """Return the loss for `Network`."""

    @abstractmethod
    def _out_activation(self) -> str:
        """Return scikit-learn's name of the output activation."""

    @abstractmethod
    def _checked(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        """Return X and y, checked as scikit-learn checks them; learn the classes."""

    @abstractmethod
    def _encoded(self, y: Any, dtype: Any) -> Array:
        """Return checked targets as the kernels take them."""

    @abstractmethod
    def _score_of(self, T: Array, outputs: Array, weights: Array | None) -> float:
        """Return the validation score of outputs that are finite."""

    @abstractmethod
    def _n_outputs(self, y: Any) -> int:
        """Return the columns that checked targets make."""

    def _stratify(self, T: Array) -> Any:
        """Return the labels by which a validation split is stratified, or None."""
        return None

    def _class_weights(self, y: Any, weights: Array | None, incremental: bool) -> Array | None:
        """Return the sample weights times those of the classes."""
        return weights

    # ---- fit

    def _fit(
        self, X: Any, y: Any, sample_weight: Any = None, incremental: bool = False, validation_data: Any = None,
        callbacks: Any = None,
    ) -> Self:  # fmt: skip
        sizes = sizes_of(self, 1, 1)[1:-1]
        warm = self.warm_start or self.resume
        first_pass = "_coefs" not in self.__dict__ or (not warm and not incremental)
        callbacks = as_callbacks([] if callbacks is None else callbacks)
        self._check_additions(validation_data)
        X, y = self._checked(X, y, incremental, reset=first_pass)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
            if sample_weight.size and sample_weight.min() < 0:
                raise ValueError(
                    f"Negative values in sample_weight: the smallest is {sample_weight.min():g}. A weight says how "
                    "much a row counts, at least 0."
                )
        self.n_outputs_ = self._n_outputs(y)
        self._random_state = random_state(self.random_state)
        net = self._start([X.shape[1], *sizes, self.n_outputs_], X.dtype) if first_pass else self._adopted()
        rows = as_input(X, net.sizes[0], net.dtype, check_finite=False)
        if rows.indptr.size and callbacks:
            rows = rows._replace(indices=rows.indices.copy(), indptr=rows.indptr.copy())
        weights = self._class_weights(y, sample_weight, incremental)
        data = self._data(rows, self._encoded(y, net.dtype), weights, net)
        kernels = backends.kernels()
        const = P.make_const(
            net.plan, l2=self.alpha, dropout=self._dropout_rates(), l2_over_norm=True, clip_norm=self.clip_norm or 0.0,
            loss_parameter=net.loss_parameter or -limit(net.loss, net.dtype),
        )  # fmt: skip
        printed = Printed(net.loss, data.targets.T, data.weights, net.sizes[-1])
        if callbacks:
            self._exposed = True  # a callback may keep the network
        self._frozen = Frozen()
        if self.solver == "lbfgs":
            fit_lbfgs(self, net, data, kernels, const, printed, callbacks)
        else:
            self._fit_stochastic(
                net, data, kernels, const, printed, callbacks, incremental, validation_data, sample_weight
            )
        if not np.isfinite(self._adopted().theta).all():
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
                "preprocessed."
            )
        return self

    def _check_additions(self, validation_data: Any) -> None:
        """Raise ValueError for what only the stochastic solvers do."""
        if self.solver != "lbfgs":
            return
        if validation_data is not None:
            raise ValueError("validation_data needs a stochastic solver; solver='lbfgs' has no epochs.")
        if any(self._dropout_rates()):
            raise ValueError("dropout needs a stochastic solver; solver='lbfgs' minimises one fixed loss.")
        if self.clip_norm is not None:
            raise ValueError("clip_norm needs a stochastic solver; solver='lbfgs' searches along its own lines.")

    def _start(self, sizes: list[int], dtype: Any) -> Network:
        """Begin afresh: a new network with scikit-learn's draws, and no history."""
        self.n_iter_ = self.t_ = 0
        self.n_layers_ = len(sizes)
        self.out_activation_ = self._out_activation()
        net = network_of(self, sizes, dtype)
        draw(self, net, self._random_state)
        self._adopt(net)
        self._exposed = False
        self._best_theta: Array | None = net.theta.copy() if self.early_stopping else None
        if self.solver in STOCHASTIC:
            self.loss_curve_: list[float] = []
            self._no_improvement_count = 0
            self.validation_scores_: list[float] | None = [] if self.early_stopping else None
            self.validation_loss_curve_: list[float] | None = [] if self.early_stopping else None
            self.best_loss_ = None if self.early_stopping else np.inf
            self.best_validation_score_ = -np.inf if self.early_stopping else None
            self.best_validation_loss_ = np.inf if self.early_stopping else None
        return net

    def _data(self, rows: Input, T: Array, weights: Array | None, net: Network) -> engine.Data:
        w = np.empty(0, net.dtype) if weights is None else np.ascontiguousarray(weights, net.dtype)
        return engine.Data(rows, Targets(T, np.empty(0, np.int32), False, False), w)

    def _fit_stochastic(
        self, net: Network, data: engine.Data, kernels: Any, const: Array, printed: Printed, callbacks: Any,
        incremental: bool, validation_data: Any, sample_weight: Array | None,
    ) -> None:  # fmt: skip
        old = self.__dict__.get("_optimizer")
        keeps = isinstance(old, Solver) and (incremental or self.resume) and old.fits(self, net.n_parameters)
        if not keeps:
            self._optimizer = Solver(self, net.n_parameters, net.dtype)
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        rows = validation = None
        if validation_data is not None:
            validation = self._given_validation(validation_data, net)
            self.validation_scores_ = [] if self.validation_scores_ is None else self.validation_scores_
            if self.validation_loss_curve_ is None:
                self.validation_loss_curve_ = []
        elif self.early_stopping:
            rows, held_out = self._split(data)
            validation = self._held_out(data, held_out, sample_weight)
        stochastic.fit_stochastic(
            self, net, data, kernels, const, printed, rows, validation, callbacks, incremental, self._random_state
        )

    def _split(self, data: engine.Data) -> tuple[Array, Array]:
        """Return the rows to train on and those held out, drawn as scikit-learn draws them."""
        train, held_out = train_test_split(
            np.arange(data.X.rows), random_state=self._random_state, test_size=self.validation_fraction,
            stratify=self._stratify(data.targets.T),
        )  # fmt: skip
        if len(held_out) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        return train, held_out

    def _held_out(self, data: engine.Data, rows: Array, sample_weight: Array | None) -> stochastic.Validation:
        """Return copies of the rows held out."""
        X = data.X
        if X.indptr.size:
            counts = X.indptr[rows + 1] - X.indptr[rows]
            indptr = np.concatenate([[0], np.cumsum(counts)]).astype(X.indptr.dtype)
            at = np.arange(indptr[-1]) - np.repeat(indptr[:-1], counts) + np.repeat(X.indptr[rows], counts)
            taken = Input(np.ascontiguousarray(X.data[:, at]), X.indices[at], indptr, len(rows))
        else:
            taken = Input(X.data[rows], X.indices, X.indptr, len(rows))
        targets = data.targets._replace(T=data.targets.T[rows])
        weights = data.weights[rows] if data.weights.size else data.weights
        scored = None if sample_weight is None else sample_weight[rows]
        return stochastic.Validation(engine.Data(taken, targets, weights), scored)

    def _given_validation(self, given: Any, net: Network) -> stochastic.Validation:
        """Return the caller's validation data, checked."""
        if not isinstance(given, Sequence) or len(given) not in (2, 3):
            raise ValueError("validation_data must be (X, y) or (X, y, sample_weight).")
        X, y = self._checked_again(given[0], given[1])
        weight = None if len(given) == 2 or given[2] is None else _check_sample_weight(given[2], X)
        rows = as_input(X, net.sizes[0], net.dtype, check_finite=False)
        return stochastic.Validation(self._data(rows, self._encoded(y, net.dtype), weight, net), weight)

    @abstractmethod
    def _checked_again(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Return validation data, checked against what fit has learned."""

    def _validate(self, validation: stochastic.Validation, kernels: Any) -> tuple[float, float]:
        """Return (score, mean loss without penalty) of the validation data; NaN where an output is not finite."""
        net, (data, weights) = self._network, validation
        assert net is not None
        outputs = np.empty((data.X.rows, net.sizes[-1]), net.dtype)
        engine.predict(net, kernels, data.X, outputs, self._threads(), self._const)
        if not np.isfinite(outputs).all():
            return np.nan, np.nan
        loss = engine.evaluate(net, kernels, data, self._threads())
        printed = Printed(net.loss, data.targets.T, data.weights, net.sizes[-1])
        return self._score_of(data.targets.T, outputs, weights), printed.whole(loss, 0.0)

    def _dropout_rates(self) -> list[float]:
        """Return one rate per hidden layer."""
        hidden = len(sizes_of(self, 1, 1)) - 2
        one = isinstance(self.dropout, Real)
        rates = [float(self.dropout)] * hidden if one else [float(rate) for rate in self.dropout]
        if len(rates) != hidden or not all(0 <= rate < 1 for rate in rates):
            raise ValueError(
                f"dropout must be one rate in [0, 1) or one per hidden layer ({hidden}), got {self.dropout!r}."
            )
        return rates

    def _threads(self) -> int | None:
        """Return the threads asked for, or fewer where joblib has taken the processors; None for the default."""
        return threads_here(self.num_threads)

    def _check_solver(self) -> bool:
        if self.solver not in STOCHASTIC:
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True

    # ---- predict

    def _outputs(self, X: Any) -> Array:
        """Return the outputs for any X that scikit-learn would take, shape (m, n_outputs_)."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        net, dtype = self._current(), np.result_type(X.dtype, np.float32)
        if net.dtype == np.float32 and dtype != np.float32:
            net = self._built("float64")  # float64 in, float64 out, as in scikit-learn
        rows = as_input(X, net.sizes[0], net.dtype, check_finite=False)
        out = np.empty((rows.rows, net.sizes[-1]), net.dtype)
        return engine.predict(net, backends.kernels(), rows, out, self._threads(), self._const_of(net))

    def _const_of(self, net: Network) -> Array | None:
        return self._const if net is self._network else None

    def input_gradient(self, X: Any, output: int | None = None) -> Array:
        """Return the gradient of an output with respect to the input, for each row.

            d output_j / d x_i   (output None: of the sum of all outputs)

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
        output : int or None
            j: the column of the network's output, for a classifier of more than two classes the class's place in
            ``classes_``; a binary classifier has one output, the probability of ``classes_[1]``.

        Returns
        -------
        ndarray, shape (n_samples, n_features)

        Raises
        ------
        ValueError
            If there is no such output, or X does not fit.
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        return self._current().input_gradient(X, output)

    def to_sklearn(self) -> Any:
        """Return scikit-learn's own estimator with the same parameters, history, solver and random state.

        Returns
        -------
        sklearn.neural_network.MLPClassifier or MLPRegressor
            Independent of this one.

        Raises
        ------
        ValueError
            If an activation, loss, solver or schedule is not scikit-learn's.

        Warns
        -----
        UserWarning
            If training used what scikit-learn does not have, such as dropout: predictions are the same without.

        Examples
        --------
        >>> import numpy as np, fastnn
        >>> X, y = np.arange(8.0).reshape(-1, 1), np.arange(8) % 2
        >>> ours = fastnn.MLPClassifier((3,)).partial_fit(X, y, classes=[0, 1])
        >>> type(ours.to_sklearn()).__module__
        'sklearn.neural_network._multilayer_perceptron'
        """
        return to_sklearn(self)

    # ---- scikit-learn's protocol

    @classmethod
    def _get_param_names(cls) -> list[str]:
        """Return the parameters' names; scikit-learn reads the constructor's signature anew each time, 0.1 ms."""
        return list(_defaults_of(cls))

    def _validate_params(self) -> None:
        """Raise what scikit-learn raises for a parameter that is not valid; those left at our own defaults are."""
        written = [one for one in type(self).__mro__ if "__init__" in vars(one)]
        ours = next(one for one in written if one.__module__.startswith(__package__))
        given = {name: getattr(self, name) for name in self._get_param_names()}
        defaults = _defaults_of(ours)
        asked = {name: value for name, value in given.items() if name not in defaults or value is not defaults[name]}
        validate_parameter_constraints(self._parameter_constraints, asked, caller_name=type(self).__name__)

    def __sklearn_tags__(self) -> Any:
        """Return the tags: sparse input is taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether there are parameters."""
        return "_coefs" in self.__dict__

    def __getstate__(self) -> dict[str, Any]:
        """Return the state that pickle, copy and joblib keep."""
        return self._pickled(super().__getstate__())

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Rebuild from `__getstate__`'s result."""
        self._unpickle(state)
