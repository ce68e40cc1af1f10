"""Broadcasting: percentages of a table without a loop, a column plus a row, and the trap of rank-1 arrays.

    python examples/broadcasting.py --out pictures

Calories in 100 g, from carbohydrates, proteins and fat, and the share of each.  Where notes write randn((2, 2)): that
raises TypeError, as np.random.randn takes sizes and no tuple; it is np.random.randn(2, 2).
"""

from __future__ import annotations

import kit
import numpy as np

FOODS = ("apples", "beef", "eggs", "potatoes")
SOURCES = ("carbohydrates", "proteins", "fat")
CALORIES = np.array([[56.0, 0.0, 4.4, 68.0], [1.2, 104.0, 52.0, 8.0], [1.8, 135.0, 99.0, 0.9]])


def percentages(table: kit.Array) -> kit.Array:
    """Return each entry's share of its column's sum: (3, 4) / (1, 4)."""
    shares: kit.Array = 100 * table / table.sum(axis=0, keepdims=True)
    return shares


def main() -> None:
    options = kit.options(__doc__)
    shares = percentages(CALORIES)
    print("per cent of the calories from", ", ".join(SOURCES))
    print(np.array2string(shares, formatter={"float": lambda x: f"{x:6.2f}"}))

    a, b = np.array([[1.0], [2.0], [3.0]]), np.array([[10.0], [20.0], [30.0], [40.0]])
    c = a + b.T
    print(f"a {a.shape} + b.T {b.T.shape} is c {c.shape}: c[i, j] = a[i, 0] + b[j, 0]\n{c}")

    trap = np.arange(5.0)
    print(f"rank 1: shape {trap.shape}; its transpose has the same shape {trap.T.shape}, and a @ a.T is the number "
          f"{trap @ trap.T:g}, not a matrix")  # fmt: skip
    column = trap.reshape(5, 1)
    print(f"a column: shape {column.shape}, transpose {column.T.shape}, a @ a.T has shape {(column @ column.T).shape}")
    try:
        np.random.randn((2, 2))  # type: ignore[call-overload]  # noqa: NPY002
    except TypeError as error:
        print(f"randn((2, 2)) as in some notes: TypeError, {error}")

    figure, axes = kit.panels(1, 2, 5.2, 3.8)
    left, right = axes[0]
    bottom = np.zeros(4)
    for name, row, colour, hatch in zip(
        SOURCES, shares, ("#0072B2", "#E69F00", "#999999"), ("", "//", ".."), strict=True
    ):
        left.bar(FOODS, row, bottom=bottom, color=colour, hatch=hatch, edgecolor="white", label=name)
        for x, (share, base) in enumerate(zip(row, bottom, strict=True)):
            if share > 6:
                left.text(x, base + share / 2, f"{share:.1f}", ha="center", va="center",
                          bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5})  # fmt: skip
        bottom += row
    left.set(ylabel="% of the calories", title="(3, 4) / (1, 4)")
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=3, frameon=False, fontsize=9)
    left.spines[["top", "right"]].set_visible(False)
    right.imshow(c, cmap="cividis")
    for i, j in np.ndindex(c.shape):
        right.text(
            j, i, f"{c[i, j]:g}", ha="center", va="center", color="white" if c[i, j] < 28 else "black", fontsize=13
        )
    right.set_xticks(range(4), [f"{x:g}" for x in b[:, 0]])
    right.set_yticks(range(3), [f"{x:g}" for x in a[:, 0]])
    right.set(title="a (3, 1) + b.T (1, 4) is (3, 4)", xlabel="b.T", ylabel="a")
    options.save(figure, "broadcasting.png")


if __name__ == "__main__":
    main()
