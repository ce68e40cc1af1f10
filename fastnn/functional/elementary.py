"""The elementary functions that the activations are made of, for arrays: exp, expm1, log, log1p and erf.

Made from the rows of ``kernels/elementary.py``; tanh, sigmoid and softplus are among the activations.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.kernels.elementary import FUNCTIONS

from ..arrays import Array
from .inputs import ELEMENTARY, ElementwiseFunction, mapped

__all__ = ["erf", "exp", "expm1", "log", "log1p"]

BY_NAME = {record.name: record for record in FUNCTIONS}


def _elementary(name: str) -> ElementwiseFunction:
    record = BY_NAME[name]

    def function(x: Any, out: Array | None = None) -> Array:
        return mapped(ELEMENTARY, record.code, x, out)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""Return {name}(x), element by element.

        y = {record.formula}

    Parameters
    ----------
    x : array-like, any shape
    out : ndarray, the shape of x, optional
        May be x.

    Returns
    -------
    ndarray
        New, or ``out``; float32 for float32, else float64.

    Notes
    -----
    The error is at most 2 units in the last place (``kernels/elementary.py`` has the table).  NaN gives NaN; logarithms
    of 0 are -inf and of less NaN; nothing warns.

    Examples
    --------
    >>> round(float({name}(0.5)), 6)
    {round(float(record.f(np.float64(0.5))), 6)}
    """
    return function


exp, expm1, log, log1p, erf = (_elementary(name) for name in ("exp", "expm1", "log", "log1p", "erf"))
