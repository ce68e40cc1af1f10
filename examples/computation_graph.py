"""A computation graph: forward values, derivatives from right to left, and the numerical slope that checks them.

    python examples/computation_graph.py --out pictures

J = 3 (a + b c) at a = 5, b = 3, c = 2: u = b c, v = a + u, J = 3 v; then the same check on a whole network.
"""

from __future__ import annotations

import kit
import numpy as np

from fastnn.course import tuning


def forward(a: float, b: float, c: float) -> dict[str, float]:
    u = b * c
    v = a + u
    return {"a": a, "b": b, "c": c, "u": u, "v": v, "J": 3 * v}


def backward(values: dict[str, float]) -> dict[str, float]:
    """Return dJ by each variable: each step multiplies what comes from the right by its own slope."""
    dv = 3.0
    du = dv * 1.0
    return {"J": 1.0, "v": dv, "u": du, "a": dv * 1.0, "b": du * values["c"], "c": du * values["b"]}


def main() -> None:
    options = kit.options(__doc__)
    values = forward(5.0, 3.0, 2.0)
    slopes = backward(values)
    print("variable  value  dJ/dvariable  (J(+h) - J(-h)) / 2h")
    for name in "abc":
        h = 1e-4
        at = {key: values[key] for key in "abc"}
        above, below = forward(**{**at, name: at[name] + h})["J"], forward(**{**at, name: at[name] - h})["J"]
        numeric = (above - below) / (2 * h)
        print(f"    {name}     {values[name]:4.0f}      {slopes[name]:4.0f}            {numeric:.6f}")
        assert abs(numeric - slopes[name]) < 1e-6

    X, Y = kit.moons(60)
    parameters = tuning.initialize_parameters_he([2, 5, 3, 1], seed=1)
    for layer in (1, 2, 3):  # off the kinks: where all units of a layer are silent, the next would start exactly at 0
        parameters[f"b{layer}"] += 0.1
    _, cache = tuning.forward_propagation(X, parameters)
    gradients = tuning.backward_propagation(X, Y, cache)
    steps = 10.0 ** -np.arange(1, 13, 3 if options.quick else 1)
    found = [tuning.gradient_check_n(parameters, gradients, X, Y, h) for h in steps]
    best = int(np.argmin(found))
    print(
        f"2-5-3-1 network: backpropagation and central differences agree to {found[best]:.1e} (h = {steps[best]:.0e})"
    )
    gradients["dW2"] = 1.5 * gradients["dW2"]
    broken = tuning.gradient_check_n(parameters, gradients, X, Y)
    print(f"with a wrong dW2 they differ by {broken:.2f}")

    figure, axes = kit.panels(1, 2, 6.6, 4.4)
    graph, right = axes[0]
    places = {"a": (0, 2.2), "b": (0, 1.1), "c": (0, 0), "u": (1.6, 0.55), "v": (3.2, 1.4), "J": (4.8, 1.4)}
    labels = {"a": "a", "b": "b", "c": "c", "u": "u = b c", "v": "v = a + u", "J": "J = 3 v"}
    for start, end in (("b", "u"), ("c", "u"), ("u", "v"), ("a", "v"), ("v", "J")):
        room = {"shrinkA": 18 if start in "abc" else 36, "shrinkB": 38}  # in points: half a box
        line = {"arrowstyle": "-|>", **room, "color": "#333333", "lw": 1.5}
        graph.annotate("", places[end], places[start], arrowprops=line)
    for name, (x, y) in places.items():
        box = {"boxstyle": "round,pad=0.45", "facecolor": "#e8eef7", "edgecolor": "#333333"}
        graph.text(x, y, labels[name], ha="center", va="center", fontsize=12, bbox=box)
        graph.text(x, y + 0.3, f"{values[name]:g}", ha="center", color="#0072B2", fontsize=12, fontweight="bold")
        slope = f"dJ/d{name} = {slopes[name]:g}"
        graph.text(x, y - 0.42, slope, ha="center", color="#B34700", fontsize=11, style="italic")
    graph.set(xlim=(-0.6, 5.4), ylim=(-0.7, 2.6), title="Values to the right (above), slopes to the left (below)")
    graph.axis("off")
    right.loglog(steps, found, "o-", color="#0072B2", label="right gradient")
    right.axhline(broken, color="#D55E00", linestyle="--", label="wrong dW2")
    right.invert_xaxis()
    right.set(xlabel="step h of the difference", ylabel="relative difference", title="Gradient checking, 2-5-3-1")
    right.text(0.12, 1e-7, "too coarse", color="#555555")
    right.text(2e-9, 1e-9, "rounding", color="#555555")
    right.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 0.92))
    options.save(figure, "computation_graph.png")


if __name__ == "__main__":
    main()
