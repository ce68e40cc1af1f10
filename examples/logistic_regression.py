"""Logistic regression: loss against cost, the cost curve and the boundary that one neuron can draw.

    python examples/logistic_regression.py --out pictures

The loss judges one example, the cost is the mean over all of them; at zero weights it is log 2 = 0.693, what a coin
knows.  Where notes return inside the loop of propagate or optimize (one indentation too deep), only the first example
or iteration counts: return stands behind the loop.
"""

from __future__ import annotations

import kit
import numpy as np

from fastnn.course import logistic


def blobs(m: int, seed: int = 2) -> tuple[kit.Array, kit.Array]:
    """Return two clouds that overlap a little."""
    rng = np.random.default_rng(seed)
    y = np.arange(m) % 2
    return rng.normal(0, 1, (2, m)) + np.where(y, 1.2, -1.2) * np.array([[1.0], [0.6]]), y.reshape(1, m)


def main() -> None:
    options = kit.options(__doc__)
    X, Y = blobs(100 if options.quick else 400)
    iterations = 200 if options.quick else 2000
    w, b = logistic.initialize_with_zeros(2)
    _, first = logistic.propagate(w, b, X, Y)
    print(f"cost at zero weights {first:.3f} (log 2 = {np.log(2):.3f})")
    params, _, costs = logistic.optimize(w, b, X, Y, iterations, 0.1)
    accuracy = 100 * np.mean(logistic.predict(**params, X=X) == Y)
    A = logistic.sigmoid(params["w"].T @ X + params["b"])
    losses = logistic.loss(A, Y)
    print(f"after {iterations} iterations: cost {logistic.cost(A, Y):.3f}, accuracy {accuracy:.1f} %")
    print(f"losses of single examples {losses.min():.4f} to {losses.max():.2f}; mean {losses.mean():.3f}, the cost")

    figure, axes = kit.panels(1, 3)
    left, middle, right = axes[0]
    a = np.linspace(0.001, 0.999, 500)
    left.plot(a, logistic.loss(a, np.ones_like(a)), color="#0072B2", label="y = 1:  -log a")
    left.plot(a, logistic.loss(a, np.zeros_like(a)), color="#D55E00", linestyle="--", label="y = 0:  -log(1 - a)")
    left.plot(0.5, np.log(2), "ko")
    left.annotate("log 2", (0.5, np.log(2)), (0.5, 0.95), ha="center")
    left.set(xlabel="predicted probability a", ylabel="loss", ylim=(0, 4), title="The loss of one example")
    left.legend(frameon=False, loc="upper center")
    steps = 100 * np.arange(len(costs))
    middle.plot(steps, costs, "o-", color="#0072B2", markersize=4)
    middle.axhline(np.log(2), color="#777777", linestyle=":")
    middle.text(steps[-1], np.log(2) - 0.01, "log 2", ha="right", va="top")
    middle.set(xlabel="iteration", ylabel="cost", title="The cost of all of them", ylim=(0, None), xticks=steps[::5])
    kit.regions(right, lambda grid: logistic.sigmoid(params["w"].T @ grid + params["b"]), X, Y,
                f"One neuron draws a line: {accuracy:.0f} %")  # fmt: skip
    options.save(figure, "logistic_regression.png")


if __name__ == "__main__":
    main()
