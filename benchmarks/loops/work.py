"""The work of the loops suite: seven operations, their sizes, their data, and how many steps a loop takes.

Every implementation is a module or a builder that gives ``{operation: function}``; a function takes `Data`'s arrays,
returns the answer, and may write to the arrays it is given to write to.  The arithmetic is float32 throughout but in
Python's own loop, which has only double precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# A Python loop takes 20 to 80 ns a step: beyond this many steps a round of it would take longer than all others
# together, a hundred times over.
MOST_PYTHON_STEPS = 10**7
RATE = 0.1


@dataclass(frozen=True)
class Size:
    """An operation at a size: what the x axis shows, and the numbers behind it."""

    operation: str
    n: int  # multiply-adds, or elements of the sigmoid
    shape: tuple[int, ...]

    @property
    def case(self) -> str:
        """The name of the case."""
        return f"{self.operation} {'x'.join(map(str, self.shape))}"


def sizes(toy: bool) -> list[Size]:
    """Return every operation at every size; the largest arrays take 0.8 GB."""
    if toy:
        return [
            Size("dot", 100, (100,)),
            Size("dot", 1000, (1000,)),
            Size("matvec", 64, (8, 8)),
            Size("matmul", 512, (8, 8, 8)),
            Size("sigmoid", 100, (100,)),
            Size("logistic", 2 * 80, (20, 4)),
            Size("dense", 3 * 8 * 6 * 4, (8, 6, 4)),
            Size("epoch", 3 * 40 * (6 * 4 + 4 * 3), (40, 6, 4, 3, 10)),
        ]
    found = [Size("dot", n, (n,)) for n in (10**4, 10**5, 10**6, 10**7, 10**8)]
    found += [Size("matvec", n * n, (n, n)) for n in (100, 300, 1000, 3000, 10_000)]
    found += [Size("matmul", n**3, (n, n, n)) for n in (30, 100, 200, 500, 1000, 2000)]
    found += [Size("sigmoid", n, (n,)) for n in (10**4, 10**5, 10**6, 10**7)]
    found += [Size("logistic", 2 * m * n, (m, n)) for m, n in ((1000, 10), (10_000, 50), (10_000, 784), (60_000, 784))]
    found += [Size("dense", 3 * m * k * n, (m, k, n)) for m, k, n in ((32, 64, 16), (32, 784, 16), (256, 784, 256),
                                                                     (512, 2048, 2048))]  # fmt: skip
    found += [
        Size("epoch", 3 * m * (d * h + h * k), (m, d, h, k, 32))
        for m, d, h, k in ((640, 64, 16, 10), (1600, 784, 16, 10), (60_000, 784, 16, 10), (10_016, 784, 512, 10))
    ]
    return found


TITLES = {
    "dot": "dot product of n numbers",
    "matvec": "matrix times vector",
    "matmul": "matrix times matrix",
    "sigmoid": "sigmoid of n numbers",
    "logistic": "gradient of logistic regression",
    "dense": "dense layer, forward and backward",
    "epoch": "a whole epoch of a network",
}
#: Largest relative difference (norm) allowed: float32 sums in another order, for an epoch through up to 1900 steps.
#: A BLAS that adds 10^8 positive float32 numbers in registers of float32 is itself 4e-4 off.
TOLERANCE = {"dot": 1e-3, "matvec": 1e-5, "matmul": 1e-5, "sigmoid": 1e-6, "logistic": 1e-4, "dense": 1e-5,
             "epoch": 2e-3}  # fmt: skip


def data(size: Size) -> dict[str, np.ndarray]:
    """Return the arrays of an operation, float32, rows contiguous; the same for the same size."""
    rng = np.random.default_rng(0)
    shape = size.shape

    def normal(*dimensions: int, scale: float = 1.0) -> np.ndarray:
        return rng.standard_normal(dimensions, np.float32) * np.float32(scale)

    if size.operation == "dot":
        # positive numbers: the sum does not cancel, so that a relative difference means something
        return {"x": rng.random(*shape, np.float32), "y": rng.random(*shape, np.float32)}
    if size.operation == "matvec":
        m, n = shape
        return {"A": normal(m, n), "x": normal(n), "out": np.empty(m, np.float32)}
    if size.operation == "matmul":
        m, k, n = shape
        return {"A": normal(m, k), "B": normal(k, n), "out": np.empty((m, n), np.float32)}
    if size.operation == "sigmoid":
        return {"x": normal(*shape, scale=3), "out": np.empty(shape, np.float32)}
    if size.operation == "logistic":
        m, n = shape
        X = normal(m, n)
        y = (X[:, 0] + normal(m, scale=0.5) > 0).astype(np.float32)
        return {"X": X, "y": y, "w": normal(n, scale=0.1), "dw": np.empty(n, np.float32)}
    if size.operation == "dense":
        m, k, n = shape
        arrays = {"X": normal(m, k), "W": normal(k, n, scale=k**-0.5), "b": normal(n), "dY": normal(m, n)}
        outputs = {"Y": (m, n), "dX": (m, k), "dW": (k, n), "db": (n,)}
        return arrays | {name: np.empty(dimensions, np.float32) for name, dimensions in outputs.items()}
    m, d, h, k, batch = shape
    X = rng.random((m, d), np.float32)
    labels = (X[:, :k] * np.arange(1, k + 1)).argmax(1)
    return {
        "X": X, "T": np.eye(k, dtype=np.float32)[labels], "labels": labels.astype(np.int32),
        "W1": normal(d, h, scale=d**-0.5), "b1": np.zeros(h, np.float32), "W2": normal(h, k, scale=h**-0.5),
        "b2": np.zeros(k, np.float32), "batch": np.array(batch),
    }  # fmt: skip
