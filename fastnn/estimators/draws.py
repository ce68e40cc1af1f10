"""scikit-learn's draws, the same numbers sooner: a seeded RandomState, a uniform fill in place, a shuffled order.

A fit of a small network takes some milliseconds, of which these were a tenth.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from numbers import Integral
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from sklearn.utils import check_random_state

from ..arrays import Array

__all__ = ["filler", "random_state", "shuffler"]

MOST_SHUFFLED = 2**31  # entries, as the kernels' contract has it


class Unseeded(ISeedSequence):
    """Stands for the entropy that a generator begins with, where a seed is going to replace it."""

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> Array:
        """Return zeros."""
        return np.zeros(n_words, dtype)


def random_state(seed: Any) -> np.random.RandomState:
    """Return ``check_random_state(seed)``; of a number, without the entropy that ``RandomState`` gathers first."""
    if not isinstance(seed, Integral):
        return check_random_state(seed)
    made = np.random.RandomState(np.random.MT19937(Unseeded()))  # type: ignore[arg-type]  # NumPy's stubs know SeedSequence alone
    made.seed(int(seed))
    return made


def filler(rng: np.random.RandomState, dtype: np.dtype[Any]) -> Callable[[Array, float], None]:
    """Return what fills an array with ``rng.uniform(-bound, bound)``: in float64 in place, number for number the same.

    A RandomState makes an array of its own, whose pages cost as much as the numbers do; a Generator on the same bits
    takes an array.
    """
    if dtype != np.float64 or type(rng) is not np.random.RandomState:

        def fill(out: Array, bound: float) -> None:
            out[...] = rng.uniform(-bound, bound, out.shape)

        return fill
    generator = np.random.Generator(rng._bit_generator)

    def fill_in_place(out: Array, bound: float) -> None:
        generator.random(out=out)
        out *= bound + bound
        out -= bound

    return fill_in_place


def shuffler(rng: np.random.RandomState, kernels: Any) -> Callable[[Array], None]:
    """Return what shuffles an order in place with the generator's numbers: ``rng.shuffle``, or its quick way.

    scikit-learn shuffles an index and takes the order by it, which is the same as these swaps in the order itself.
    """
    if kernels.shuffle is None or type(rng) is not np.random.RandomState:
        return rng.shuffle
    generator = rng._bit_generator
    address = ctypes.cast(generator.ctypes.next_uint32, ctypes.c_void_p).value
    state = generator.ctypes.state_address
    is_twister = type(generator) is np.random.MT19937 and twister_lies_open()

    def shuffle(order: Array) -> None:
        if len(order) > MOST_SHUFFLED:
            return rng.shuffle(order)
        with generator.lock:
            kernels.shuffle(order, address, state, is_twister)

    return shuffle


@cache
def twister_lies_open() -> bool:
    """Return whether this NumPy keeps a Mersenne Twister's state, all of it, as `Kernels.shuffle` takes it."""
    generator = np.random.MT19937(0)
    address = generator.ctypes.state_address
    key = (ctypes.c_uint32 * 624).from_address(address)
    pos = ctypes.c_int32.from_address(address + ctypes.sizeof(key))
    for _ in range(2):  # the second time behind a twist
        known = generator.state["state"]
        if list(key) != known["key"].tolist() or pos.value != known["pos"]:
            return False
        generator.random_raw(2)
    return pos.value == 3  # it starts with its last word
