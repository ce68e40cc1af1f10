"""The elementwise kernels: how each is called on a backend, timed inside C, and done by NumPy and PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn.kernels import activations, elementary, losses, plan, updates
from fastnn.kernels.table import Kernels

from .shapes import Work

NUMPY: dict[str, Callable[[Any, Any], Any]] = {
    "exp": lambda x, y: np.exp(x, out=y),
    "expm1": lambda x, y: np.expm1(x, out=y),
    "log": lambda x, y: np.log(x, out=y),
    "log1p": lambda x, y: np.log1p(x, out=y),
    "tanh": lambda x, y: np.tanh(x, out=y),
    "sigmoid": lambda x, y: 1 / (1 + np.exp(-x)),
    "relu": lambda x, y: np.maximum(x, 0, out=y),
}
HYPER = np.zeros(updates.N_HYPER)
HYPER[[updates.LR, updates.FIRST, updates.SECOND, updates.EPSILON]] = 1e-4, 0.9, 0.999, 1e-8
LOSS_PARAMETER = 0.5  # Huber's delta, the quantile


def function_codes() -> dict[str, int]:
    """Return the elementary functions that backends offer, by name."""
    return {function.name: function.code for function in elementary.FUNCTIONS}


def input_of(work: Work, rng: np.random.Generator) -> np.ndarray:
    """Return numbers in the domain of a function, most of them where it is steep."""
    x = rng.standard_normal(work.shape).astype(work.dtype) * 2
    return np.abs(x) + np.asarray(1e-3, work.dtype) if work.kernel in ("log", "log1p") else x


#: PyTorch's name for each, and whether it takes an output that is there already.
TORCH = {"exp": True, "expm1": True, "log": True, "log1p": True, "erf": True, "tanh": True, "sigmoid": True,
         "relu": False, "leaky_relu": False, "elu": False, "softplus": False, "silu": False, "gelu": False}  # fmt: skip


def torch_of(work: Work, x: np.ndarray) -> tuple[Callable[[], Any], Callable[[], None]]:
    """Return PyTorch's function, over an output that is there already where it takes one, and what limits its threads.

    Raises
    ------
    ImportError
        If PyTorch is not installed.
    """
    import torch

    source = torch.from_numpy(x)
    out = torch.empty_like(source)
    if TORCH[work.kernel]:
        function = getattr(torch, work.kernel)
        return lambda: function(source, out=out).numpy(), lambda: torch.set_num_threads(1)
    function = getattr(torch.nn.functional, work.kernel)
    return lambda: function(source).numpy(), lambda: torch.set_num_threads(1)


class Elements:
    """The arrays of one elementwise kernel and the ways to run it.

    ``on(kernels)`` returns the call on a backend, ``in_c`` a (time_..., arguments) pair, ``restore`` what to do before
    a sample (or None).
    """

    def __init__(self, work: Work) -> None:
        rng = np.random.default_rng(0)
        self.work, self.restore = work, None
        kind, _, name = work.kernel.partition(" ")
        self.x = input_of(work, rng)
        self.y = np.empty_like(self.x)
        if kind == "dot":
            self._dot(rng)
        elif kind == "loss":
            self._loss(losses.BY_NAME[name], rng)
        elif kind == "update":
            self._update(updates.BY_NAME[name], rng)
        elif kind == "softmax":
            self._map("link", losses.LINK_BY_NAME["softmax"].code)
        elif name == "gradient":
            self._gradient(activations.BY_NAME[kind], rng)
        elif kind in activations.BY_NAME:
            self._map("activation", activations.BY_NAME[kind].code)
        else:
            self._map("elementary", function_codes()[kind])

    def _map(self, piece: str, code: int) -> None:
        x, y = (a if a.ndim == 2 else a[None, :] for a in (self.x, self.y))

        def on(kernels: Kernels) -> Callable[[], Any]:
            function = getattr(kernels, piece)

            def run() -> Any:
                function(code, x, y)
                return self.y

            return run

        self.on, self.in_c = on, (f"time_{piece}", (code, x, y))

    def _dot(self, rng: np.random.Generator) -> None:
        x, y = np.abs(self.x), rng.random(self.work.shape).astype(self.work.dtype)
        self.on = lambda kernels: lambda: kernels.dot(x, y)
        self.in_c = "time_dot", (x, y)

    def _gradient(self, entry: activations.Activation, rng: np.random.Generator) -> None:
        read = self.x if entry.reads == activations.INPUT else np.asarray(entry.f(self.x), self.x.dtype)
        arrays = [a[None, :] for a in (read, rng.standard_normal(self.work.shape).astype(self.work.dtype), self.y)]

        def on(kernels: Kernels) -> Callable[[], Any]:
            def run() -> Any:
                kernels.activation_grad(entry.code, *arrays)
                return self.y

            return run

        self.on, self.in_c = on, ("time_activation_grad", (entry.code, *arrays))

    def _loss(self, entry: losses.Loss, rng: np.random.Generator) -> None:
        R, dR, dtype = self.x, self.y, self.work.dtype
        T = rng.random(R.shape).astype(dtype)
        T /= T.sum(axis=1, keepdims=True)
        const = plan.make_const(np.zeros((2, 8), np.int64), loss_parameter=LOSS_PARAMETER)
        nothing = np.empty(0, dtype)

        def on(kernels: Kernels) -> Callable[[], Any]:
            def run() -> Any:
                return [kernels.loss_grad(entry.code, const, R, T, nothing, float(len(R)), dR), dR]

            return run

        self.on, self.in_c = on, ("time_loss_grad", (entry.code, LOSS_PARAMETER, R, T, dR))

    def _update(self, entry: updates.Update, rng: np.random.Generator) -> None:
        theta, grad = self.x, rng.standard_normal(self.work.shape).astype(self.work.dtype)
        state = np.zeros((entry.slots, theta.size), theta.dtype)
        start = theta.copy()
        layout = plan.make_plan([theta.size, 1], [activations.IDENTITY], 0, bias=False)

        def restore() -> None:
            theta[...] = start
            state[...] = 0

        def on(kernels: Kernels) -> Callable[[], Any]:
            def run() -> Any:
                kernels.update(layout, entry.code, HYPER, 0, theta, grad, state)
                return theta

            return run

        self.on, self.restore = on, restore
        self.in_c = "time_update", (entry.code, HYPER, 0, theta, grad, state)
