"""The gradients of a model: of its loss, of a loss of the caller's, of its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import backends, engine
from .arrays import Array, aligned, as_input, matrix, vector
from .checks import whole
from .model import Model

__all__ = ["Differentiable"]


class Differentiable(Model):
    """A model with its gradients; `Network` adds training and prediction."""

    def loss_grad(
        self, X: Any, y: Any, *, theta: Any = None, sample_weight: Any = None, l2: float | Sequence[float] = 0.0
    ) -> tuple[float, Array]:
        """Return the loss and its gradient, for SciPy's optimisers and for checking.

        Parameters
        ----------
        X, y, sample_weight, l2
            As in `fit`.
        theta : array-like, shape (n_parameters,), optional
            Where to differentiate; None: at the network's own parameters, which are not changed.

        Returns
        -------
        loss : float
            Weighted mean of the loss over all rows, plus the penalty: exactly what is differentiated.
        gradient : ndarray, shape (n_parameters,)
            Fresh, in the order of ``theta``, the network's dtype.

        Examples
        --------
        >>> import fastnn
        >>> net = fastnn.Network([1, 1], output="identity", init="zeros", dtype="float64")
        >>> net.loss_grad([[2.0]], [3.0])  # (0 - 3)^2 / 2, d/dw = -3 * 2, d/db = -3
        (4.5, array([-6., -3.]))
        """
        data = engine.encode(self, X, y, sample_weight)
        at = self.theta if theta is None else vector(theta, "theta", self.n_parameters, self.dtype)
        return engine.gradient(self, backends.kernels(), data, at, self.const(l2=l2), None)

    def backward(self, X: Any, dY: Any) -> tuple[Array, Array]:
        """Return the gradients of a loss of the caller's.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (m, n_in)
        dY : array-like, shape (m, n_out)
            d loss / d output, where output is what `predict` gives.

        Returns
        -------
        gradient : ndarray, shape (n_parameters,)
            d loss / d theta.
        dX : ndarray, shape (m, n_in)
            d loss / d X.

        Examples
        --------
        >>> import numpy as np, fastnn
        >>> net = fastnn.Network.from_weights([[[2.0], [5.0]]], None, output="identity")
        >>> net.backward([[3.0, 4.0]], [[1.0]])
        (array([3., 4.]), array([[2., 5.]]))
        """
        rows = as_input(X, self.sizes[0], self.dtype)
        dY = matrix(dY, "dY", (rows.rows, self.sizes[-1]), self.dtype)
        grad = aligned(self.n_parameters, self.dtype)
        dX = np.empty((rows.rows, self.sizes[0]), self.dtype)
        engine.backward(self, backends.kernels(), rows, dY, grad, dX, None)
        return grad, dX

    def input_gradient(self, X: Any, output: int | None = None) -> Array:
        """Return d output_j / d X for each row.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (m, n_in)
        output : int or None
            j; None: the sum of all outputs, which for one output is that output.

        Returns
        -------
        ndarray, shape (m, n_in)

        Raises
        ------
        ValueError
            If there is no such output.
        """
        rows = as_input(X, self.sizes[0], self.dtype)
        n_out = self.sizes[-1]
        dY = np.ones((rows.rows, n_out), self.dtype)
        if output is not None:
            index = whole(output, "output")
            if index >= n_out:
                raise ValueError(f"output must be 0 ... {n_out - 1}, got {index}.")
            dY[...] = np.arange(n_out) == index
        dX = np.empty((rows.rows, self.sizes[0]), self.dtype)
        engine.backward(self, backends.kernels(), rows, dY, np.empty(0, self.dtype), dX, None)
        return dX

    def jacobian(self, X: Any) -> Array:
        """Return d output / d X for each row, shape (m, n_out, n_in)."""
        columns = [self.input_gradient(X, j) for j in range(self.sizes[-1])]
        return np.stack(columns, axis=1)
