"""The structure of a network and its parameters: sizes, names, plan, theta, views, copies.

`Model` knows nothing of training or prediction; `Network` adds those.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from numbers import Real
from pathlib import Path
from typing import Any, Self

import numpy as np

from fastnn.kernels import losses as L
from fastnn.kernels import plan as P
from fastnn.kernels.activations import ALIASES as ACTIVATION_ALIASES
from fastnn.kernels.activations import BY_NAME as ACTIVATION
from fastnn.kernels.activations import IDENTITY

from .arrays import Array, aligned, matrix, vector
from .checks import choice, per_layer, real, truth, whole
from .initializers import initialise

__all__ = ["OUTPUT_LOSSES", "Model", "Views"]

PLAIN = ("squared_error", "absolute_error", "huber")
OUTPUT_LOSSES: dict[str, tuple[str, ...]] = {
    "softmax": ("categorical_cross_entropy",),
    "sigmoid": ("binary_cross_entropy", *PLAIN),
    "identity": (*PLAIN, "quantile"),
    "exp": ("poisson",),
    **{name: PLAIN for name in ACTIVATION if name not in ("sigmoid", "identity")},
}
DTYPES = ("float32", "float64")
# What theta, plan and kernels rest on: another value takes another network.
FIXED = frozenset({
    "sizes", "activations", "output", "loss", "loss_parameter", "bias", "input_scale", "dtype", "link", "loss_code",
    "domain", "plan",
})  # fmt: skip
REBUILT = FIXED | {"_theta", "multilabel", "seed", "rng"}  # what a copy makes from config, theta and generator
ALWAYS_THERE = 1 << 26  # bytes; to ask the system takes longer than to make a network this small


class Views(Sequence[Array]):
    """The weights or biases of a network, layer by layer, as views of theta.

    ``views[l]`` is writable in place; ``views[l] = array`` copies in, checked for shape and finiteness.
    """

    def __init__(self, name: str, arrays: list[Array]) -> None:
        self._name = name
        self._arrays = arrays

    def __len__(self) -> int:
        """Return the number of layers."""
        return len(self._arrays)

    def __getitem__(self, index: Any) -> Any:
        """Return one view, or a list of them for a slice."""
        try:
            return self._arrays[index]
        except IndexError:
            raise IndexError(f"there is no {self._name}[{index}]: this network has {len(self)} layers.") from None

    def __iter__(self) -> Iterator[Array]:
        """Iterate over the views."""
        return iter(self._arrays)

    def __setitem__(self, index: Any, value: Any) -> None:
        """Copy an array into one layer's view."""
        if isinstance(index, slice):
            raise TypeError(f"assign {self._name} one layer at a time: {self._name}[l] = array.")
        target = self[index]
        name = f"{self._name}[{index}]"
        if target.ndim == 2:
            target[...] = matrix(value, name, (target.shape[0], target.shape[1]), target.dtype)
        else:
            target[...] = vector(value, name, target.size, target.dtype)

    def __repr__(self) -> str:
        """Return the shapes."""
        return f"<{self._name}: {', '.join(str(array.shape) for array in self._arrays)}>"


class Model:
    """Sizes, activations, output, loss, and one flat vector of parameters.

    See `Network` for the parameters; it is this class with training and prediction.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        output: str,
        activation: str | Sequence[str] = "relu",
        loss: str | Mapping[str, float] | None = None,
        bias: bool = True,
        init: Any = None,
        dtype: Any = "float32",
        seed: int | None = None,
        input_scale: float = 1.0,
    ) -> None:
        self.sizes = _sizes(sizes)
        hidden = per_layer(activation, "activation", len(self.sizes) - 2, "hidden layer")
        if isinstance(activation, str):
            choice(activation, "activation", ACTIVATION, ACTIVATION_ALIASES)  # also where no layer is hidden
        self.activations = tuple(choice(name, "activation", ACTIVATION, ACTIVATION_ALIASES) for name in hidden)
        self.output = choice(output, "output", OUTPUT_LOSSES, ACTIVATION_ALIASES)
        if self.output == "softmax" and self.sizes[-1] < 2:
            raise ValueError(
                f"output='softmax' needs two outputs or more, got sizes[-1] = {self.sizes[-1]}. Use output='sigmoid'."
            )
        self.loss, self.loss_parameter = resolve_loss(loss, self.output)
        self.bias = truth(bias, "bias")
        self.input_scale = real(input_scale, "input_scale", 0, open_low=True)
        self.dtype = _dtype(dtype)
        self.multilabel = False
        self._derive()
        self.seed = int(np.random.SeedSequence().entropy) if seed is None else whole(seed, "seed")  # type: ignore[arg-type]
        self.rng = np.random.default_rng(self.seed)
        self._theta = self._allocate()
        initialise(init, self.plan, self.rng, self._theta)

    __init__.__qualname__ = "Network"  # for Python's message about a missing argument

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, but none that the kernels rely on."""
        if name in FIXED and name in self.__dict__:
            raise AttributeError(
                f"{name} of a network cannot be changed. Build another: Network(...), or Network.from_weights(...) to "
                "keep the parameters."
            )
        object.__setattr__(self, name, value)

    def _derive(self) -> None:
        """Set what follows from the names: plan, codes, link and loss domain."""
        record = L.BY_NAME[self.loss]
        canonical = record.link == self.output
        last = IDENTITY if canonical else ACTIVATION[self.output].code
        acts = [*(ACTIVATION[name].code for name in self.activations), last]
        self.link = L.LINK_BY_NAME[self.output if canonical else "identity"].code
        self.loss_code, self.domain = record.code, record.domain
        try:
            self.plan = P.make_plan(self.sizes, acts, self.link, self.bias)
        except OverflowError as error:
            raise MemoryError(f"sizes {self.sizes} are too large: {error}.") from error
        self.plan.flags.writeable = False

    def _allocate(self) -> Array:
        """Return zeros for theta; raise MemoryError, before anything is touched, where it exceeds the memory.

        Counted with it is the largest layer's initial draw, which is in float64.
        """
        largest = max(n_in * n_out for n_in, n_out in pairwise(self.sizes))
        size = self.n_parameters * self.dtype.itemsize + 8 * largest
        memory = physical_memory() if size > ALWAYS_THERE else None
        if memory is not None and size > memory:
            raise MemoryError(
                f"sizes {self.sizes} have {self.n_parameters:,} parameters; to make them in {self.dtype.name} takes "
                f"{size / 2**30:.1f} GiB, and this machine has {memory / 2**30:.1f} GiB. Use smaller layers."
            )
        return aligned(self.n_parameters, self.dtype, np.zeros)

    # ---- parameters

    @property
    def theta(self) -> Array:
        """All parameters: W1, b1, W2, b2, ..., each row-major, shape (n_parameters,); a live array, not a copy.

        Assigning copies in: ``net.theta = v``.  Raises ValueError for another shape or what is not finite.
        """
        return self._theta

    @theta.setter
    def theta(self, value: Any) -> None:
        self._theta[...] = vector(value, "theta", self.n_parameters, self.dtype)

    def check_writable(self) -> None:
        """Raise ValueError where the caller has made theta read-only: kernels would write all the same."""
        if not self._theta.flags.writeable:
            raise ValueError(
                "net.theta is read-only, so the network cannot be trained. Set net.theta.flags.writeable = True, or "
                "train a net.copy()."
            )

    @property
    def weights(self) -> Views:
        """The weight matrices, (n_in, n_out) each, as views of theta; assigning to an entry copies in."""
        return Views("weights", [W for W, _ in self._layers()])

    @property
    def biases(self) -> Views:
        """The bias vectors, (n_out,) each, as views of theta; empty arrays where the network has no biases."""
        return Views("biases", [b for _, b in self._layers()])

    def _layers(self) -> Iterator[tuple[Array, Array]]:
        for n_in, n_out, _, bias, w_at, b_at, _, _ in self.plan[1:].tolist():
            yield self._theta[w_at:b_at].reshape(n_in, n_out), self._theta[b_at : b_at + n_out * bias]

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases."""
        return int(self.plan[0, P.N_PARAMETERS])

    @property
    def n_layers(self) -> int:
        """Number of layers, the input not counted."""
        return len(self.sizes) - 1

    def const(self, *, l2: Any = 0.0, dropout: Any = 0.0, clip_norm: float | None = None) -> Array:
        """Return the kernels' const table for this model and the given penalties, checked."""
        l2 = [real(rate, "l2", 0) for rate in per_layer(l2, "l2", self.n_layers, "layer")]
        hidden = per_layer(dropout, "dropout", self.n_layers - 1, "hidden layer")
        rates = [real(rate, "dropout", 0, 1, open_high=True) for rate in hidden]
        if isinstance(dropout, Real):
            real(dropout, "dropout", 0, 1, open_high=True)  # also where no layer is hidden
        limit = 0.0 if clip_norm is None else real(clip_norm, "clip_norm", 0, open_low=True)
        const: Array = P.make_const(
            self.plan, l2=l2, dropout=rates, loss_parameter=self.loss_parameter, input_scale=self.input_scale,
            clip_norm=limit,
        )  # fmt: skip
        return const

    # ---- copies

    def config(self) -> dict[str, Any]:
        """Return what rebuilds this model but for theta, as plain JSON values."""
        loss: Any = self.loss
        if L.BY_NAME[self.loss].parameter is not None:
            loss = {self.loss: self.loss_parameter}
        return {
            "sizes": list(self.sizes),
            "activation": list(self.activations),
            "output": self.output,
            "loss": loss,
            "bias": self.bias,
            "dtype": self.dtype.name,
            "seed": self.seed,
            "input_scale": self.input_scale,
            "multilabel": self.multilabel,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], theta: Array) -> Self:
        """Return a model built from `config` with a copy of theta; names and shapes are checked as usual."""
        arguments = dict(config)
        multilabel = bool(arguments.pop("multilabel", False))
        sizes = arguments.pop("sizes")
        made = cls(sizes, init="zeros", **arguments)
        made.theta = theta
        made.multilabel = multilabel
        return made

    def copy(self) -> Self:
        """Return an independent copy: parameters and the state of the random generator included."""
        from copy import deepcopy  # NumPy does without, and so does the import of fastnn

        return deepcopy(self)

    def __copy__(self) -> Self:
        """Return an independent copy: a shared theta would surprise."""
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return an independent copy."""
        from copy import deepcopy

        made = memo[id(self)] = type(self).__new__(type(self))
        made.__setstate__(deepcopy(self.__getstate__(), memo))
        return made

    def __getstate__(self) -> dict[str, Any]:
        """Return the state that pickle and copy keep: whatever a subclass or the caller added included."""
        return {
            "config": self.config(),
            "theta": self._theta.copy(),
            "rng": self.rng,
            "others": {name: value for name, value in self.__dict__.items() if name not in REBUILT},
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Rebuild from `__getstate__`'s result; a subclass's own constructor is not called."""
        config = dict(state["config"])
        multilabel = config.pop("multilabel")
        Model.__init__(self, config.pop("sizes"), init="zeros", **config)
        self._theta[...] = state["theta"]  # not through the setter: what diverged must still be copied
        self.multilabel, self.rng = multilabel, state["rng"]
        self.__dict__.update(state["others"])

    def soft_update(self, other: Model, tau: float) -> None:
        """Move the parameters towards another network's: theta <- (1 - tau) theta + tau other.theta.

        Parameters
        ----------
        other : Model
            Of the same sizes; dtypes may differ.
        tau : float
            In [0, 1]; 1 copies.

        Raises
        ------
        ValueError
            If the shapes differ or tau lies outside [0, 1].
        """
        tau = real(tau, "tau", 0, 1)
        if not isinstance(other, Model):
            raise TypeError(f"soft_update takes another network, got {type(other).__name__}.")
        if other.sizes != self.sizes or other.bias != self.bias:
            raise ValueError(f"soft_update needs equal shapes: this network has {self.sizes}, bias={self.bias}; the "
                             f"other has {other.sizes}, bias={other.bias}.")  # fmt: skip
        step = self.dtype.type(tau) * vector(other.theta, "other.theta", other.n_parameters, self.dtype)
        self._theta *= 1 - tau
        self._theta += step

    # ---- description

    def describe(self) -> str:
        """Return a table of layers with their propagation functions, the loss and the learning rule, to be printed.

        Examples
        --------
        >>> import fastnn
        >>> print(fastnn.Network([2, 3, 1], output="sigmoid", seed=0).describe())  # doctest: +ELLIPSIS
        layer  shape  parameters  activation  propagation
        ...
        """
        rows = [("layer", "shape", "parameters", "activation", "propagation")]
        for layer, (W, b) in enumerate(self._layers(), start=1):
            last = layer == self.n_layers
            name = self.output if last else self.activations[layer - 1]
            formula = ACTIVATION[name].formula if name in ACTIVATION else L.LINK_BY_NAME[name].formula.replace("r", "z")
            source = "X" if layer == 1 else f"A{layer - 1}"
            term = f"Z{layer} = {source} W{layer}" + (f" + b{layer}" if b.size else "")
            rows.append(
                (str(layer), f"{W.shape[0]}x{W.shape[1]}", f"{W.size + b.size:,}", name, f"{term};  f(z) = {formula}")
            )
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = ["  ".join((*(cell.ljust(w) for cell, w in zip(row[:4], widths, strict=True)), row[4])) for row in rows]
        record = L.BY_NAME[self.loss]
        parameter = "" if record.parameter is None else f" (parameter {self.loss_parameter:g})"
        lines.append(f"loss: {self.loss}{parameter}, l(r, t) = {record.formula}, summed over outputs, mean over rows")
        lines.append(f"learning rule: {self._learning_rule()}")
        lines.append(f"parameters: {self.n_parameters:,} ({self.dtype.name}), seed {self.seed}")
        return "\n".join(lines)

    def _learning_rule(self) -> str:
        return "not trained yet; fit(optimizer=...) takes g = d loss / d w by back-propagation and steps against it"

    def __repr__(self) -> str:
        """Return the constructor's call in short."""
        hidden = set(self.activations)
        activation = next(iter(hidden)) if len(hidden) == 1 else list(self.activations)
        shown = f", activation={activation!r}" if self.activations else ""
        return (f"{type(self).__name__}({list(self.sizes)}{shown}, output={self.output!r}, loss={self.loss!r}, "
                f"dtype={self.dtype.name!r})")  # fmt: skip


def resolve_loss(loss: str | Mapping[str, float] | None, output: str) -> tuple[str, float]:
    """Return (name, parameter) of the loss for an output; raise ValueError for a pair that does not go together."""
    allowed = OUTPUT_LOSSES[output]
    parameter: float | None = None
    if loss is None:
        name = allowed[0]
    else:
        if isinstance(loss, Mapping):
            if len(loss) != 1:
                raise ValueError(f"loss as a dict names one loss and its parameter, as {{'huber': 1.5}}; got {loss!r}.")
            ((loss, parameter),) = loss.items()
        name = choice(loss, "loss", L.BY_NAME, L.ALIASES)
    if name not in allowed:
        pairs = "; ".join(f"{o}: {', '.join(names)}" for o, names in OUTPUT_LOSSES.items())
        raise ValueError(f"output {output!r} and loss {name!r} do not go together. Pairs: {pairs}.")
    default = L.BY_NAME[name].parameter
    if parameter is not None and default is None:
        raise ValueError(f"the loss {name!r} has no parameter, got {parameter!r}.")
    if default is None:
        return name, 0.0
    high = 1.0 if name == "quantile" else np.inf
    value = default if parameter is None else parameter
    return name, real(value, f"the parameter of {name}", 0, high, open_low=True, open_high=True)


def _sizes(sizes: Any) -> tuple[int, ...]:
    listed = isinstance(sizes, (Sequence, np.ndarray)) and not isinstance(sizes, (str, bytes))
    if not listed or getattr(sizes, "ndim", 1) != 1 or len(sizes) < 2:
        raise ValueError(f"sizes must be a sequence of at least two layer sizes, input first, got {sizes!r}.")
    return tuple(whole(size, f"sizes[{i}]", 1) for i, size in enumerate(sizes))


def _dtype(dtype: Any) -> np.dtype[Any]:
    try:
        name = None if dtype is None else np.dtype(dtype).name  # None would be float64
    except (TypeError, ValueError):
        name = None
    if name not in DTYPES:
        raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}.")
    found: np.dtype[Any] = np.dtype(name)  # native, whatever the byte order of what was given
    return found


def physical_memory() -> int | None:
    """Return the memory in bytes that the machine has or the control group allows, where the system tells."""
    found = []
    with contextlib.suppress(AttributeError, ValueError, OSError):
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(ValueError, OSError):  # "max" is no number
            found.append(int(Path(name).read_text()))
    return min(found, default=None)


