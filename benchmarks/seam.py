"""Every piece and program of the seam as a call: its arrays at a shape, the call on a backend, and its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fastnn.kernels import activations, elementary, losses, updates
from fastnn.kernels import plan as P
from fastnn.kernels.table import Kernels

Array = np.ndarray[Any, np.dtype[Any]]

HYPER = np.zeros((1, updates.N_HYPER))
HYPER[0, [updates.LR, updates.FIRST, updates.SECOND, updates.EPSILON]] = 1e-4, 0.9, 0.999, 1e-8
LOSS_PARAMETER = 0.5  # Huber's delta, the quantile
DTYPES = ("float32", "float64")
NO_INDICES = np.empty(0, np.int32)


@dataclass(frozen=True)
class Call:
    """A piece or program on one backend.

    ``call()`` is what is timed; ``answer()`` starts afresh, calls once and returns everything written; ``rest()`` runs
    untimed before each sample and puts the arrays into a state that any number of calls leaves as it is.
    """

    call: Callable[[], Any]
    answer: Callable[[], Any]
    rest: Callable[[], None]


On = Callable[[Kernels, int], Call]


@dataclass(frozen=True)
class Question:
    """A piece or program at a shape and dtype.

    ``prepare()`` makes the arrays and returns what makes the call of a backend with so many threads.  All backends get
    the same arrays: where an array lies in a page is worth as much as a factor of 2 (NumPy's exp of 10^5 float64).
    """

    kind: str  # "piece" or "program"
    name: str
    shape: str
    dtype: str
    prepare: Callable[[], On]

    @property
    def case(self) -> str:
        """The name of the case."""
        return f"{self.name}, {self.shape}, {self.dtype}"


def random(shape: tuple[int, ...], dtype: str, seed: int = 0) -> Array:
    """Return normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def written(function: Callable[..., Any], arguments: Sequence[Any], start: dict[int, Array], easy: bool) -> Call:
    """Return the call of a function that writes the arguments numbered in ``start``, which begin with these values.

    Where it reads what it writes, ``easy`` says to rest at zeros: a gradient times a slope again and again would come
    to subnormal numbers, whose arithmetic is slower.
    """

    def restore() -> None:
        for at, value in start.items():
            arguments[at][...] = value

    def rest() -> None:
        for at, value in start.items():
            arguments[at][...] = 0 if easy else value

    def answer() -> Any:
        restore()
        value = function(*arguments)
        return [*([] if value is None else [np.array(value)]), *(arguments[at].copy() for at in start)]

    return Call(partial(function, *arguments), answer, rest)


# ---- pieces


def product(shape: tuple[int, int, int], dtype: str, accumulate: bool) -> On:
    m, k, n = shape
    A, B, C = random((m, k), dtype), random((k, n), dtype, 1), np.empty((m, n), dtype)
    return lambda kernels, threads: written(
        kernels.matmul, (A, B, C, accumulate, threads), {2: np.zeros_like(C)}, False
    )


def dot(n: int, dtype: str) -> On:
    x = np.abs(random((n,), dtype))
    return lambda kernels, threads: written(kernels.dot, (x, x), {}, False)


def elementwise(piece: str, code: int, shape: tuple[int, int], dtype: str, positive: bool) -> On:
    x = random(shape, dtype)
    x = np.abs(x) + np.asarray(1e-3, dtype) if positive else x
    y = np.empty_like(x)
    return lambda kernels, threads: written(getattr(kernels, piece), (code, x, y), {2: np.zeros_like(y)}, False)


def slope(act: activations.Activation, shape: tuple[int, int], dtype: str) -> On:
    yz = random(shape, dtype)
    yz = yz if act.reads == activations.INPUT else np.asarray(act.f(yz), dtype)
    dy, dx = random(shape, dtype, 1), np.empty(shape, dtype)
    return lambda kernels, threads: written(
        kernels.activation_grad, (act.code, yz, dy, dx), {3: np.zeros_like(dx)}, False
    )


def layer_arrays(shape: tuple[int, int, int], dtype: str) -> tuple[Array, Array, Array]:
    m, n_in, n_out = shape
    W = random((n_in, n_out), dtype, 1) / np.sqrt(n_in).astype(dtype)
    return random((m, n_in), dtype), W, random((n_out,), dtype, 2)


def layer(act: activations.Activation, shape: tuple[int, int, int], dtype: str) -> On:
    X, W, b = layer_arrays(shape, dtype)
    Y = np.empty((shape[0], shape[2]), dtype)
    Z = np.empty_like(Y)
    outputs = {4: np.zeros_like(Y), **({5: np.zeros_like(Y)} if act.reads == activations.INPUT else {})}
    return lambda kernels, threads: written(kernels.dense_forward, (X, W, b, act.code, Y, Z, threads), outputs, False)


def layer_back(act: activations.Activation, shape: tuple[int, int, int], dtype: str) -> On:
    X, W, b = layer_arrays(shape, dtype)
    Z = X @ W + b
    YZ = Z if act.reads == activations.INPUT else np.asarray(act.f(Z), dtype)
    dY, dX, dW, db = random(YZ.shape, dtype, 3), np.empty_like(X), np.empty_like(W), np.empty_like(b)
    arguments = (X, W, YZ, dY.copy(), act.code, dX, dW, db)
    zeros = {at: np.zeros_like(arguments[at]) for at in (5, 6, 7)}
    return lambda kernels, threads: written(kernels.dense_backward, (*arguments, threads), {3: dY, **zeros}, True)


def targets_of(loss: losses.Loss, shape: tuple[int, int], dtype: str) -> Array:
    T = np.random.default_rng(5).random(shape).astype(dtype)
    return T / T.sum(axis=1, keepdims=True) if loss.domain == "distribution" else T


def loss_grad(loss: losses.Loss, shape: tuple[int, int], dtype: str, weighted: bool) -> On:
    R, dR, T = random(shape, dtype), np.empty(shape, dtype), targets_of(loss, shape, dtype)
    const = P.make_const(np.zeros((2, 8), np.int64), loss_parameter=LOSS_PARAMETER)
    weights = np.random.default_rng(6).random(shape[0] * weighted).astype(dtype)
    arguments = (loss.code, const, R, T, weights, float(shape[0]), dR)
    return lambda kernels, threads: written(kernels.loss_grad, arguments, {6: np.zeros_like(dR)}, False)


def update(rule: updates.Update, n: int, dtype: str) -> On:
    theta, state = random((n,), dtype), np.zeros((rule.slots, n), dtype)
    layout = P.make_plan([n, 1], [activations.IDENTITY], 0, bias=False)
    arguments = (layout, rule.code, HYPER[0], 0, theta.copy(), random((n,), dtype, 1), state)
    return lambda kernels, threads: written(kernels.update, arguments, {4: theta, 6: state.copy()}, False)


def pieces(toy: bool) -> Iterator[Question]:
    """Yield every piece with every formula, from one row to a hundred thousand numbers."""
    products = ((2, 5, 3),) if toy else ((1, 64, 64), (32, 64, 64), (32, 784, 16), (256, 256, 256))
    flat = ((4, 3),) if toy else ((1, 8), (32, 16), (1000, 1), (10_000, 10))
    dense = ((4, 5, 3),) if toy else ((1, 16, 16), (32, 64, 64), (32, 784, 16), (128, 64, 1))
    raw = ((4, 3), (4, 1)) if toy else ((1, 1), (32, 1), (1000, 1), (32, 10), (1000, 10))
    lengths = (30,) if toy else (100, 13_002, 500_000)
    for dtype in DTYPES[: 1 if toy else 2]:
        ask = partial(Question, "piece", dtype=dtype)
        for n in lengths:
            yield ask("dot", str(n), prepare=partial(dot, n, dtype))
            for rule in updates.UPDATES:
                yield ask(f"update {rule.name}", str(n), prepare=partial(update, rule, n, dtype))
        for one in products:
            for accumulate in (False, True):
                name = "matmul, adding" if accumulate else "matmul"
                yield ask(name, "x".join(map(str, one)), prepare=partial(product, one, dtype, accumulate))
        for shape in flat:
            words = "x".join(map(str, shape))
            for f in elementary.FUNCTIONS:
                make = partial(elementwise, "elementary", f.code, shape, dtype, f.name.startswith("log"))
                yield ask(f.name, words, prepare=make)
            for act in activations.ACTIVATIONS:
                yield ask(act.name, words, prepare=partial(elementwise, "activation", act.code, shape, dtype, False))
                yield ask(f"{act.name} gradient", words, prepare=partial(slope, act, shape, dtype))
            for link in losses.LINKS:
                make = partial(elementwise, "link", link.code, shape, dtype, False)
                yield ask(f"link {link.name}", words, prepare=make)
        for one in dense:
            words = "x".join(map(str, one))
            for act in activations.ACTIVATIONS:
                yield ask(f"dense_forward {act.name}", words, prepare=partial(layer, act, one, dtype))
                yield ask(f"dense_backward {act.name}", words, prepare=partial(layer_back, act, one, dtype))
        for shape in raw:
            words = "x".join(map(str, shape))
            for loss in losses.LOSSES:
                if shape[1] == 1 and loss.code == losses.CATEGORICAL:
                    continue  # one class: the loss is 0 whatever the prediction
                for weighted in (False, True):
                    name = f"loss_grad {loss.name}{', weighted' if weighted else ''}"
                    yield ask(name, words, prepare=partial(loss_grad, loss, shape, dtype, weighted))


# ---- programs


@dataclass(frozen=True)
class Net:
    """A network, the rows of a batch and the form of X."""

    sizes: tuple[int, ...]
    activation: str
    loss: str
    rows: int
    form: str = "dense"  # or "uint8", "csr"
    batches: int = 10  # of a call of train

    @property
    def words(self) -> str:
        """The network and its rows in words."""
        return f"{'-'.join(map(str, self.sizes))} {self.activation}, {self.rows} rows, {self.form}"


NETS = (
    Net((8, 16, 1), "relu", "squared_error", 1),
    Net((8, 64, 64, 4), "tanh", "categorical_cross_entropy", 64),
    Net((784, 16, 16, 10), "sigmoid", "categorical_cross_entropy", 32),
    Net((784, 16, 16, 10), "sigmoid", "categorical_cross_entropy", 32, "uint8"),
    Net((784, 16, 16, 10), "sigmoid", "categorical_cross_entropy", 32, "csr"),
    Net((30, 50, 1), "gelu", "binary_cross_entropy", 200),
    Net((784, 512, 512, 10), "relu", "categorical_cross_entropy", 128, batches=2),
)
TOY_NETS = (
    Net((5, 4, 1), "relu", "squared_error", 1),
    Net((6, 5, 3), "tanh", "categorical_cross_entropy", 8, "csr"),
    Net((6, 5, 3), "gelu", "categorical_cross_entropy", 8, "uint8"),
)


class Program:
    """The arrays of a network's programs in one dtype."""

    def __init__(self, net: Net, dtype: str) -> None:
        loss = losses.BY_NAME[net.loss]
        link = losses.LINK_BY_NAME[loss.link or "identity"].code
        codes = [activations.BY_NAME[net.activation].code] * (len(net.sizes) - 2) + [activations.IDENTITY]
        self.net, self.dtype, self.loss = net, dtype, loss.code
        self.plan = P.make_plan(net.sizes, codes, link, bias=True)
        self.const = P.make_const(self.plan, input_scale=1 / 255 if net.form == "uint8" else 1.0)
        self.theta = random((int(self.plan[0, P.N_PARAMETERS]),), dtype, 1)
        for n_in, _, _, _, w_at, b_at, _, _ in self.plan[1:]:
            self.theta[w_at:b_at] /= np.sqrt(n_in).astype(dtype)
        self.rows = net.rows * net.batches
        self.T = targets_of(loss, (self.rows, net.sizes[-1]), dtype)
        self.weights = np.empty(0, dtype)
        self.new_theta = self.theta.copy()
        self.asked, self.trained = self.inputs(net.rows), self.inputs(self.rows)
        self.out, self.dY = np.empty((net.rows, net.sizes[-1]), dtype), random((net.rows, net.sizes[-1]), dtype, 4)
        self.grad, self.dX = np.empty_like(self.theta), np.empty((net.rows, net.sizes[0]), dtype)

    def inputs(self, rows: int) -> tuple[Array, Array, Array]:
        """Return X, indices, indptr of so many rows."""
        n, rng = self.net.sizes[0], np.random.default_rng(3)
        if self.net.form == "uint8":
            return rng.integers(0, 256, (rows, n), dtype=np.uint8), NO_INDICES, NO_INDICES
        if self.net.form == "dense":
            return random((rows, n), self.dtype, 3), NO_INDICES, NO_INDICES
        each = max(1, n // 10)
        columns = np.sort(rng.random((rows, n)).argsort(axis=1)[:, :each], axis=1).astype(np.int32)
        return random((1, rows * each), self.dtype, 3), columns.ravel(), np.arange(rows + 1, dtype=np.int32) * each

    def work(self, kernels: Kernels, program: str, threads: int) -> Array:
        """Return work space."""
        return np.empty(kernels.work_size(program, self.plan, self.net.rows, threads), self.dtype)

    def predict(self, kernels: Kernels, threads: int) -> Call:
        size = kernels.packed_size(self.plan)
        packed = np.empty(size, self.dtype) if size else self.theta
        kernels.pack(self.plan, self.theta, packed)
        work = self.work(kernels, "predict", threads)
        arguments = (self.plan, self.const, packed, *self.asked, work, self.out, threads)
        return written(kernels.predict, arguments, {7: np.zeros_like(self.out)}, False)

    def evaluate(self, kernels: Kernels, threads: int) -> Call:
        arguments = (*self._asked(), float(self.net.rows), self.work(kernels, "evaluate", threads), threads)
        return written(kernels.evaluate, arguments, {}, False)

    def gradient(self, kernels: Kernels, threads: int) -> Call:
        work, parts = self.work(kernels, "gradient", threads), np.empty(2)
        arguments = (*self._asked(), float(self.net.rows), 0, 0, self.grad, work, parts, threads)
        return written(kernels.gradient, arguments, {12: np.zeros_like(self.grad)}, False)

    def backward(self, kernels: Kernels, threads: int) -> Call:
        work = self.work(kernels, "backward", threads)
        arguments = (self.plan, self.const, self.theta, *self.asked, self.dY, self.grad, self.dX, work, threads)
        outputs = {7: np.zeros_like(self.grad), 8: np.zeros_like(self.dX)}
        return written(kernels.backward, arguments, outputs, False)

    def surface(self, kernels: Kernels, threads: int) -> Call:
        D, out = random((2, self.theta.size), self.dtype, 7), np.empty(9)
        points = np.array([(a, b) for a in (-0.1, 0, 0.1) for b in (-0.1, 0, 0.1)])
        plan, const, loss, theta, *rest = self._asked()
        work = self.work(kernels, "surface", threads)
        arguments = (plan, const, loss, theta, D, points, *rest, float(self.net.rows), work, out, threads)
        return written(kernels.surface, arguments, {13: np.zeros_like(out)}, False)

    def train(self, rule: updates.Update, kernels: Kernels, threads: int) -> Call:
        n = self.net.batches
        theta, state = self.new_theta, np.zeros((rule.slots, self.theta.size), self.dtype)
        order = np.random.default_rng(8).permutation(self.rows)
        starts = np.arange(n + 1, dtype=np.int64) * self.net.rows
        lines = np.empty((n, 2))
        arguments = (
            self.plan, self.const, self.loss, rule.code, np.repeat(HYPER, n, axis=0), 0, theta,
            self.grad, state, *self.trained, self.T, self.weights, order, starts, 0,
            self.work(kernels, "train", threads), lines, threads,
        )  # fmt: skip
        return written(kernels.train, arguments, {6: self.theta, 8: state.copy(), 18: np.zeros((n, 2))}, False)

    def _asked(self) -> tuple[Any, ...]:
        T = np.ascontiguousarray(self.T[: self.net.rows])
        return self.plan, self.const, self.loss, self.theta, *self.asked, T, self.weights


def program(net: Net, dtype: str, name: str) -> On:
    """Return what calls a program; "train RULE" has the rule in its name."""
    found = Program(net, dtype)
    kind, _, rule = name.partition(" ")
    if kind == "train":
        return partial(found.train, updates.BY_NAME[rule])
    made: On = getattr(found, kind)
    return made


def programs(toy: bool) -> Iterator[Question]:
    """Yield every program on every network, training with two rules."""
    for dtype in DTYPES[: 1 if toy else 2]:
        for net in TOY_NETS if toy else NETS:
            for name in ("predict", "evaluate", "gradient", "backward", "surface", "train sgd", "train adam"):
                yield Question("program", name, net.words, dtype, partial(program, net, dtype, name))
