"""The same operations by fastnn, on one of its backends: the public functions, and for a layer the pieces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fastnn
from fastnn import backends, functional
from fastnn.kernels.activations import BY_NAME

from .work import RATE

#: Operations that take a number of threads; the others run on one.
THREADED = ("matvec", "matmul", "logistic", "dense", "epoch")


def operation(name: str, backend: str, threads: int, arrays: dict[str, Any]) -> tuple[Callable[[], Any], Any]:
    """Return the work of an operation, and what puts the start back before it (or None)."""
    return BUILDERS[name](backend, threads, arrays)


def _dot(backend: str, threads: int, a: dict[str, Any]) -> tuple[Callable[[], Any], Any]:
    def run() -> float:
        with fastnn.use_backend(backend):
            return functional.dot(a["x"], a["y"])

    return run, None


def _matvec(backend: str, threads: int, a: dict[str, Any]) -> tuple[Callable[[], Any], Any]:
    column, out = a["x"][:, None], a["out"][:, None]

    def run() -> Any:
        with fastnn.use_backend(backend):
            functional.matmul(a["A"], column, out, num_threads=threads)
        return a["out"]

    return run, None


def _matmul(backend: str, threads: int, a: dict[str, Any]) -> tuple[Callable[[], Any], Any]:
    def run() -> Any:
        with fastnn.use_backend(backend):
            return functional.matmul(a["A"], a["B"], a["out"], num_threads=threads)

    return run, None


def _sigmoid(backend: str, threads: int, a: dict[str, Any]) -> tuple[Callable[[], Any], Any]:
    def run() -> Any:
        with fastnn.use_backend(backend):
            return functional.sigmoid(a["x"], a["out"])

    return run, None


def _logistic(backend: str, threads: int, a: dict[str, Any]) -> tuple[Callable[[], Any], Any]:
    net = fastnn.Network([a["w"].size, 1], output="sigmoid", bias=False, seed=0)

    def run() -> Any:
        with fastnn.use_backend(backend):
            return net.loss_grad(a["X"], a["y"], theta=a["w"])[1]

    return run, lambda: fastnn.set_num_threads(threads)


def _dense(backend: str, threads: int, a: dict[str, Any]) -> tuple[Callable[[], Any], Any]:
    kernels, act = backends.kernels(backend), BY_NAME["sigmoid"].code
    X, W, b, Y, dX, dW, db = (a[name] for name in ("X", "W", "b", "Y", "dX", "dW", "db"))
    start = a["dY"].copy()
    dZ, no_z = start.copy(), start[:0]

    def run() -> Any:
        dZ[...] = start  # the piece overwrites it
        kernels.dense_forward(X, W, b, act, Y, no_z, threads)
        kernels.dense_backward(X, W, Y, dZ, act, dX, dW, db, threads)
        return Y, dX, dW, db

    return run, None


def _epoch(backend: str, threads: int, a: dict[str, Any]) -> tuple[Callable[[], Any], Any]:
    net = fastnn.Network.from_weights([a["W1"], a["W2"]], [a["b1"], a["b2"]], output="softmax", activation="sigmoid")
    start, rule, batch = net.theta.copy(), fastnn.SGD(RATE), int(a["batch"])

    def before() -> None:
        net.theta = start

    def run() -> Any:
        net.fit(a["X"], a["labels"], epochs=1, batch_size=batch, optimizer=rule, shuffle=False, progress=False,
                backend=backend, num_threads=threads)  # fmt: skip
        return [net.weights[0], net.biases[0], net.weights[1], net.biases[1]]

    return run, before


BUILDERS = {"dot": _dot, "matvec": _matvec, "matmul": _matmul, "sigmoid": _sigmoid, "logistic": _logistic,
            "dense": _dense, "epoch": _epoch}  # fmt: skip
