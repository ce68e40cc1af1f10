"""One hidden layer on planar data: flower, moons, circles, spirals, with 1 to 50 hidden units.

    python examples/planar_data.py --out pictures

Logistic regression draws a line and fails; a hidden layer of tanh units bends it.  More units are not always better:
from 0.01 randn, fifty of them are still near the straight line of the start after 10 000 iterations on moons and
spirals.  Notes that say tanh is always superior to the sigmoid mean hidden layers: an output that shall be a
probability is a sigmoid.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import kit
import numpy as np

from fastnn.course import logistic, planar


def line(params: dict[str, Any], grid: kit.Array) -> kit.Array:
    return logistic.sigmoid(params["w"].T @ grid + params["b"])


def network(parameters: dict[str, kit.Array], grid: kit.Array) -> kit.Array:
    return planar.forward_propagation(grid, parameters)[0]


def main() -> None:
    options = kit.options(__doc__)
    m, iterations = (200, 300) if options.quick else (400, 10_000)
    hidden = (1, 4) if options.quick else (1, 2, 4, 10, 20, 50)
    figure, axes = kit.panels(4, len(hidden) + 1, 2.3, 2.3)
    for row, (name, make) in zip(axes, kit.PLANAR.items(), strict=True):
        X, Y = make(m)
        params, _, _ = logistic.optimize(*logistic.initialize_with_zeros(2), X, Y, 1000, 0.1)
        straight = 100 * np.mean(logistic.predict(**params, X=X) == Y)
        kit.regions(row[0], partial(line, params), X, Y, f"line: {straight:.0f} %")
        row[0].set_ylabel(name, fontsize=13)
        told = []
        for ax, n_h in zip(row[1:], hidden, strict=True):
            parameters = planar.nn_model(X, Y, n_h, iterations, seed=3)
            right = 100 * np.mean(planar.predict(parameters, X) == Y)
            told.append(f"{n_h}: {right:.1f}")
            kit.regions(ax, partial(network, parameters), X, Y, f"{n_h} unit{'s' if n_h > 1 else ''}: {right:.0f} %")
        print(f"{name:8s} accuracy in %: line {straight:.1f}; hidden units {', '.join(told)}")
    options.save(figure, "planar_data.png")


if __name__ == "__main__":
    main()
