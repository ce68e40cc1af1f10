"""scikit-learn's draws, the same numbers sooner: a seeded RandomState, and uniform numbers in place."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from numbers import Integral
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from sklearn.utils import check_random_state

from ..arrays import Array

__all__ = ["filler", "random_state"]


class Unseeded(ISeedSequence):
    """Stands for the entropy that a generator begins with, where a seed is going to replace it."""

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> Array:
        """Return zeros."""
        return np.zeros(n_words, dtype)


def random_state(seed: Any) -> np.random.RandomState:
    """Return ``check_random_state(seed)``; of a number, without the entropy that ``RandomState`` gathers first."""
    if not isinstance(seed, Integral):
        return check_random_state(seed)
    # NumPy's stubs know SeedSequence alone
    made = np.random.RandomState(np.random.MT19937(Unseeded()))  # type: ignore[arg-type]
    made.seed(int(seed))
    return made


def filler(rng: np.random.RandomState, dtype: np.dtype[Any]) -> Callable[[Array, float], None]:
    """Return what fills an array with ``rng.uniform(-bound, bound)``: in float64 in place, number for number the same.

    A RandomState makes an array of its own, whose pages cost as much as the numbers do; a Generator on the same bits
    takes an array.
    """
    if dtype != np.float64 or type(rng) is not np.random.RandomState or not multiplies_then_adds():

        def fill(out: Array, bound: float) -> None:
            out[...] = rng.uniform(-bound, bound, out.shape)

        return fill
    return _in_place(rng)


def _in_place(rng: np.random.RandomState) -> Callable[[Array, float], None]:
    generator = np.random.Generator(rng._bit_generator)

    def fill(out: Array, bound: float) -> None:
        generator.random(out=out)
        out *= bound + bound
        out -= bound

    return fill


@cache
def multiplies_then_adds() -> bool:
    """Return whether this NumPy rounds low + range * u twice: built for some processors it does both in one."""
    ours = np.empty(200)
    _in_place(np.random.RandomState(0))(ours, 0.1)
    return bool((ours == np.random.RandomState(0).uniform(-0.1, 0.1, 200)).all())
