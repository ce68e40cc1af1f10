"""The engine: from checked data to kernel calls.

`encode` brings X, y and weights through the door; `fit` allocates once and calls ``train`` on slices of an epoch's
batches; the other functions are one kernel call each, with its buffers.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from fastnn.kernels.plan import ACT, DROPOUT, make_plan

from .arrays import Array, Input, aligned, as_class_weights, as_input, as_weights
from .backends import threads_for
from .errors import DivergenceError, require
from .model import Model
from .targets import Targets, as_targets

if TYPE_CHECKING:
    from fastnn.kernels.table import Kernels

    from .callbacks import Callback, FitState, History
    from .optimizers import Optimizer, OptimizerState

__all__ = ["Data", "Run", "backward", "encode", "evaluate", "fit", "forward", "gradient", "metrics", "predict"]

CALL_FLOPS = 2e8  # in one call of predict or evaluate, so that Ctrl-C is heard: 50 ms at 4 GFLOP/s
SLICE_SECONDS = 0.05  # of training between two looks at Ctrl-C, time limits and the progress bar
# The first slice, when the speed is not known yet: at most so many floating-point operations (10 ms at 1 GFLOP/s), and
# at most so many batches (the NumPy backend takes about 0.1 ms for the smallest).
FIRST_SLICE_FLOPS, FIRST_SLICE_BATCHES = 1e7, 100


class Data(NamedTuple):
    """Rows as the kernels take them."""

    X: Input
    targets: Targets
    weights: Array

    @property
    def total_weight(self) -> float:
        """Sum of the weights; the number of rows where there are none."""
        return float(self.weights.sum(dtype=np.float64)) if self.weights.size else float(self.X.rows)


def encode(
    model: Model,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    class_weight: Any = None,
    names: tuple[str, str, str] = ("X", "y", "sample_weight"),
    *,
    own_indices: bool = False,
) -> Data:
    """Check X, y and weights against a model and return them as the kernels take them.

    ``own_indices`` copies the indices of a sparse X: what is checked once and used while callbacks run must not be
    changed by them, for kernels follow it without looking.
    """
    rows = as_input(X, model.sizes[0], model.dtype, names[0])
    if own_indices and rows.indptr.size:
        rows = rows._replace(indices=rows.indices.copy(), indptr=rows.indptr.copy())
    if rows.rows == 0:
        raise ValueError(f"{names[0]} is empty: it has no rows.")
    targets = as_targets(y, rows.rows, model.sizes[-1], model.output, model.domain, model.dtype, names[1])
    weights = as_weights(sample_weight, rows.rows, model.dtype, names[2])
    if class_weight is not None:
        if not targets.labels.size:
            raise ValueError(f"class_weight needs class labels; {names[1]} has none for output {model.output!r}.")
        weights = as_class_weights(
            class_weight, targets.labels, weights, max(2, model.sizes[-1]), model.dtype
        )
        if not weights.any():
            raise ValueError("class_weight leaves every row with weight zero; give a class that is present a weight.")
    return Data(rows, targets, weights)


def _work(kernels: Kernels, program: str, model: Model, rows: int, threads: int) -> Array:
    return aligned(kernels.work_size(program, model.plan, rows, threads), model.dtype)


def _spans(model: Model, rows: int) -> Iterator[slice]:
    """Yield the rows of one call after the other; cut by shape alone, so that the sums are always the same."""
    step = max(256, int(CALL_FLOPS / (2 * model.n_parameters)))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def rows_of(X: Input, span: slice) -> Input:
    """Return a span of the rows of an input, as views."""
    rows = span.stop - span.start
    if X.indptr.size:
        return Input(X.data, X.indices, X.indptr[span.start : span.stop + 1], rows)
    return Input(X.data[span], X.indices, X.indptr, rows)


def predict(
    model: Model, kernels: Kernels, X: Input, out: Array, num_threads: int | None, const: Array | None = None
) -> Array:
    """Write the outputs for X to out and return it; ``const`` is the model's, where the caller keeps it."""
    const = model.const() if const is None else const
    packed = _packed(kernels, model.plan, model.theta)
    threads_for(0, num_threads)  # refuses a wrong number where there is no row, too
    for span in _spans(model, X.rows):
        _predict(kernels, model.plan, const, packed, rows_of(X, span), out[span], num_threads)
    return out


def _packed(kernels: Kernels, plan: Array, theta: Array) -> Array:
    """Return the weights as the backend's predict wants them."""
    size = kernels.packed_size(plan)
    if not size:
        return theta
    packed = aligned(size, theta.dtype)
    kernels.pack(plan, theta, packed)
    return packed


def _predict(
    kernels: Kernels, plan: Array, const: Array, packed: Array, X: Input, out: Array, num_threads: int | None
) -> None:
    threads = threads_for(2.0 * packed.size * X.rows, num_threads)
    work = aligned(kernels.work_size("predict", plan, X.rows, threads), packed.dtype)
    kernels.predict(plan, const, packed, *X[:3], work, out, threads)


def forward(model: Model, kernels: Kernels, X: Input) -> list[Array]:
    """Return the outputs of all layers, the link applied to the last."""
    outputs: list[Array] = []
    plan, threads = model.plan, threads_for(2.0 * model.n_parameters * X.rows, None)
    empty = np.empty((0, 0), model.dtype)
    for layer, (W, b) in enumerate(zip(model.weights, model.biases, strict=True), start=1):
        Y = np.empty((X.rows, W.shape[1]), model.dtype)
        act = int(plan[layer, ACT])
        if layer == 1:  # X may be sparse, uint8 or scaled, which only a program knows how to read
            first = make_plan(model.sizes[:2], [act], 0, model.bias)
            packed = _packed(kernels, first, model.theta[: W.size + b.size])
            _predict(kernels, first, model.const()[:2], packed, X, Y, threads)
        else:
            kernels.dense_forward(outputs[-1], W, b, act, Y, empty, threads)
        outputs.append(Y)
    kernels.link(model.link, outputs[-1], outputs[-1])
    return outputs


def evaluate(model: Model, kernels: Kernels, data: Data, num_threads: int | None) -> float:
    """Return the weighted mean of the data loss."""
    const, loss = model.const(), 0.0
    for span in _spans(model, data.X.rows):
        X, weights = rows_of(data.X, span), data.weights[span] if data.weights.size else data.weights
        threads = threads_for(2.0 * model.n_parameters * X.rows, num_threads)
        loss += kernels.evaluate(
            model.plan, const, model.loss_code, model.theta, *X[:3], data.targets.T[span], weights, data.total_weight,
            _work(kernels, "evaluate", model, X.rows, threads), threads,
        )  # fmt: skip
    return loss


def gradient(
    model: Model, kernels: Kernels, data: Data, theta: Array, const: Array, num_threads: int | None
) -> tuple[float, Array]:
    """Return (loss with penalty, fresh gradient) at theta."""
    threads = threads_for(6.0 * model.n_parameters * data.X.rows, num_threads)
    work = _work(kernels, "gradient", model, data.X.rows, threads)
    grad, parts = aligned(model.n_parameters, model.dtype), np.empty(2)
    loss = kernels.gradient(
        model.plan, const, model.loss_code, theta, *data.X[:3], data.targets.T, data.weights, data.total_weight, 0, 0,
        grad, work, parts, threads,
    )  # fmt: skip
    return loss, grad


def backward(
    model: Model, kernels: Kernels, X: Input, dY: Array, grad: Array, dX: Array, num_threads: int | None
) -> None:
    """Write the gradients of the caller's loss to grad and dX, each where not empty."""
    threads = threads_for(6.0 * model.n_parameters * X.rows, num_threads)
    work = _work(kernels, "backward", model, X.rows, threads)
    kernels.backward(model.plan, model.const(), model.theta, *X[:3], dY, grad, dX, work, threads)


def metrics(model: Model, data: Data, outputs: Array) -> dict[str, float]:
    """Return {"accuracy"} for class targets, else {"mse", "r2"}; weighted by the rows' weights.

    accuracy is the share of rows that `classify` gets right, for a 0/1 matrix of rows right in every column.
    mse is the mean over rows and outputs; r2 = 1 - residual / total sum of squares, averaged over outputs; an output
    whose target is constant counts 1 where it is met exactly, else 0 (scikit-learn's convention).
    """
    T, weights = data.targets.T, data.weights if data.weights.size else None
    if data.targets.binary_rows:
        right = ((outputs >= 0.5) == (T >= 0.5)).all(axis=1)
        return {"accuracy": float(np.average(right, weights=weights))}
    if data.targets.labels.size:
        right = as_labels(outputs) == data.targets.labels
        return {"accuracy": float(np.average(right, weights=weights))}
    T = T.astype(np.float64)
    squares = np.average(np.square(outputs - T), axis=0, weights=weights)
    spread = np.average(np.square(T - np.average(T, axis=0, weights=weights)), axis=0, weights=weights)
    r2 = np.where(spread > 0, 1 - squares / np.where(spread > 0, spread, 1), np.where(squares > 0, 0.0, 1.0))
    return {"mse": float(squares.mean()), "r2": float(r2.mean())}


def metric_names(data: Data) -> tuple[str, ...]:
    """Return the names under which `metrics` of validation data are recorded."""
    classes = data.targets.binary_rows or data.targets.labels.size
    return ("val_accuracy",) if classes else ("val_mse", "val_r2")


def as_labels(outputs: Array) -> Array:
    """Return the class of each row: the largest output, or for one output whether it is at least one half."""
    if outputs.shape[1] == 1:
        return (outputs[:, 0] >= 0.5).astype(np.int64)
    return np.asarray(outputs.argmax(axis=1), np.int64)


def fit(
    model: Model,
    data: Data,
    kernels: Kernels,
    const: Array,
    optimizer: OptimizerState,
    rng: np.random.Generator,
    history: History,
    *,
    epochs: int,
    batch_size: int | None,
    shuffle: bool,
    callbacks: Sequence[Callback],
    progress: bool | None,
    num_threads: int | None,
    validation: Data | None,
    settings: Optimizer,
    keep: Callable[[], None],
) -> History:
    """Train a model in place.

    All arguments have been checked.  ``history`` is filled as epochs end, so it holds the finished ones whatever
    happens.  ``settings`` are what the optimiser goes on with.  ``keep`` is called when the fit has begun and when it
    ends: what a callback's ``begin`` refuses has changed nothing.

    Raises
    ------
    DivergenceError
        At a loss or parameter that is not finite; theta, slots and steps are then those of the epoch's start.
    """
    from .callbacks import FitState

    earlier, optimizer.optimizer = optimizer.optimizer, settings
    try:
        run = Run(model, data, kernels, const, optimizer, rng, epochs, batch_size, num_threads)
        records = ("loss", "data_loss", *(() if validation is None else (*metric_names(validation), "val_loss")))
        state = FitState(0, model, history, optimizer, validates=validation is not None, records=records)
        tell(callbacks, "begin", state)
    except BaseException:
        optimizer.optimizer = earlier
        raise
    keep()
    try:
        _train(run, state, epochs, shuffle, callbacks, progress, validation, num_threads)
    finally:
        keep()  # again: a callback may have called fit
    return history


def _train(
    run: Run, state: FitState, epochs: int, shuffle: bool, callbacks: Sequence[Callback], progress: bool | None,
    validation: Data | None, num_threads: int | None,
) -> None:  # fmt: skip
    history = state.history
    stopper: str | None = None
    run.draw_key()
    with progress_bar(progress, epochs * run.batches) as bar:
        for _ in range(epochs):
            run.start_epoch(shuffle)
            stopper = run.train_epoch(state, callbacks, bar)
            run.end_epoch(state)
            if validation is not None:
                _validate(run.model, run.kernels, validation, history, num_threads)
            if bar is not None:
                shown = {"loss": history.loss[-1], **({"val": history.val_loss[-1]} if history.val_loss else {})}
                bar.set_postfix({name: f"{value:.4g}" for name, value in shown.items()}, refresh=False)
            for callback in callbacks:
                if callback(state) and stopper is None:
                    stopper = type(callback).__name__ if not hasattr(callback, "__name__") else callback.__name__
            if stopper is not None:
                history.stopped_by = stopper
                break
    tell(callbacks, "end", state)


class Run:
    """The buffers and counters of one fit.

    ``rows`` is how many rows an epoch takes, where it is not all of them: the order then names them.
    """

    def __init__(
        self, model: Model, data: Data, kernels: Kernels, const: Array, optimizer: OptimizerState,
        rng: np.random.Generator, epochs: int, batch_size: int | None, num_threads: int | None,
        rows: int | None = None,
    ) -> None:  # fmt: skip
        rows = data.X.rows if rows is None else rows
        batch = rows if batch_size is None else min(batch_size, rows)
        self.model, self.data, self.kernels, self.const = model, data, kernels, const
        self.optimizer, self.rng = optimizer, rng
        self.flops = 6.0 * model.n_parameters * batch
        self.threads = threads_for(self.flops, num_threads)
        self.starts = np.append(np.arange(0, rows, batch), rows).astype(np.int64)
        self.batches = len(self.starts) - 1
        self.order = np.arange(rows, dtype=np.int64)
        self.losses = np.empty((self.batches, 2))
        self.work = _work(kernels, "train", model, batch, self.threads)
        self.grad = aligned(model.n_parameters, model.dtype)
        self.key = 0
        self.last_step = optimizer.steps + epochs * self.batches
        self.slice = int(min(max(FIRST_SLICE_FLOPS / self.flops, 1), FIRST_SLICE_BATCHES, self.batches))

    def draw_key(self) -> None:
        """Draw the key of the dropout masks, where there are any."""
        if self.const[:, DROPOUT][1:].any():
            self.key = int(self.rng.integers(2**63))

    def start_epoch(self, shuffle: bool) -> None:
        """Draw the order, lay out the hyperparameters, and remember where the epoch starts."""
        if shuffle:
            from .shuffling import permutation  # a room, and ctypes, that importing fastnn need not wait for

            self.order = permutation(self.rng, len(self.order), self.kernels)
        first = self.optimizer.steps
        self.hyper = self.optimizer.optimizer.hyper(
            first, self.batches, steps_per_epoch=self.batches, total=self.last_step
        )
        self.before = self.model.theta.copy(), self.optimizer.slots.copy(), first
        self.done, self.seconds = 0, 0.0

    def train_epoch(self, state: FitState, callbacks: Sequence[Callback], bar: Any) -> str | None:
        """Train the epoch's batches slice by slice; return the name of what stopped it before its end, or None."""
        watchers = [callback for callback in callbacks if hasattr(callback, "between_slices")]
        while self.done < self.batches:
            finished = self._train_slice(state)
            if bar is not None:
                bar.update(finished)
            if self.done < self.batches:
                for watcher in watchers:
                    if watcher.between_slices(state):
                        return type(watcher).__name__
        return None

    def _train_slice(self, state: FitState) -> int:
        i, j = self.done, min(self.done + self.slice, self.batches)
        model, optimizer = self.model, self.optimizer
        began = time.perf_counter()
        self.losses[i:j] = np.nan
        try:
            finished: int = self.kernels.train(
                model.plan, self.const, model.loss_code, optimizer.rule, self.hyper[i:j], optimizer.steps, model.theta,
                self.grad, optimizer.slots, *self.data.X[:3], self.data.targets.T, self.data.weights, self.order,
                self.starts[i : j + 1], self.key, self.work, self.losses[i:j], self.threads,
            )  # fmt: skip
        except KeyboardInterrupt:  # Python delivers it when train returns, before its result is assigned
            optimizer.steps += int(np.isfinite(self.losses[i:j]).all(axis=1).sum())
            raise
        seconds = time.perf_counter() - began
        optimizer.steps += finished
        self.done += finished
        self.seconds += seconds
        if finished < j - i:
            value = self.losses[self.done].sum()
            self._diverged(state, f"the loss became {value:g} in batch {self.done + 1} of {self.batches}")
        wanted = self.slice * SLICE_SECONDS / max(seconds, 1e-9)
        self.slice = int(min(max(wanted, 1, self.slice / 4), 4 * self.slice, self.batches))
        return finished

    def end_epoch(self, state: FitState) -> None:
        """Check the parameters and write the epoch into the history."""
        if not np.isfinite(self.model.theta).all():
            self._diverged(state, "a parameter stopped being finite")
        state.epoch += 1
        batch_weights = self._batch_weights()[: self.done]
        total = float(batch_weights.sum()) or 1.0
        data_loss, penalty = (batch_weights @ self.losses[: self.done]) / total
        state.history.loss.append(float(data_loss + penalty))
        state.history.data_loss.append(float(data_loss))
        state.history.seconds.append(self.seconds)

    def _batch_weights(self) -> Array:
        if not self.data.weights.size:
            return np.diff(self.starts).astype(np.float64)
        return np.add.reduceat(self.data.weights[self.order].astype(np.float64), self.starts[:-1])

    def _diverged(self, state: FitState, what: str) -> NoReturn:
        theta, slots, steps = self.before
        self.model.theta[...] = theta
        self.optimizer.slots[...] = slots
        self.optimizer.steps = steps
        rate = self.hyper[min(self.done, self.batches - 1), 0]
        raise DivergenceError(
            f"epoch {state.epoch + 1}: {what}. The parameters are those of this epoch's start. "
            f"Try a smaller learning rate (it was {rate:g}), clip_norm=1.0, or standardised inputs."
        )


def _validate(
    model: Model, kernels: Kernels, validation: Data, history: History, num_threads: int | None
) -> None:
    history.val_loss.append(evaluate(model, kernels, validation, num_threads))
    outputs = np.empty((validation.X.rows, model.sizes[-1]), model.dtype)
    predict(model, kernels, validation.X, outputs, num_threads)
    for name, value in metrics(model, validation, outputs).items():
        history.metrics.setdefault(f"val_{name}", []).append(value)


def tell(callbacks: Sequence[Callback], what: str, state: FitState) -> None:
    """Call the ``begin`` or ``end`` of those callbacks that have one."""
    for callback in callbacks:
        if hasattr(callback, what):
            getattr(callback, what)(state)


@contextmanager
def progress_bar(progress: bool | None, total: int) -> Iterator[Any]:
    """Yield a progress bar over all batches, or None; by default it shows on a terminal only."""
    if progress is None:
        progress = sys.stderr is not None and sys.stderr.isatty()
    if not progress:
        yield None
        return
    tqdm = require("tqdm", "all", "A progress bar").tqdm
    with tqdm(total=total, unit="batch", leave=True) as bar:
        yield bar
