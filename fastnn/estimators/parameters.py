"""Where an estimator's parameters live: in a Network, seen from scikit-learn as ``coefs_`` and ``intercepts_``.

``coefs_`` and ``intercepts_`` are lists of views of the network's theta, so that training moves them and writing to
them moves the network.  Users may also put other arrays in their place; then they are what counts, and the network is
built from them anew.  While nobody has been handed the lists, nobody can have changed them, and a frozen predictor of
the last fit stays right: that is what makes a prediction for one row short.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ..arrays import Array
from ..network import Network
from .draws import filler
from .fast import Frozen

__all__ = ["Parameters", "network_of"]

# scikit-learn's names of outputs and activations, and the network's
OUTPUTS = {"softmax": "softmax", "logistic": "sigmoid", "identity": "identity", "exp": "exp"}
GLOROT, GLOROT_LOGISTIC = 6.0, 2.0  # in scikit-learn's bound sqrt(factor / (fan_in + fan_out))


def hidden_activations(activation: Any, hidden: int) -> list[str]:
    """Return the activation of each hidden layer; raise ValueError for another number of them."""
    if isinstance(activation, str):
        return [activation] * hidden
    names = [str(name) for name in activation]
    if len(names) != hidden:
        raise ValueError(
            f"activation must be one name or one per hidden layer ({hidden}), got {len(names)}: {list(activation)!r}."
        )
    return names


def network_of(est: Any, sizes: list[int], dtype: Any) -> Network:
    """Return a network of an estimator's settings, its parameters zero."""
    output = OUTPUTS[est.out_activation_]
    net = Network(
        sizes, activation=hidden_activations(est.activation, len(sizes) - 2), output=output, loss=est._network_loss(),
        init="zeros", dtype=dtype, seed=0,
    )  # fmt: skip
    net.multilabel = output == "sigmoid" and sizes[-1] > 1
    return net


def draw(est: Any, net: Network, rng: np.random.RandomState) -> None:
    """Draw the initial parameters exactly as scikit-learn does: per layer W, then b, uniform, in float64.

    A layer with its own activation takes its own bound; the output layer that of the last hidden one.
    """
    fill = filler(rng, net.dtype)
    acts = hidden_activations(est.activation, len(net.sizes) - 2)
    acts = [*acts, acts[-1] if acts else str(est.activation)]
    for W, b, act in zip(net.weights, net.biases, acts, strict=True):
        factor = GLOROT_LOGISTIC if act in ("logistic", "sigmoid") else GLOROT
        bound = np.sqrt(factor / (W.shape[0] + W.shape[1]))
        fill(W, bound)
        fill(b, bound)


class Parameters:
    """The part of an estimator that holds its parameters."""

    _network: Network | None = None
    _exposed = True  # whether someone holds the arrays and may have changed them

    @property
    def coefs_(self) -> list[Array]:
        """Weight matrices, (n_in, n_out) each."""
        return self._list("_coefs", "coefs_")

    @coefs_.setter
    def coefs_(self, value: Any) -> None:
        self.__dict__["_coefs"], self._exposed = value, True

    @coefs_.deleter
    def coefs_(self) -> None:
        self._list("_coefs", "coefs_")
        del self.__dict__["_coefs"]

    @property
    def intercepts_(self) -> list[Array]:
        """Bias vectors, (n_out,) each."""
        return self._list("_intercepts", "intercepts_")

    @intercepts_.setter
    def intercepts_(self, value: Any) -> None:
        self.__dict__["_intercepts"], self._exposed = value, True

    @intercepts_.deleter
    def intercepts_(self) -> None:
        self._list("_intercepts", "intercepts_")
        del self.__dict__["_intercepts"]

    @property
    def network_(self) -> Network:
        """The fastnn Network underneath: it shares its parameters with ``coefs_`` and ``intercepts_``."""
        if "_coefs" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute 'network_' before fit.")
        self._exposed = True
        return self._adopted()

    def _list(self, kept: str, name: str) -> Any:
        if kept not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        self._exposed = True
        return self.__dict__[kept]

    def _is_synced(self) -> bool:
        """Return whether ``coefs_`` and ``intercepts_`` are still the network's own views."""
        if self._network is None:
            return False
        if not self._exposed:
            return True
        arrays = [*self.__dict__["_coefs"], *self.__dict__["_intercepts"]]
        return len(arrays) == len(self._views) and all(a is b for a, b in zip(arrays, self._views, strict=True))

    def _current(self) -> Network:
        """Return a network with the present parameters; what users put in place of the views is left theirs."""
        return self._network if self._is_synced() else self._built()  # type: ignore[return-value]

    def _adopted(self) -> Network:
        """Return the network; where users put other arrays in place, copy them and let the lists hold views of it."""
        if not self._is_synced():
            self._adopt(self._built())
        return self._network  # type: ignore[return-value]

    def _built(self, dtype: Any = None) -> Network:
        """Return a new network from the lists."""
        coefs, intercepts = self.__dict__["_coefs"], self.__dict__["_intercepts"]
        arrays = [np.asarray(array) for array in (*coefs, *intercepts)]
        if dtype is None:
            dtype = "float32" if all(array.dtype == np.float32 for array in arrays) else "float64"
        sizes = [int(arrays[0].shape[0]), *(int(W.shape[1]) for W in arrays[: len(coefs)])]
        net = network_of(self, sizes, dtype)
        for W, source in zip([*net.weights, *net.biases], arrays, strict=True):
            W[...] = source
        return net

    def _adopt(self, net: Network) -> None:
        """Let a network hold the parameters from now on."""
        self._network, self._const, self._frozen = net, net.const(), Frozen()
        self.__dict__["_coefs"], self.__dict__["_intercepts"] = list(net.weights), list(net.biases)
        self._views = [*self.__dict__["_coefs"], *self.__dict__["_intercepts"]]

    def _pickled(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return the state with plain arrays in place of the network and its views."""
        kept = {name: value for name, value in state.items() if name not in INNER}
        if "_coefs" in state:
            kept["coefs_"] = [np.array(W) for W in state["_coefs"]]
            kept["intercepts_"] = [np.array(b) for b in state["_intercepts"]]
        return kept

    def _unpickle(self, state: dict[str, Any]) -> None:
        """Take `_pickled`'s result; the arrays are copied, as joblib may map them read-only from a file."""
        state = dict(state)
        coefs, intercepts = state.pop("coefs_", None), state.pop("intercepts_", None)
        self.__dict__.update(state)
        if coefs is not None:
            self.__dict__["_coefs"], self.__dict__["_intercepts"] = coefs, intercepts
            if "out_activation_" in state:
                self._adopt(self._built())
                self._exposed = False


# what `_pickled` leaves out and `_unpickle` builds again
INNER = {"_network", "_const", "_frozen", "_views", "_exposed", "_coefs", "_intercepts"}


def sizes_of(est: Any, features: int, outputs: int) -> list[int]:
    """Return the layer sizes that ``hidden_layer_sizes`` asks for."""
    hidden = est.hidden_layer_sizes
    hidden = list(hidden) if hasattr(hidden, "__iter__") else [hidden]
    if any(size <= 0 for size in hidden):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {hidden}.")
    sizes = [features, *(int(size) for size in hidden), outputs]
    assert all(n > 0 for pair in pairwise(sizes) for n in pair)
    return sizes
