"""The network as two tables: what every program reads instead of objects.

``plan`` is int64 of shape (L + 1, 8), ``const`` float64 of shape (L + 1, 4), for a network of L layers.  Row 0 is the
header, row l = 1 ... L describes layer l, and the columns are named below.  ``c/plan.h`` has the same names; a test
holds them equal.

theta is W1, b1, W2, b2, ... one after another, each row-major, W of shape (n_in, n_out), without padding; a layer
without bias has no b.  ``UNIT`` counts the units of the layers before, so that a backend that keeps the outputs of all
layers for m rows finds those of layer l at m * UNIT in its work space.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .activations import ACTIVATIONS, INPUT

# header columns of plan
N_LAYERS, FEATURES, OUTPUTS, N_PARAMETERS, LINK, WIDEST, UNITS = range(7)
# layer columns of plan
N_IN, N_OUT, ACT, BIAS, W_AT, B_AT, UNIT, READS_INPUT = range(8)
# header columns of const
LOSS_PARAMETER, INPUT_SCALE, CLIP_NORM, L2_OVER_NORM = range(4)
# layer columns of const
L2, DROPOUT = range(2)

LARGEST = 2**62  # elements; far beyond any memory, and m * size still fits int64 where sizes are sane


def make_plan(sizes: Sequence[int], acts: Sequence[int], link: int, bias: bool) -> np.ndarray:
    """Return the plan of a network.

    Parameters
    ----------
    sizes : sequence of int
        Units per layer, the input first; at least two.
    acts : sequence of int
        Activation code of each layer, the last one included: ``len(sizes) - 1`` of them.
    link : int
        Link code, applied to the last layer's output by predict and backward.
    bias : bool
        Whether the layers have biases.

    Returns
    -------
    ndarray of int64, shape (len(sizes), 8)

    Raises
    ------
    OverflowError
        If the number of parameters passes 2^62.
    """
    plan = np.zeros((len(sizes), 8), np.int64)
    at = unit = 0
    for layer, (n_in, n_out, act) in enumerate(zip(sizes[:-1], sizes[1:], acts, strict=True), start=1):
        b_at = at + n_in * n_out
        if b_at + n_out > LARGEST:
            raise OverflowError(f"layer {layer} takes the network past 2^62 parameters")
        plan[layer] = n_in, n_out, act, bias, at, b_at, unit, ACTIVATIONS[act].reads == INPUT
        at = b_at + n_out * bias
        unit += n_out
    plan[0, :UNITS + 1] = len(sizes) - 1, sizes[0], sizes[-1], at, link, max(sizes), unit
    return plan


def make_const(
    plan: np.ndarray,
    *,
    l2: float | Sequence[float] = 0.0,
    dropout: float | Sequence[float] = 0.0,
    loss_parameter: float = 0.0,
    input_scale: float = 1.0,
    clip_norm: float = 0.0,
    l2_over_norm: bool = False,
) -> np.ndarray:
    """Return the const table beside a plan.

    Parameters
    ----------
    plan : ndarray
        From `make_plan`.
    l2 : float or one per layer
        Penalty l2 / 2 * sum(W^2); biases are exempt.
    dropout : float or one per hidden layer
        Rate at which outputs of hidden layers are dropped while training, 0 <= rate < 1.
    loss_parameter : float
        Huber's delta, the quantile; for a cross-entropy -c, where an element shall count c at most in what is reported.
    input_scale : float
        Factor on every entry of X as it is gathered.
    clip_norm : float
        Largest Euclidean norm of the gradient in ``train``; 0 for no clipping.
    l2_over_norm : bool
        Divide the penalty by ``norm``, as the data loss is (scikit-learn's convention).

    Returns
    -------
    ndarray of float64, shape (L + 1, 4)
    """
    const = np.zeros((len(plan), 4))
    const[0] = loss_parameter, input_scale, clip_norm, l2_over_norm
    const[1:, L2] = l2
    const[1:-1, DROPOUT] = dropout
    return const
