"""The stochastic solvers' loop: epochs, early stopping, validation, callbacks, in scikit-learn's order and words.

Python draws the orders and decides when to stop; `engine.Run` trains an epoch's batches in slices, so that Ctrl-C, a
time limit and callbacks are heard within about 50 ms.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple, NoReturn

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .. import engine
from ..arrays import Array
from ..callbacks import Callback, FitState, History, TimeLimit
from ..shuffling import shuffler
from .printed import Printed

__all__ = ["Validation", "fit_stochastic"]


class Validation(NamedTuple):
    """Held-out rows: as the kernels take them, and the weights that a score counts them by (None: all the same)."""

    data: engine.Data
    score_weight: Array | None


class Diverged(ArithmeticError):
    """The loss stopped being finite."""


class Epochs(engine.Run):
    """A fit's buffers; orders and hyperparameters come from the estimator."""

    def begin(self, order: Array, hyper: Array) -> None:
        """Lay out an epoch."""
        self.order, self.hyper = order, hyper
        self.done, self.seconds = 0, 0.0

    def _diverged(self, state: FitState, what: str) -> NoReturn:
        raise Diverged(what)


def fit_stochastic(
    est: Any, net: Any, data: engine.Data, kernels: Any, const: Array, printed: Printed, rows: Array | None,
    validation: Validation | None, callbacks: list[Callback], incremental: bool, rng: np.random.RandomState,
) -> None:  # fmt: skip
    """Train until something says stop; write theta and scikit-learn's fitted attributes.

    ``rows`` are the rows of the data to train on, None for all of them.
    """
    solver = est._optimizer
    order = np.arange(data.X.rows, dtype=np.int64) if rows is None else np.array(rows, np.int64)
    n = len(order)
    batch = batch_size(est.batch_size, n)
    epochs = 1 if incremental else est.max_iter
    run = Epochs(net, data, kernels, const, solver, net.rng, epochs, batch, est._threads(), rows=n)
    if any(est._dropout_rates()):
        run.key = int(rng.randint(2**31)) << 31 | int(rng.randint(2**31))
    if est.time_limit is not None:
        callbacks = [*callbacks, TimeLimit(est.time_limit)]
    shuffle = shuffler(rng, kernels)
    records = ["loss", "data_loss", *(("val_loss", est._score_name) if validation is not None else ())]
    state = FitState(0, net, History(), solver, validates=validation is not None, records=tuple(records))
    engine.tell(callbacks, "begin", state)
    est.n_iter_ = 0
    watch = Watch(est, validation, state)
    diverged = False
    stopper: str | None = None
    try:
        with engine.progress_bar(est.verbose == "bar", epochs * run.batches) as bar:
            for _ in range(epochs):
                if est.shuffle:
                    shuffle(order)
                run.begin(order, solver.hyper(run.batches, run.batches, run.last_step))
                try:
                    if not diverged:
                        stopper = run.train_epoch(state, callbacks, bar)
                except Diverged:
                    # scikit-learn goes on with NaN to the last epoch, and then refuses the parameters
                    diverged = True
                    net.theta[...] = np.nan
                watch.end_epoch(run, printed, diverged, kernels)
                if bar is not None:
                    bar.set_postfix(loss=f"{est.loss_:.4g}", refresh=False)
                stopped = watch.nothing_improves(solver)
                for callback in callbacks:
                    if callback(state) and stopper is None:
                        stopper = getattr(callback, "__name__", type(callback).__name__)
                if stopped or incremental:
                    break
                if stopper is not None:
                    if stopper == TimeLimit.__name__:
                        warn(
                            f"Stochastic Optimizer: time_limit={est.time_limit:g} s reached in iteration {est.n_iter_} "
                            "and the optimization hasn't converged yet.",
                            ConvergenceWarning,
                        )
                    break
                if est.n_iter_ == est.max_iter:
                    warn(
                        f"Stochastic Optimizer: Maximum iterations ({est.max_iter}) reached and the optimization "
                        "hasn't converged yet.",
                        ConvergenceWarning,
                    )
    except KeyboardInterrupt:
        warn("Training interrupted by user.", UserWarning)
    if est.early_stopping and est._best_theta is not None:
        net.theta[...] = est._best_theta
        est._best_theta = None  # scikit-learn's best and current weights are one array from here on
    engine.tell(callbacks, "end", state)


def warn(message: str, category: type[Warning]) -> None:
    """Warn in the name of scikit-learn's module, so that the filters people have for it hold here too."""
    warnings.warn_explicit(
        message, category, __file__, warn.__code__.co_firstlineno, "sklearn.neural_network._multilayer_perceptron",
        _told,
    )  # fmt: skip


_told: dict[Any, int] = {}  # what has been warned of; kept by the warnings module


def batch_size(asked: Any, n: int) -> int:
    """Return the rows of a batch; warn where more are asked for than there are."""
    if isinstance(asked, str):
        return min(200, n)
    if asked > n:
        warn("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", UserWarning)
    return int(min(asked, n))


class Watch:
    """What an epoch's end writes down, and what it says about going on."""

    def __init__(self, est: Any, validation: Validation | None, state: FitState) -> None:
        self.est, self.validation, self.state = est, validation, state

    def end_epoch(self, run: Epochs, printed: Printed, diverged: bool, kernels: Any) -> None:
        """Write loss, time, validation score and loss of the epoch that ended."""
        est, history = self.est, self.state.history
        est.n_iter_ += 1
        self.state.epoch += 1
        starts = run.starts[: run.done + 1]
        loss, data_loss = (np.nan, np.nan) if diverged else printed.epoch(run.losses[: run.done], run.order, starts)
        est.loss_ = loss
        est.t_ += len(run.order)
        est.loss_curve_.append(loss)
        history.loss.append(loss)
        history.data_loss.append(data_loss)
        history.seconds.append(run.seconds)
        if est.verbose and est.verbose != "bar":
            print(f"Iteration {est.n_iter_}, loss = {loss:.8f}")
        if self.validation is None:
            return
        score, loss = est._validate(self.validation, kernels)
        est.validation_scores_.append(score)
        est.validation_loss_curve_.append(loss)
        history.val_loss.append(loss)
        history.metrics.setdefault(est._score_name, []).append(score)
        if est.verbose and est.verbose != "bar":
            print(f"Validation score: {score:f}")

    def nothing_improves(self, solver: Any) -> bool:
        """Count epochs without improvement, keep the best weights, and return whether training ends."""
        est = self.est
        if est.early_stopping:
            better, good_enough = self._early_stopping()
        else:
            loss = est.loss_curve_[-1]
            good_enough = not loss > est.best_loss_ - est.tol
            better = loss < est.best_loss_
            est.best_loss_ = loss if better else est.best_loss_
        est._no_improvement_count = 0 if good_enough else est._no_improvement_count + 1
        solver.iteration_ends(est.t_)
        if not est._no_improvement_count > est.n_iter_no_change:
            return False
        what = "Training loss"
        if est.early_stopping:
            what = f"Validation {est.monitor}"
        message = f"{what} did not improve more than tol={est.tol:f} for {est.n_iter_no_change} consecutive epochs."
        if solver.trigger_stopping(message, est.verbose):
            return True
        est._no_improvement_count = 0
        return False

    def _early_stopping(self) -> tuple[bool, bool]:
        """Return (whether this is the best epoch, whether it counts as an improvement)."""
        est = self.est
        score, loss = est.validation_scores_[-1], est.validation_loss_curve_[-1]
        if est.monitor == "loss":
            good_enough = not loss > est.best_validation_loss_ - est.tol
            better = loss < est.best_validation_loss_
        else:
            good_enough = not score < est.best_validation_score_ + est.tol
            better = score > est.best_validation_score_
        if better:
            est._best_theta = self.state.network.theta.copy()
            est.best_validation_score_ = score
            est.best_validation_loss_ = loss
        return better, good_enough
