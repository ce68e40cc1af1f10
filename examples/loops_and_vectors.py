"""Loop against vectorised: the dot product and the exponential of many numbers, one by one and all at once.

    python examples/loops_and_vectors.py --out pictures

The notes take 10 000 numbers; here the sizes go on to ten million.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import kit
import numpy as np

import fastnn
from fastnn import functional

LONGEST_LOOP = 1_000_000  # a loop over ten million numbers takes seconds


def loop_dot(a: Any, b: Any) -> float:
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


def loop_exp(a: Any) -> list[float]:
    return [math.exp(x) for x in a]


def seconds(function: Callable[[], object], at_most: float = 0.3) -> float:
    """Return the shortest of several runs, within a time limit."""
    best, began = math.inf, time.perf_counter()
    while time.perf_counter() - began < at_most or best == math.inf:
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    options = kit.options(__doc__)
    limit = 0.01 if options.quick else 0.3
    sizes = [100, 1_000, 10_000] if options.quick else [100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000]
    rng = np.random.default_rng(0)
    times: dict[str, list[float]] = {name: [] for name in ("loop over a list", "loop over an array", "numpy", "fastnn")}
    for n in sizes:
        a, b = rng.random(n), rng.random(n)
        taken = {
            "numpy": seconds(partial(np.dot, a, b), limit),
            "fastnn": seconds(partial(functional.dot, a, b), limit),
        }
        if n <= LONGEST_LOOP:
            listed = a.tolist(), b.tolist()
            taken["loop over a list"] = seconds(partial(loop_dot, *listed), limit)
            taken["loop over an array"] = seconds(partial(loop_dot, a, b), limit)
            assert math.isclose(loop_dot(*listed), functional.dot(a, b), rel_tol=1e-9)
        for name, column in times.items():
            column.append(taken.get(name, math.nan))
    at = sizes.index(10_000)
    print("dot product of 10 000 numbers, in microseconds:")
    for name, found in times.items():
        print(f"  {name:20s} {1e6 * found[at]:10.1f}   {times['loop over an array'][at] / found[at]:6.0f} times faster "
              "than the loop over an array")  # fmt: skip
    a = rng.random(10_000)
    slow, fast = seconds(lambda: loop_exp(a), limit), seconds(lambda: functional.sigmoid(a), limit)
    print(f"exp in a loop {1e6 * slow:.0f} us; sigmoid, which is more, vectorised {1e6 * fast:.1f} us")
    figure, axes = kit.panels(1, 1, 6.4, 4.6)
    ax = axes[0, 0]
    for (name, found), colour, mark in zip(times.items(), fastnn.plot.style.COLOURS, "os^D", strict=False):
        ax.loglog(sizes, found, marker=mark, color=colour, label=name)
    ax.set(xlabel="numbers", ylabel="seconds", title="Dot product: a loop and a vectorised call")
    ax.legend(frameon=False)
    options.save(figure, "loops_and_vectors.png")


if __name__ == "__main__":
    main()
