"""Gradient descent on a cost surface: one neuron's cost as a bowl, and a network's, which is none.

    python examples/gradient_descent.py --out pictures

Notes that say descent finds "the global minimum" are right for logistic regression, whose cost is convex; a network's
cost has many minima and saddles, and where descent ends depends on where it starts.
"""

from __future__ import annotations

import kit
import numpy as np

import fastnn
from fastnn.course import logistic


def path(cost: fastnn.Network, X: kit.Array, y: kit.Array, start: kit.Array, rate: float, steps: int) -> kit.Array:
    """Return the points that gradient descent visits from ``start``, (steps + 1, n_parameters)."""
    theta = start.copy()
    visited = [theta.copy()]
    for _ in range(steps):
        _, gradient = cost.loss_grad(X, y, theta=theta)
        theta -= rate * gradient
        visited.append(theta.copy())
    return np.array(visited)


def surface(net: fastnn.Network, X: kit.Array, y: kit.Array, a: kit.Array, b: kit.Array) -> kit.Array:
    """Return the cost over a grid of the two parameters of a network."""
    return np.array([[net.loss_grad(X, y, theta=np.array([u, v]))[0] for u in a] for v in b])


def main() -> None:
    options = kit.options(__doc__)
    points, steps = (21, 30) if options.quick else (81, 60)
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (200, 1))
    y = (x[:, 0] + rng.normal(0, 0.7, 200) > 0.4).astype(float)
    neuron = fastnn.Network([1, 1], output="sigmoid", dtype="float64", seed=0)
    w, b = np.linspace(-3, 7, points), np.linspace(-4, 3, points)
    bowl = surface(neuron, x, y, w, b)
    starts = [np.array([-2.0, 2.0]), np.array([6.0, 2.0]), np.array([-2.0, -3.0])]
    paths = [path(neuron, x, y, start, 2.0, 2 * steps) for start in starts]
    ends = [p[-1] for p in paths]
    print("one neuron, three starts end at (w, b) =", ", ".join(f"({u:.2f}, {v:.2f})" for u, v in ends))
    params, _, _ = logistic.optimize([[0.0]], 0.0, x.T, y.reshape(1, -1), 20 * steps, 2.0)
    print(f"logistic regression from zeros: ({params['w'][0, 0]:.2f}, {params['b']:.2f})")

    net = fastnn.Network([1, 1, 1], activation="tanh", output="identity", bias=False, dtype="float64", seed=0)
    inputs = np.linspace(-2, 2, 50).reshape(-1, 1)
    target = np.tanh(1.5 * inputs[:, 0])
    v1, v2 = np.linspace(-3, 3, points), np.linspace(-3, 3, points)
    saddle = surface(net, inputs, target, v1, v2)
    begins = ([0.3, -0.2], [-0.3, 0.2], [2.5, -2.5], [0.5, 2.5])
    routes = [path(net, inputs, target, np.array(start), 0.3, 50 * steps) for start in begins]
    print("tanh network w2 tanh(w1 x), four starts end at",
          ", ".join(f"({r[-1][0]:.2f}, {r[-1][1]:.2f})" for r in routes), ": two minima, mirror images")  # fmt: skip

    figure = kit.new_figure(13, 4.6)
    three = figure.add_subplot(1, 3, 1, projection="3d")
    three.plot_surface(*np.meshgrid(w, b), bowl, cmap="cividis", alpha=0.8, linewidth=0, rcount=60, ccount=60)
    for route in paths:
        height = np.array([neuron.loss_grad(x, y, theta=p)[0] for p in route])
        three.plot(
            route[:, 0], route[:, 1], height + 0.05, "o-", color="black", markersize=2.5, linewidth=1.2, zorder=10
        )
    three.set(xlabel="w", ylabel="b", title="One neuron: a bowl")
    three.set_zlabel("cost", labelpad=3)
    three.locator_params(nbins=5)
    three.view_init(elev=38, azim=-60)
    three.set_box_aspect(None, zoom=0.84)  # or the layout cuts the vertical label off
    for k, (a, c, values, drawn, title) in enumerate((
        (w, b, bowl, paths, "The same from above:\nevery start ends in one point"),
        (v1, v2, saddle, routes, "w2 tanh(w1 x): two minima and a saddle;\nthe start decides"),
    )):  # fmt: skip
        ax = figure.add_subplot(1, 3, 2 + k)
        shown = ax.contourf(a, c, np.log10(values + 1e-4), levels=20, cmap="cividis")
        for route, mark in zip(drawn, ("o", "s", "^", "D"), strict=False):
            ax.plot(route[:, 0], route[:, 1], "-", color="white", linewidth=2.5)
            ax.plot(route[:, 0], route[:, 1], marker=mark, color="black", markersize=3, linewidth=1)
            ax.plot(*route[-1], marker="*", color="#ff5500", markersize=14, markeredgecolor="white")
        ax.set(title=title, xlabel="w" if k == 0 else "w1", ylabel="b" if k == 0 else "w2")
        figure.colorbar(shown, ax=ax, label="log10 cost")
    options.save(figure, "gradient_descent.png")


if __name__ == "__main__":
    main()
