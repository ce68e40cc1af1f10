"""The lbfgs solver: SciPy's L-BFGS-B over the compiled loss and gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize
from sklearn.utils.optimize import _check_optimize_result

from .. import engine
from ..arrays import Array, aligned
from ..backends import threads_for
from ..callbacks import Callback, FitState, History
from .printed import Printed

try:  # what SciPy's lbfgs still understands by way of printing depends on its version, and scikit-learn knows
    from sklearn.utils.fixes import _get_additional_lbfgs_options_dict as printing_options
except ImportError:  # pragma: no cover

    def printing_options(key: str, value: int) -> dict[str, int]:
        """Return the option as it is."""
        return {key: value}


__all__ = ["fit_lbfgs"]


class LossAndGradient:
    """The loss over all rows and its gradient, as SciPy asks for them; buffers are made once."""

    def __init__(self, net: Any, data: engine.Data, kernels: Any, const: Array, num_threads: int | None) -> None:
        rows = data.X.rows
        self.threads = threads_for(6.0 * net.n_parameters * rows, num_threads)
        self.net, self.data, self.kernels, self.const = net, data, kernels, const
        self.theta, self.grad = aligned(net.n_parameters, net.dtype), aligned(net.n_parameters, net.dtype)
        self.work = aligned(kernels.work_size("gradient", net.plan, rows, self.threads), net.dtype)
        self.parts, self.norm = np.empty(2), data.total_weight

    def __call__(self, theta: Array) -> tuple[float, Array]:
        """Return (loss, fresh gradient); ``parts`` then holds data loss and penalty."""
        self.theta[...] = theta
        data, net = self.data, self.net
        loss = self.kernels.gradient(
            net.plan, self.const, net.loss_code, self.theta, *data.X[:3], data.targets.T, data.weights, self.norm, 0, 0,
            self.grad, self.work, self.parts, self.threads,
        )  # fmt: skip
        return loss, self.grad.astype(np.float64)


def fit_lbfgs(
    est: Any, net: Any, data: engine.Data, kernels: Any, const: Array, printed: Printed, callbacks: list[Callback]
) -> None:
    """Minimise the loss over all rows; write theta, ``n_iter_`` and ``loss_``.

    SciPy works in float64 and the kernels in X's dtype; the parameters found are kept in float64 (all as in
    scikit-learn).  What SciPy sees is the loss that is differentiated; ``loss_`` is the number that scikit-learn
    prints, which for several outputs of squared error is another one.
    """
    evaluate = LossAndGradient(net, data, kernels, const, est._threads())
    constant = printed.constant()

    def loss_and_gradient(theta: Array) -> tuple[float, Array]:
        loss, gradient = evaluate(theta)
        return loss + constant, gradient

    no_optimizer: Any = None
    state = FitState(0, net, History(), no_optimizer, records=("loss", "data_loss"))
    stopped: list[str] = []

    def after_iteration(intermediate_result: Any) -> None:
        net.theta[...] = intermediate_result.x
        state.epoch += 1
        state.history.loss.append(float(intermediate_result.fun))
        state.history.data_loss.append(float(intermediate_result.fun) - float(evaluate.parts[1]))
        stopped.extend(type(callback).__name__ for callback in callbacks if callback(state))
        if stopped:
            raise StopIteration

    engine.tell(callbacks, "begin", state)
    result = minimize(
        loss_and_gradient, net.theta.astype(np.float64), method="L-BFGS-B", jac=True,
        callback=after_iteration if callbacks else None,
        options={
            "maxfun": est.max_fun, "maxiter": est.max_iter, "gtol": est.tol,
            **printing_options("iprint", 1 if est.verbose else -1),
        },
    )  # fmt: skip
    est.n_iter_ = min(result.nit, est.max_iter) if stopped else _check_optimize_result("lbfgs", result, est.max_iter)
    est.loss_ = float(result.fun)
    if printed.divisor != 1:
        evaluate(result.x)
        est.loss_ = printed.whole(*evaluate.parts)
    if net.dtype != np.float64:
        est._adopt(est._built("float64"))
        state.network = net = est._adopted()
    net.theta[...] = result.x
    engine.tell(callbacks, "end", state)
