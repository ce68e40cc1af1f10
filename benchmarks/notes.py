"""The lecture notes' systems: their training on the cat pictures, and the error surface of their digit network.

Whole-model functions of `fastnn.course` against the textbook's NumPy, from the same start, over the same iterations;
fastnn's time has everything in it, also what it does once.  Logistic regression runs as long as in the notes; for the
networks they iterate 25 times as often, where what is done once weighs less.  Without the files under FASTNN_DATA,
noise of the same shape is taken: the work does not depend on the values.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import fastnn
from fastnn import landscape
from fastnn.course import deep, logistic

from .contests import label, thread_counts
from .measure import Absent, Competitor, Contest, Mode
from .suite import Case, Suite

PICTURES, PIXELS = 209, 12288
ROUNDS = 3  # of seconds for NumPy
# name, hidden units, rate, iterations; the notes train the networks for 2500
MODELS = (
    ("logistic regression", (), 0.005, 2000),
    ("7-1", (7,), 0.0075, 100),
    ("20-7-5-1", (20, 7, 5), 0.0075, 100),
)
SURFACE = (200, 10_000)  # points on each axis, images
SAME = 1e-8  # norms of parameters after a training


def cats(toy: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the training pictures in columns, float64 in 0 ... 1, and their labels (1, m)."""
    if not toy:
        try:
            data = fastnn.datasets.load_catvnoncat(raw=True)
            return np.ascontiguousarray((data.X_train / 255.0).T), data.y_train.reshape(1, -1).astype(np.float64)
        except (FileNotFoundError, fastnn.MissingDependencyError):
            pass
    rng, (n, m) = np.random.default_rng(0), (300, 24) if toy else (PIXELS, PICTURES)
    return rng.random((n, m)), rng.integers(0, 2, (1, m)).astype(np.float64)


def textbook(X: np.ndarray, Y: np.ndarray, start: dict[str, np.ndarray], rate: float, iterations: int) -> list[Any]:
    """Train as the notes do, line by line; return the parameters."""
    parameters, L, m = dict(start), len(start) // 2, X.shape[1]
    for _ in range(iterations):
        A, Z = [X], [X]
        for layer in range(1, L + 1):
            Z.append(np.dot(parameters[f"W{layer}"], A[-1]) + parameters[f"b{layer}"])
            A.append(np.maximum(0, Z[-1]) if layer < L else 1 / (1 + np.exp(-Z[-1])))
        dA = -(np.divide(Y, A[L]) - np.divide(1 - Y, 1 - A[L]))
        for layer in range(L, 0, -1):
            dZ = dA * A[L] * (1 - A[L]) if layer == L else np.where(Z[layer] > 0, dA, 0)
            W, b = parameters[f"W{layer}"], parameters[f"b{layer}"]
            parameters[f"W{layer}"] = W - rate * (np.dot(dZ, A[layer - 1].T) / m)
            parameters[f"b{layer}"] = b - rate * (np.sum(dZ, axis=1, keepdims=True) / m)
            if L > 1:  # the notes' networks take the gradient of the pictures too
                dA = np.dot(W.T, dZ)
    return list(parameters.values())


def ours(X: np.ndarray, Y: np.ndarray, dims: list[int], rate: float, iterations: int) -> list[Any]:
    """Train by the notes' whole-model functions; return the parameters."""
    if len(dims) == 2:
        w, b = logistic.initialize_with_zeros(dims[0])
        found, _, _ = logistic.optimize(w, b, X, Y, iterations, rate)
        return [found["w"].T, np.full((1, 1), found["b"])]
    train = deep.two_layer_model if len(dims) == 3 else deep.L_layer_model
    return list(train(X, Y, dims, rate, iterations, seed=1)[0].values())


def with_threads(threads: int, work: Callable[[], Any]) -> Any:
    """Return what ``work`` returns, fastnn's calls taking so many threads."""
    fastnn.set_num_threads(threads)
    try:
        return work()
    finally:
        fastnn.set_num_threads(None)


def training(hidden: tuple[int, ...], rate: float, iterations: int, toy: bool) -> Contest:
    """Return the notes' trainings, by fastnn and by hand, each with one thread and with more."""
    X, Y = cats(toy)
    dims = [len(X), *hidden, 1]
    if hidden:
        scale = 0.01 if len(hidden) == 1 else "fan_in"
        start = deep.initialize_parameters_deep(dims, scale, seed=1)
    else:
        start = {"W1": np.zeros((1, len(X))), "b1": np.zeros((1, 1))}
    made = []
    for threads in thread_counts(toy):
        run = partial(with_threads, threads, partial(ours, X, Y, dims, rate, iterations))
        made.append(Competitor(label("fastnn.course", threads), run, threads))
    for threads in thread_counts(toy):
        by_hand = partial(textbook, X, Y, start, rate, iterations)
        made.append(Competitor(label("NumPy by hand", threads), by_hand, threads))
    return Contest(made, label("NumPy by hand", 1), SAME, rounds=None if toy else ROUNDS)


def error_surface(points: int, images: int, toy: bool) -> Contest:
    """Return the surface of 784-16-16-10 over two random directions; NumPy's would be as many evaluations."""
    try:
        data = fastnn.datasets.load_mnist()
    except FileNotFoundError:
        data = fastnn.datasets.load_digits()
    rows = np.arange(images) % len(data.X_test)
    X, y = data.X_test[rows], data.y_test[rows]
    net = fastnn.Network([784, 16, 16, 10], activation="sigmoid", output="softmax", seed=0)
    net.fit(data.X_train[:5000], data.y_train[:5000], epochs=1 if toy else 10)

    def at(threads: int) -> Competitor:
        def run() -> np.ndarray:
            return landscape.surface(net, X, y, points=points, num_threads=threads, progress=False).loss

        return Competitor(label("fastnn", threads), run, threads)

    made = [at(threads) for threads in thread_counts(toy)]
    began = time.perf_counter()
    net.evaluate(X, y)
    each = time.perf_counter() - began
    absent = Absent("evaluate at each point", "not run", f"{points**2:,} evaluations of {1e3 * each:.2g} ms")
    return Contest(made, made[0].name, 0.0, [absent], rounds=None if toy else ROUNDS)


def cases(mode: Mode) -> Iterator[Case]:
    """Yield the three trainings and the surface."""
    for name, hidden, rate, full in MODELS:
        iterations = 10 if mode.toy else full
        yield Case(f"cats {name}, {iterations} iterations", partial(training, hidden, rate, iterations, mode.toy))
    points, images = (8, 100) if mode.toy else SURFACE
    yield Case(f"surface {points} x {points}, {images:,} images", partial(error_surface, points, images, mode.toy))


SUITE = Suite("notes", "the lecture notes' trainings on cats, and an error surface", cases)
