"""Networks from arrays of parameters and back: matrices (n_in, n_out), or the notes' dict of columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from .arrays import Array, numeric
from .errors import require
from .gradients import Differentiable
from .parameters import as_dict, as_layers

__all__ = ["Convertible"]


class Convertible(Differentiable):
    """A model that is made from arrays of parameters and gives them back; `Network` adds training and prediction."""

    @classmethod
    def from_weights(
        cls,
        weights: Sequence[Any],
        biases: Sequence[Any] | None,
        *,
        output: str,
        activation: str | Sequence[str] = "relu",
        loss: str | Mapping[str, float] | None = None,
        dtype: Any = None,
        input_scale: float = 1.0,
    ) -> Self:
        """Return a network with given parameters, copied.

        Parameters
        ----------
        weights : sequence of array-like, shapes (n_in, n_out)
        biases : sequence of array-like, shapes (n_out,), or None
            None for a network without biases.
        output, activation, loss, input_scale
            As in `Network`.
        dtype : dtype, optional
            None: float32 where every array is, else float64.

        Raises
        ------
        ValueError
            If the shapes do not chain; the message names the layer.

        Examples
        --------
        >>> import fastnn
        >>> net = fastnn.Network.from_weights([[[2.0]]], [[1.0]], output="identity")
        >>> net.predict([[3.0]])
        array([[7.]])
        """
        matrices = [numeric(W, f"weights[{i}]") for i, W in enumerate(weights)]
        for i, W in enumerate(matrices):
            if W.ndim != 2:
                raise ValueError(f"weights[{i}] must be 2-D, (n_in, n_out), got shape {W.shape}.")
            if i and W.shape[0] != matrices[i - 1].shape[1]:
                raise ValueError(
                    f"weights[{i}] has {W.shape[0]} rows; the layer before it gives {matrices[i - 1].shape[1]} "
                    f"outputs. It must have shape ({matrices[i - 1].shape[1]}, ...)."
                )
        if not matrices:
            raise ValueError("weights is empty; give one (n_in, n_out) matrix per layer.")
        vectors = None if biases is None else [numeric(b, f"biases[{i}]") for i, b in enumerate(biases)]
        if vectors is not None and len(vectors) != len(matrices):
            raise ValueError(f"there are {len(matrices)} weights and {len(vectors)} biases; give one bias per layer.")
        if dtype is None:
            dtype = "float32" if all(a.dtype == np.float32 for a in [*matrices, *(vectors or [])]) else "float64"
        sizes = [matrices[0].shape[0], *(W.shape[1] for W in matrices)]
        made = cls(
            sizes, output=output, activation=activation, loss=loss, bias=vectors is not None, init="zeros", dtype=dtype,
            seed=0, input_scale=input_scale,
        )  # fmt: skip
        for i, W in enumerate(matrices):
            made.weights[i] = W
            if vectors is not None:
                made.biases[i] = vectors[i].reshape(-1)
        return made

    @classmethod
    def from_parameters(
        cls,
        parameters: Mapping[str, Any],
        *,
        output: str = "sigmoid",
        activation: str | Sequence[str] = "relu",
        loss: str | Mapping[str, float] | None = None,
        dtype: Any = None,
        input_scale: float = 1.0,
    ) -> Self:
        """Return a network with the parameters of the notes, copied.

            weights[l - 1] = W[l]^T,   biases[l - 1] = b[l]          the network takes examples in rows: X^T

        Parameters
        ----------
        parameters : dict
            ``W1 b1 W2 b2 ...``, W[l] (n_l, n_(l-1)) and b[l] (n_l, 1), or without any b; or ``w`` (n_x, 1) and ``b``, a
            number, of `fastnn.course.logistic`.
        output, activation, loss, dtype, input_scale
            As in `from_weights`; the defaults are those of `fastnn.course.deep`.

        Raises
        ------
        TypeError
            If it is no mapping.
        ValueError
            If a key is missing or the shapes do not chain; the message names the layer and what would fit.

        Examples
        --------
        >>> import fastnn
        >>> net = fastnn.Network.from_parameters({"W1": [[1.0, 2.0]], "b1": [[0.5]]}, output="identity")
        >>> net.predict([[3.0, 4.0]])
        array([[11.5]])
        """
        if isinstance(parameters, Mapping) and "w" in parameters and "W1" not in parameters:
            parameters = {"W1": numeric(parameters["w"], "w").T, "b1": parameters.get("b", 0.0)}
        weights, biases = as_layers(parameters)
        return cls.from_weights(
            [W.T for W in weights], [b.reshape(-1) for b in biases] or None, output=output, activation=activation,
            loss=loss, dtype=dtype, input_scale=input_scale,
        )  # fmt: skip

    def to_parameters(self) -> dict[str, Array]:
        """Return the parameters as the notes keep them: new arrays W1 (n_1, n_0), b1 (n_1, 1), W2, b2, ...

        Without biases there is no b.  A network whose inputs are scaled keeps its scale to itself: scale X, too.

        Examples
        --------
        >>> import fastnn
        >>> net = fastnn.Network.from_weights([[[1.0], [2.0]]], [[0.5]], output="sigmoid")
        >>> net.to_parameters()
        {'W1': array([[1., 2.]]), 'b1': array([[0.5]])}
        """
        biases = [b.reshape(-1, 1).copy() for b in self.biases] if self.bias else []
        return as_dict([W.T.copy() for W in self.weights], biases)

    def to_networkx(self) -> Any:
        """Return the network as a directed graph: neurons are nodes, weights are edges.

        Returns
        -------
        networkx.DiGraph
            Nodes (layer, unit), the inputs being layer 0, with the attributes ``layer``, ``unit``, ``kind`` ("input",
            "hidden" or "output"), and but for inputs ``activation`` and ``bias`` (0.0 where the network has none).
            Edges with ``weight``.  The graph itself has ``sizes``, ``output`` and ``loss``.

        Raises
        ------
        MissingDependencyError
            If networkx is not installed.

        Notes
        -----
        Each edge takes about half a kilobyte: 784-16-16-10 with its 12 960 weights makes 7 MB.

        Examples
        --------
        >>> import fastnn
        >>> net = fastnn.Network.from_weights([[[2.0, -1.0]]], [[0.5, 0.0]], output="softmax")
        >>> graph = net.to_networkx()
        >>> graph.edges[(0, 0), (1, 1)]["weight"], graph.nodes[1, 0]["bias"], graph.nodes[1, 0]["activation"]
        (-1.0, 0.5, 'softmax')
        """
        networkx: Any = require("networkx", "graph", "The network as a graph")
        graph = networkx.DiGraph(sizes=self.sizes, output=self.output, loss=self.loss)
        graph.add_nodes_from(((0, i), {"layer": 0, "unit": i, "kind": "input"}) for i in range(self.sizes[0]))
        for layer, (W, b) in enumerate(zip(self.weights, self.biases, strict=True), start=1):
            last = layer == self.n_layers
            shared = {"layer": layer, "kind": "output" if last else "hidden",
                      "activation": self.output if last else self.activations[layer - 1]}  # fmt: skip
            biases = b.tolist() if b.size else [0.0] * W.shape[1]
            graph.add_nodes_from(
                ((layer, unit), {**shared, "unit": unit, "bias": bias}) for unit, bias in enumerate(biases)
            )
            graph.add_weighted_edges_from(
                ((layer - 1, i), (layer, j), weight) for i, row in enumerate(W.tolist()) for j, weight in enumerate(row)
            )
        return graph
