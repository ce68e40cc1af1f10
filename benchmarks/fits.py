"""What `dropin` fits: data and settings, the named ones and those drawn at random."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

CONFIGURATIONS = 30
ENDLESS = {"tol": 0.0, "n_iter_no_change": 10**9}  # nobody stops early: both sides do all iterations


@dataclass(frozen=True)
class Fit:
    """A fit as a user writes it: ``MLPClassifier(random_state=0, **settings).fit(X, y)``.

    Parameters
    ----------
    name : str
    data : (str, int, int, int)
        Kind ("digits", "classes", "values" or "sparse"), rows, features, outputs.
    dtype : str
        Of X.
    settings : dict
        Of the estimator.
    asked : float
        How many times as fast as scikit-learn this is meant to be.
    """

    name: str
    data: tuple[str, int, int, int]
    dtype: str
    settings: dict[str, Any] = field(default_factory=dict)
    asked: float = 1.0

    @property
    def kind(self) -> str:
        """The estimator: "MLPClassifier" or "MLPRegressor"."""
        return "MLPRegressor" if self.data[0] == "values" else "MLPClassifier"


def made(fit: Fit) -> tuple[Any, Array]:
    """Return X and y of a fit."""
    X, y = _drawn(*fit.data)
    return X.astype(fit.dtype), y


@lru_cache(maxsize=1)
def _drawn(kind: str, rows: int, features: int, outputs: int) -> tuple[Any, Array]:
    rng = np.random.default_rng(50)
    if kind == "digits":
        from sklearn.datasets import load_digits

        X, y = load_digits(return_X_y=True)
        return X[:rows] / 16, y[:rows]
    if kind == "sparse":
        import scipy.sparse

        X = scipy.sparse.random_array((rows, features), density=0.001, format="csr", rng=rng)
        return X, rng.integers(outputs, size=rows)
    X = rng.standard_normal((rows, features))
    found = X @ rng.standard_normal((features, outputs)) / np.sqrt(features)
    if kind == "values":
        return X, found[:, 0] if outputs == 1 else found
    y = found.argmax(axis=1)
    y[:outputs] = np.arange(outputs)  # every class occurs, however few rows there are
    return X, y


def named(toy: bool) -> list[Fit]:
    """Return the fits that have a goal of their own, in the sizes of their goals or small."""
    digits, images, table, words = 1_797, 20_000, 20_000, 20_000
    features, wide, iterations = 50_000, 512, 30
    if toy:
        digits, images, table, words, features, wide, iterations = 100, 64, 60, 50, 300, 24, 2
    made = []
    for dtype, goal in (("float64", 7.0), ("float32", 10.0)):
        data = ("digits", digits, 64, 10)
        made.append(Fit("digits, the default network", data, dtype, {"max_iter": iterations}, goal))
    for dtype in ("float64", "float32"):
        few = {"max_iter": 3}
        small = {"hidden_layer_sizes": (16, 16), "batch_size": 32, **few}
        made.append(Fit("784-16-16-10, batch 32", ("classes", images, 784, 10), dtype, small, 10.0))
        made.append(Fit(
            f"{table:,} x 20, (64, 64)", ("classes", table, 20, 3), dtype, {"hidden_layer_sizes": (64, 64), **few}, 10.0
        ))  # fmt: skip
    large = {"hidden_layer_sizes": (wide, wide), "max_iter": 1}
    for dtype in ("float64", "float32"):
        made.append(Fit(f"784-{wide}-{wide}-10", ("classes", images // 4, 784, 10), dtype, large, 1.8))
    sparse = {"hidden_layer_sizes": (20,), "max_iter": 1}
    made.append(Fit(f"sparse {words:,} x {features:,}", ("sparse", words, features, 2), "float64", sparse))
    return made


def random_fit(index: int, toy: bool) -> Fit:
    """Return the configuration of that number: data, solver and settings drawn at random."""
    rng = np.random.default_rng([30, index])
    kind = str(rng.choice(["classes", "values"]))
    rows = int(rng.choice([40] if toy else [100, 300, 1_000, 5_000]))
    features = int(rng.choice([2, 8, 20, 50, 100]))
    outputs = int(rng.choice([2, 3, 10] if kind == "classes" else [1, 4]))
    sizes = tuple(int(size) for size in rng.choice([4, 16, 32, 64, 100, 128], size=rng.integers(1, 4)))
    solver = str(rng.choice(["adam", "sgd", "lbfgs"]))
    settings: dict[str, Any] = {
        "hidden_layer_sizes": sizes, "solver": solver, "alpha": float(rng.choice([0.0, 1e-4, 1e-2])),
        "activation": str(rng.choice(["relu", "tanh", "logistic", "identity"])), "max_iter": 2 if toy else 10,
    }  # fmt: skip
    batch = int(rng.choice([10, 50, 200]))
    if solver != "lbfgs":
        settings["batch_size"] = min(batch, rows)
        settings["early_stopping"] = bool(rng.integers(2))
    dtype = str(rng.choice(["float32", "float64"]))
    words = f"{index + 1}: {solver} {settings['activation']}, {rows} x {features} -> {'-'.join(map(str, sizes))}"
    words += f" -> {outputs} {kind}" + (f", batch {settings['batch_size']}" if solver != "lbfgs" else "")
    words += ", early stopping" if settings.get("early_stopping") else ""
    return Fit(f"random {words}", (kind, rows, features, outputs), dtype, settings)
