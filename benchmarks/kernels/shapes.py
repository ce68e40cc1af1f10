"""Which kernels at which shapes, from the tables of kernels; a product is written m x k x n: (m, k) times (k, n)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fastnn.kernels import activations, elementary, losses, updates

#: (m, k, n, A transposed).  A transposed A is (k, m) in memory: the gradient of the weights is X^T dZ.
PRODUCTS = (
    (2048, 2048, 2048, False),
    (512, 784, 2048, False),  # a wide first layer, forward
    (128, 784, 512, False),
    (784, 128, 512, True),  # its weight gradient
    (32, 784, 16, False),  # a narrow one
    (784, 32, 16, True),
    (32, 64, 64, False),
    (256, 256, 256, False),
)
TOY_PRODUCTS = ((8, 16, 8, False), (16, 8, 4, True))
SIZES, TOY_SIZES = (10_000, 1_000_000), (1000,)
CLASSES = 10
DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Work:
    """A kernel at a shape: what it is called, and the work in a call."""

    kernel: str
    shape: tuple[int, ...]
    dtype: str
    transposed: bool = False
    flops: float = 0.0
    moved: float = 0.0  # bytes read and written at least, each array once
    reads_only: bool = False

    @property
    def case(self) -> str:
        """The name of the case."""
        shape = "x".join(map(str, self.shape))
        return f"{self.kernel} {shape}{' A^T' if self.transposed else ''} {self.dtype}"


def products(toy: bool) -> Iterator[Work]:
    """Yield the matrix products."""
    for dtype in DTYPES:
        for m, k, n, transposed in TOY_PRODUCTS if toy else PRODUCTS:
            yield Work("matmul", (m, k, n), dtype, transposed, flops=2.0 * m * k * n)


def elementwise(toy: bool) -> Iterator[Work]:
    """Yield what goes through memory once; the bytes are those of the arrays, in and out."""
    active = [entry for entry in activations.ACTIVATIONS if entry.code != activations.IDENTITY]
    for dtype, item in (("float32", 4), ("float64", 8)):
        for n in TOY_SIZES if toy else SIZES:
            yield Work("dot", (n,), dtype, flops=2.0 * n, moved=2.0 * n * item, reads_only=True)
            for function in (*elementary.FUNCTIONS, *active):
                yield Work(function.name, (n,), dtype, moved=2.0 * n * item)
            for activation in active:
                yield Work(f"{activation.name} gradient", (n,), dtype, moved=3.0 * n * item)
            rows = n // CLASSES
            yield Work("softmax", (rows, CLASSES), dtype, moved=2.0 * n * item)
            for loss in losses.LOSSES:
                yield Work(f"loss {loss.name}", (rows, CLASSES), dtype, moved=3.0 * n * item)
            for rule in updates.UPDATES:
                yield Work(f"update {rule.name}", (n,), dtype, moved=(3.0 + 2 * rule.slots) * n * item)
