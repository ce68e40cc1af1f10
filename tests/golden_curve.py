"""The golden curve: ten steps of one small network, computed by the oracle's loops and kept in the repository.

    python tests/golden_curve.py            print the curve, and whether it is the one that is kept
    python tests/golden_curve.py --write    keep it

Data, parameters and batches come from the oracle's own Philox, so that no library's random stream can move them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import kernels_oracle as oracle

FILE = Path(__file__).parent / "golden" / "ten_steps.json"
SIZES, ROWS, BATCH, KEY = (6, 5, 4, 3), 30, 4, 2024
HYPER = [[0.02 / (1 + 0.1 * i), 0.1, 0.9, 0.999, 1e-6] for i in range(10)]


def uniform(stream, n):
    """Return n numbers in -1 .. 1, exactly the same everywhere, and exact in float32."""
    words = [word for i in range((n + 3) // 4) for word in oracle.philox((i, 0, 0, stream), (KEY, 0))]
    return [((word >> 12) - 2**19) / 2**19 for word in words[:n]]


def inputs():
    """Return theta, X, class labels, sample weights and the order of rows."""
    n_parameters = sum((n_in + 1) * n_out for n_in, n_out in zip(SIZES[:-1], SIZES[1:], strict=True))
    X = uniform(1, ROWS * SIZES[0])
    return (
        uniform(0, n_parameters),
        [X[i * SIZES[0] : (i + 1) * SIZES[0]] for i in range(ROWS)],
        [int(3 * (u + 1) / 2) % 3 for u in uniform(2, ROWS)],
        [u + 1 for u in uniform(3, ROWS)],
        [int(ROWS * (u + 1) / 2) % ROWS for u in uniform(4, 10 * BATCH)],
    )


def curve(net):
    """Return the ten losses of ``net``, [data loss, penalty] each, by the oracle."""
    theta, X, labels, weights, order = inputs()
    T = [[float(label == j) for j in range(SIZES[-1])] for label in labels]
    batches = [order[i * BATCH : (i + 1) * BATCH] for i in range(10)]
    return [list(pair) for pair in oracle.train(net, "adamw", HYPER, 0, theta, X, T, weights, batches, KEY)[2]]


def kept():
    return json.loads(FILE.read_text(encoding="utf-8"))["losses"]


def main():
    from kernels_common import make_net

    losses = curve(golden_net(make_net))
    print(*losses, sep="\n")
    if "--write" in sys.argv[1:]:
        content = {"command": "python tests/golden_curve.py --write", "losses": losses}
        FILE.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        return 0
    same = all(
        abs(a - b) <= 1e-12 * abs(b) for x, y in zip(losses, kept(), strict=True) for a, b in zip(x, y, strict=True)
    )
    print("as kept" if same else "NOT what is kept")
    return 0 if same else 1


def golden_net(make_net):
    return make_net(
        SIZES, ("sigmoid", "tanh", "identity"), "categorical_cross_entropy",
        l2=(0.01, 0.02, 0.03), l2_over_norm=True, dropout=(0.2, 0.1, 0.0), clip=0.5,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
