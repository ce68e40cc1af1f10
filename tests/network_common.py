"""What the tests of fastnn's Python share: every output and loss that go together, data for them, differences."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
from kernels_common import TOLERANCE

from fastnn import Network
from fastnn.model import OUTPUT_LOSSES

PAIRS = [(output, loss) for output, losses in OUTPUT_LOSSES.items() for loss in losses]
DOMAINS = {"binary_cross_entropy": (0.05, 0.95), "poisson": (0.1, 4.0)}


def tolerance(dtype):
    return TOLERANCE[np.dtype(dtype)]


def targets_for(rng, net, m):
    """Return targets that suit a network's output and loss, away from the kinks where they can be."""
    n_out = net.sizes[-1]
    if net.output == "softmax":
        return rng.dirichlet(np.ones(n_out), m)
    low, high = DOMAINS.get(net.loss, (-3.0, 3.0))
    return rng.uniform(low, high, (m, n_out))


def problem(output, loss, activation="tanh", dtype="float64", sizes=(4, 5, 3), m=7, seed=0, **options):
    """Return (network with random weights and biases, X, T)."""
    net = Network(
        sizes, output=output, loss=loss, activation=activation, dtype=dtype, seed=seed,
        init={"normal": 0.7, "bias": 0.4}, **options,
    )  # fmt: skip
    rng = np.random.default_rng([seed, sum(map(ord, output + loss))])
    return net, rng.normal(size=(m, sizes[0])), targets_for(rng, net, m)


def blobs(m=200, k=3, n=5, seed=0):
    """Return (X float32, labels) of k overlapping Gaussian clouds."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(k, n)) * 2
    y = np.arange(m) % k
    return (centres[y] + rng.normal(size=(m, n))).astype(np.float32), y


def run_python(code, *, timeout=120, **options):
    """Run code in a fresh interpreter, check that it ended well, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=timeout, **options
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
