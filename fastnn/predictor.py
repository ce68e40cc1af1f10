"""A frozen network: the shortest way from rows to outputs."""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from . import backends
from .arrays import Array, aligned, apart, as_input, as_output, numeric
from .backends import SERIAL_WORK, threads_for
from .checks import whole
from .model import Model

if TYPE_CHECKING:
    from fastnn.kernels.table import Kernels

__all__ = ["Predictor"]


class _Frozen(NamedTuple):
    """What a call reads: replaced as a whole by ``update``, so that a call under way sees one network or the other."""

    plan: Array
    const: Array
    theta: Array
    packed: Array


@cache
def _with_door(cls: Any, door: type[Any]) -> Any:
    """Return cls with a backend's quick door before it: calls go there first, without a step in Python."""
    return type(cls.__name__, (door, cls), {"__doc__": cls.__doc__, "__module__": cls.__module__, "plain": cls})


def _restored(cls: type[Predictor], state: dict[str, Any]) -> Predictor:
    made = cls.__new__(cls, None, backend=state["_backend"])
    made.__setstate__(state)
    return made


class Predictor:
    """A snapshot of a network as a function; made by `Network.predictor`.

    ``f(x)`` takes one row (n_in,) and gives (n_out,), or rows (m, n_in) and gives (m, n_out): the outputs, as
    `Network.predict` gives them.  Later training does not change it until ``f.update(net)``.  Several threads may call
    it at once.  Values are not searched for NaN: NaN in gives NaN out.

    With the cython backend a call with a plain ndarray (float32, float64 or uint8) of one row takes well under a
    microsecond for a small network: weights are packed once, and nothing but the result is allocated.  A row alone may
    differ from the same row in a batch in the last bits, as its sums are taken in another order; either is the same for
    any number of threads.

    Examples
    --------
    >>> import numpy as np, fastnn
    >>> net = fastnn.Network([2, 3, 1], output="sigmoid", seed=0)
    >>> f = net.predictor()
    >>> f(np.zeros(2, np.float32)), f(np.zeros((2, 2), np.float32)).shape
    (array([0.5], dtype=float32), (2, 1))
    """

    plain: type[Predictor]

    def __new__(cls, network: Model | None, *, backend: str | None = None, num_threads: int | None = None) -> Self:
        """Make one with the backend's quick door, where it has one."""
        door = backends.kernels(backend).frozen
        if door is None:
            return super().__new__(cls)
        joined: Any = cls
        if not issubclass(cls, door):
            joined = _with_door(joined, door)
        made: Self = door.__new__(joined)
        return made

    def __init__(self, network: Model, *, backend: str | None = None, num_threads: int | None = None) -> None:
        self._backend = backend
        self._num_threads = None if num_threads is None else whole(num_threads, "num_threads", 1)
        self.sizes = network.sizes
        self.dtype = network.dtype
        self._prepare()
        self.update(network)

    def _prepare(self) -> None:
        self._kernels: Kernels = backends.kernels(self._backend)
        self._local = threading.local()

    def update(self, network: Model) -> None:
        """Take a new snapshot, of a network of the same sizes and dtype.

        Raises ValueError for another shape or dtype; the old snapshot then stays.
        """
        if network.sizes != self.sizes or network.dtype != self.dtype:
            raise ValueError(
                f"this predictor is for sizes {self.sizes} in {self.dtype.name}; the network has {network.sizes} in "
                f"{network.dtype.name}. Make a new one: net.predictor()."
            )
        theta = aligned(network.n_parameters, self.dtype)
        theta[...] = network.theta
        self._freeze(network.plan.copy(), network.const(), theta)

    def _freeze(self, plan: Array, const: Array, theta: Array) -> None:
        packed = theta
        if size := self._kernels.packed_size(plan):
            packed = aligned(size, self.dtype)
            self._kernels.pack(plan, theta, packed)
        self._frozen = _Frozen(plan, const, theta, packed)
        if isinstance(self, self._kernels.frozen or ()):
            alone = int(SERIAL_WORK / (2.0 * theta.size))
            self.freeze(plan, const, theta, alone, self._num_threads or 0)

    def threads_for(self, rows: int) -> int:
        """Return how many threads a call with so many rows may use."""
        return threads_for(2.0 * self._frozen.theta.size * rows, self._num_threads)

    def __call__(self, x: Any, out: Array | None = None) -> Array:
        """Return the outputs for one row or for rows.

        Parameters
        ----------
        x : array-like, shape (n_in,) or (m, n_in), or a sparse matrix
        out : ndarray, shape (n_out,) or (m, n_out), the network's dtype, optional
            Written and returned.

        Returns
        -------
        ndarray
            New, or ``out``.

        Raises
        ------
        TypeError, ValueError
            For what `Network.predict` refuses but NaN, and an ``out`` that does not fit.
        """
        return self.general(x, out)

    def general(self, x: Any, out: Array | None = None) -> Array:
        """Return what a call returns, whatever form x has: the slow twin of the backend's quick door."""
        if isinstance(x, (list, tuple)):
            x = numeric(x, "x")
        single = getattr(x, "ndim", None) == 1 and (isinstance(x, np.ndarray) or not hasattr(x, "tocsr"))
        if single:
            x = np.asanyarray(x).reshape(1, -1)
        X = as_input(x, self.sizes[0], self.dtype, "x", check_finite=False, kinds="1-D or 2-D")
        n_out = self.sizes[-1]
        result = as_output(out, (n_out,) if single else (X.rows, n_out), self.dtype)
        if single and isinstance(self, self._kernels.frozen or ()):
            result[...] = self.row(X.data[0])
            return result
        written = result if out is None else apart(result, X.data)
        frozen = self._frozen
        threads = self.threads_for(X.rows)
        self._kernels.predict(
            frozen.plan, frozen.const, frozen.packed, *X[:3], self._work(frozen, X.rows, threads),
            written.reshape(1, -1) if single else written, threads,
        )  # fmt: skip
        if written is not result:
            result[...] = written
        return result

    def _work(self, frozen: _Frozen, rows: int, threads: int) -> Array:
        """Return this thread's scratch, grown where the call needs more."""
        size = self._kernels.work_size("predict", frozen.plan, rows, threads)
        work: Array | None = getattr(self._local, "work", None)
        if work is None or work.size < size:
            work = self._local.work = aligned(size, self.dtype)
        return work

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy by the plain class: another process may have another backend."""
        return _restored, (getattr(self, "plain", type(self)), self.__getstate__())

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without scratch, kernels and what a backend packed for itself."""
        kept = {name: value for name, value in self.__dict__.items() if name not in ("_kernels", "_local", "_frozen")}
        return {**kept, "frozen": self._frozen[:3]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Rebuild scratch and kernels."""
        frozen = state["frozen"]
        self.__dict__.update({name: value for name, value in state.items() if name != "frozen"})
        self._prepare()
        self._freeze(*frozen)

    def __repr__(self) -> str:
        """Return the sizes."""
        return f"Predictor(sizes={list(self.sizes)}, dtype={self.dtype.name!r})"
