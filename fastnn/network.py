"""The network: build it, train it, ask it, save it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import backends, engine
from .arrays import Array, apart, as_input, as_output, vector
from .checks import truth, whole
from .conversion import Convertible

if TYPE_CHECKING:
    from .callbacks import Callback, History
    from .optimizers import Optimizer, OptimizerState
    from .predictor import Predictor
    from .trainer import Trainer

__all__ = ["Network", "load"]


class Network(Convertible):
    """A dense neural network.

        A0 = X * input_scale,  Z_l = A_(l-1) W_l + b_l,  A_l = f_l(Z_l),  output = A_L

    Parameters
    ----------
    sizes : sequence of int
        Units per layer, the input first: at least two entries, each at least 1.
    output : str
        What the last layer gives: "softmax", "sigmoid", "identity", "exp", or another activation's name.
    activation : str or sequence of str
        Of the hidden layers, one name or one per hidden layer: identity, sigmoid, tanh, relu, leaky_relu, elu,
        softplus, silu, gelu (aliases logistic, linear, swish).
    loss : str, dict or None
        None takes the first that goes with the output (softmax: categorical_cross_entropy; sigmoid:
        binary_cross_entropy, squared_error, absolute_error, huber; identity: squared_error, absolute_error, huber,
        quantile; exp: poisson; others: squared_error, absolute_error, huber).  ``{"huber": delta}`` and
        ``{"quantile": q}`` set the parameter.
    bias : bool
        Whether layers have biases.
    init : None, str, dict, callable, or a sequence of them, one per layer
        None: He's normal for the relu family, else Glorot's uniform.  Names: he_normal, he_uniform, glorot_normal,
        glorot_uniform, lecun_normal, lecun_uniform, orthogonal, zeros.  ``{"normal": std}``, ``{"uniform": bound}``,
        ``{"constant": value}``, each with ``"bias": std`` where biases shall be drawn too (zero otherwise).
        ``callable(rng, n_in, n_out)`` returns W.
    dtype : {"float32", "float64"}
        Of the parameters and of all arithmetic.
    seed : int or None
        Seed of ``numpy.random.default_rng``, which draws W and then b, layer by layer; None draws fresh entropy and
        records it in ``net.seed``.
    input_scale : float
        Factor on every entry of X as it is read, whatever its dtype: 1/255 for images kept as uint8.

    Raises
    ------
    ValueError
        For unknown names (the known are listed, the nearest suggested), sizes below 1, an output and a loss that do not
        go together.
    TypeError
        For sizes that are not whole numbers.
    MemoryError
        For more parameters than the machine's memory holds.

    Examples
    --------
    >>> import numpy as np, fastnn
    >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> y = np.array([0, 1, 1, 0])
    >>> net = fastnn.Network([2, 8, 1], activation="tanh", output="sigmoid", seed=1)
    >>> history = net.fit(X, y, epochs=300, batch_size=None, optimizer=fastnn.Adam(0.05))
    >>> net.classify(X)
    array([0, 1, 1, 0])
    """

    #: History of the last fit, None before it.
    history: History | None = None
    _optimizer_state: OptimizerState | None = None

    # ---- training

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        epochs: int = 10,
        batch_size: int | None = 32,
        optimizer: str | Optimizer | OptimizerState = "adam",
        l2: float | Sequence[float] = 0.0,
        dropout: float | Sequence[float] = 0.0,
        clip_norm: float | None = None,
        validation_data: Sequence[Any] | None = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | str | None = None,
        shuffle: bool = True,
        callbacks: Sequence[Callback] = (),
        progress: bool | None = None,
        backend: str | None = None,
        num_threads: int | None = None,
        seed: int | None = None,
        resume: bool = False,
    ) -> History:
        """Train on X, y by mini-batches.

            minimise  sum_i w_i l(output_i, y_i) / sum_i w_i  +  sum_l l2_l / 2 |W_l|^2   over each batch

        Parameters
        ----------
        X : array-like or sparse matrix, shape (m, n_in)
            float32, float64 and uint8, in any strides or memory-mapped, are read in place; CSR is never made dense, its
            indices are copied.
        y : array-like
            softmax: integer labels (m,) or probabilities (m, n_out).  sigmoid: 0/1 of shape (m,) or (m, 1) for one
            output, a 0/1 matrix (m, n_out) or labels (m,) for more.  Others: (m,) for one output, else (m, n_out).
        epochs : int
            Passes over the data, >= 0.
        batch_size : int or None
            Rows per update; None: all of them.
        optimizer : str, Optimizer or OptimizerState
            "sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop", an instance, or a trainer's ``optimizer`` to go
            on with its state.  A name or an instance starts afresh.
        l2 : float or one per layer
            Penalty l2 / 2 * sum(W^2) on weights, not on biases.
        dropout : float or one per hidden layer
            Share of a hidden layer's outputs dropped while training, in [0, 1).
        clip_norm : float or None
            Longest Euclidean norm of the gradient; longer ones are scaled down.
        validation_data : (X, y) or (X, y, sample_weight), optional
            Evaluated after each epoch.
        sample_weight : array-like, shape (m,), optional
            Not negative.
        class_weight : dict or "balanced", optional
            Weight by label, multiplied into sample_weight.
        shuffle : bool
            Draw a new order every epoch.
        callbacks : sequence of callable
            Called with a `FitState` after each epoch; True stops.
        progress : bool or None
            Show a progress bar; None: on a terminal only.
        backend : str or None
            For this fit only.
        num_threads : int or None
            None: one for small networks, else `get_num_threads`.
        seed : int or None
            For orders and dropout; None continues the network's generator.
        resume : bool
            Go on with the optimiser state of the last fit.

        Returns
        -------
        History
            Also kept as ``net.history``.

        Raises
        ------
        ValueError, TypeError
            For arguments that do not fit; the network is then unchanged.
        DivergenceError
            If the loss or a parameter stops being finite; the parameters are those of that epoch's start.
        """
        from .callbacks import History, as_callbacks
        from .optimizers import OptimizerState

        self.check_writable()
        data = engine.encode(self, X, y, sample_weight, class_weight, own_indices=True)
        validation = None
        if validation_data is not None:
            if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
                raise ValueError("validation_data must be (X, y) or (X, y, sample_weight).")
            weight = validation_data[2] if len(validation_data) == 3 else None
            names = ("X of validation_data", "y of validation_data", "sample_weight of validation_data")
            validation = engine.encode(
                self, validation_data[0], validation_data[1], weight, None, names, own_indices=True
            )
        epochs = whole(epochs, "epochs", 0)
        batch_size = None if batch_size is None else whole(batch_size, "batch_size", 1)
        num_threads = None if num_threads is None else whole(num_threads, "num_threads", 1)
        const = self.const(l2=l2, dropout=dropout, clip_norm=clip_norm)
        callbacks = as_callbacks(callbacks)
        kernels = backends.kernels(backend)
        rng = self.rng if seed is None else np.random.default_rng(whole(seed, "seed"))
        shuffle, resume = truth(shuffle, "shuffle"), truth(resume, "resume")
        if resume and self._optimizer_state is not None and not isinstance(optimizer, OptimizerState):
            state = self._optimizer_state
            settings = state.settings_to_resume(optimizer)
        else:
            state = OptimizerState.of(optimizer, self.n_parameters, self.dtype)
            settings = state.optimizer
        # Raise now, before anything changes, what a schedule of the caller's would raise in the first epoch.
        settings.hyper(state.steps, 1, steps_per_epoch=1, total=state.steps + 1)
        history = History()

        def keep() -> None:
            self._optimizer_state, self.history, self.multilabel = state, history, data.targets.multilabel

        return engine.fit(
            self, data, kernels, const, state, rng, history, epochs=epochs, batch_size=batch_size, shuffle=shuffle,
            callbacks=callbacks, progress=progress, num_threads=num_threads, validation=validation, settings=settings,
            keep=keep,
        )  # fmt: skip

    def trainer(
        self,
        optimizer: str | Optimizer | OptimizerState = "adam",
        l2: float | Sequence[float] = 0.0,
        clip_norm: float | None = None,
        *,
        dropout: float | Sequence[float] = 0.0,
        backend: str | None = None,
        num_threads: int | None = None,
    ) -> Trainer:
        """Return a `Trainer` that updates this network one step at a time; arguments as in `fit`."""
        from .trainer import Trainer

        return Trainer(self, optimizer, l2, clip_norm, dropout=dropout, backend=backend, num_threads=num_threads)

    def _learning_rule(self) -> str:
        if self._optimizer_state is None:
            return super()._learning_rule()
        return f"{self._optimizer_state.optimizer.describe()},  g = d loss / d w by back-propagation"

    # ---- asking

    def predict(
        self, X: Any, *, out: Array | None = None, num_threads: int | None = None, backend: str | None = None
    ) -> Array:
        """Return the outputs: probabilities or values.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (m, n_in)
            m may be 0.  One row is ``x.reshape(1, -1)``; `predictor` takes 1-D rows.
        out : ndarray, shape (m, n_out), the network's dtype, optional
            Written and returned.
        num_threads : int or None
        backend : str or None

        Returns
        -------
        ndarray, shape (m, n_out)
            New, or ``out``.

        Raises
        ------
        ValueError, TypeError
            If X is not 2-D, has other columns, or holds what is no finite number.
        """
        rows = as_input(X, self.sizes[0], self.dtype)
        result = as_output(out, (rows.rows, self.sizes[-1]), self.dtype)
        written = apart(result, rows.data)
        engine.predict(self, backends.kernels(backend), rows, written, num_threads)
        if written is not result:
            result[...] = written
        return result

    def classify(self, X: Any, *, num_threads: int | None = None, backend: str | None = None) -> Array:
        """Return class labels.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (m, n_in)
        num_threads : int or None
        backend : str or None

        Returns
        -------
        ndarray of int64
            Shape (m,): the largest output; for one output, 1 where it is at least 1/2.  Where a sigmoid output of
            several units was last trained on a matrix, whatever its values: (m, n_out), 1 where an output is at least
            1/2.  Untrained it gives the largest output.

        Raises
        ------
        ValueError
            If the output is neither softmax nor sigmoid, or as `predict` raises.
        """
        if self.output not in ("softmax", "sigmoid"):
            raise ValueError(
                f"classify needs output 'softmax' or 'sigmoid'; this network gives {self.output!r}. Use predict."
            )
        outputs = self.predict(X, num_threads=num_threads, backend=backend)
        return (outputs >= 0.5).astype(np.int64) if self.multilabel else engine.as_labels(outputs)

    def evaluate(
        self, X: Any, y: Any, sample_weight: Any = None, *, num_threads: int | None = None, backend: str | None = None
    ) -> dict[str, float]:
        """Return the loss and how good the outputs are.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        num_threads : int or None
        backend : str or None

        Returns
        -------
        dict
            {"loss", "accuracy"} for class targets, {"loss", "mse", "r2"} for real ones.  In a 0/1 matrix a row counts
            as right where every column, rounded at 1/2, is.  "loss" is the weighted mean of
            the data loss, in nats for cross-entropies, without penalty; "mse" is the plain mean squared error.

        Examples
        --------
        >>> import fastnn
        >>> net = fastnn.Network([1, 1], output="sigmoid", init="zeros")
        >>> result = net.evaluate([[0.0], [1.0]], [1, 0])
        >>> round(result["loss"], 4), result["accuracy"]
        (0.6931, 0.5)
        """
        data = engine.encode(self, X, y, sample_weight)
        kernels = backends.kernels(backend)
        outputs = np.empty((data.X.rows, self.sizes[-1]), self.dtype)
        engine.predict(self, kernels, data.X, outputs, num_threads)
        return {
            "loss": engine.evaluate(self, kernels, data, num_threads),
            **engine.metrics(self, data, outputs),
        }

    def forward(self, X: Any) -> list[Array]:
        """Return every layer's output [A1, ..., AL] for X, each (m, n_l); AL is what `predict` gives.

        Hidden layers are kept whole, which `predict` never does: mind the memory for many rows.
        """
        rows = as_input(X, self.sizes[0], self.dtype)
        return engine.forward(self, backends.kernels(), rows)

    def predictor(self, *, backend: str | None = None, num_threads: int | None = None) -> Predictor:
        """Return a frozen, thread-safe snapshot of this network as a function: see `Predictor`."""
        from .predictor import Predictor

        return Predictor(self, backend=backend, num_threads=num_threads)

    # ---- files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a .safetensors file, whole or not at all.

        The configuration is in the file's metadata as JSON, with a format version; the tensors are W1, b1, W2, ...
        The state of the random generator goes along (of NumPy's default kind), so that a fit draws what it would have.
        The optimiser's state is not kept; pickle a `Trainer` for that.

        Raises
        ------
        OSError
            If the file cannot be written; an older file of that name is then still whole.
        ValueError
            If a parameter is not finite, as `load` would refuse it.
        """
        vector(self.theta, "theta", self.n_parameters, self.dtype)
        tensors: dict[str, Array] = {}
        for layer, (W, b) in enumerate(zip(self.weights, self.biases, strict=True), start=1):
            tensors[f"W{layer}"] = W
            if self.bias:
                tensors[f"b{layer}"] = b
        from . import io

        io.write(path, self.config(), tensors, self.rng)


def load(path: str | os.PathLike[str]) -> Network:
    """Read a network from a file that `Network.save` wrote.

    Nothing is unpickled, and nothing in the file is trusted: sizes, names, shapes and values are all checked.

    Raises
    ------
    ModelFileError
        If the file is not such a file, is truncated or damaged, or comes from a newer format version.
    FileNotFoundError, PermissionError
        If it cannot be opened.

    Examples
    --------
    >>> import os, tempfile, fastnn
    >>> net = fastnn.Network([2, 2], output="softmax", seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "net.safetensors")
    ...     net.save(path)
    ...     bool((fastnn.load(path).theta == net.theta).all())
    True
    """
    from . import io

    return io.read(path, Network)
