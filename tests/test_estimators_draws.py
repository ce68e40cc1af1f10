"""scikit-learn's draws by short ways: the same numbers, and the generator left where NumPy leaves it."""

import pickle

import numpy as np
import pytest
from numpy.random import PCG64, RandomState

from fastnn.estimators import draws
from fastnn.estimators.draws import filler, random_state


@pytest.mark.parametrize("seed", [0, 1, True, 2**32 - 1, np.int64(77), np.uint8(3)])
def test_a_number_seeds_as_numpy_does(seed):
    theirs, ours = RandomState(seed), random_state(seed)
    for _ in range(2):
        assert type(ours) is RandomState
        np.testing.assert_array_equal(ours.get_state()[1], theirs.get_state()[1])
        assert [*ours.get_state()[2:]] == [*theirs.get_state()[2:]]
        theirs.normal(), ours.normal()  # keeps the second of a pair
        ours = pickle.loads(pickle.dumps(ours))
    ours.seed(5)
    assert ours.randint(10**9) == RandomState(5).randint(10**9)


def test_what_is_no_number_is_scikit_learns():
    rng = RandomState(3)
    assert random_state(rng) is rng
    assert random_state(None) is np.random.mtrand._rand
    for seed in (-1, 2**32):
        with pytest.raises(ValueError, match="between 0 and 2"):
            random_state(seed)
    with pytest.raises(ValueError, match="cannot be used to seed"):
        random_state("seven")


class Halves(RandomState):
    """A generator of one's own: nothing but its methods is used."""

    def uniform(self, low=0.0, high=1.0, size=None):
        return np.full(size, (low + 3 * high) / 4)


@pytest.mark.parametrize("make", [lambda: RandomState(9), lambda: RandomState(PCG64(9)), lambda: Halves(9)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform_numbers_are_numpys(make, dtype):
    dtype = np.dtype(dtype)
    theirs, ours = make(), make()
    fill = filler(ours, dtype)
    for shape, bound in (((31, 17), 0.1), ((5,), np.sqrt(1 / 3)), ((0, 3), 1.0), ((2, 1), 1e-200)):
        out = np.full(shape, np.nan, dtype)
        fill(out, bound)
        np.testing.assert_array_equal(out, theirs.uniform(-bound, bound, shape).astype(dtype))
    assert ours.randint(10**9) == theirs.randint(10**9)


def test_a_numpy_that_rounds_once_fills_by_itself(monkeypatch):
    monkeypatch.setattr(draws, "multiplies_then_adds", lambda: False)
    monkeypatch.setattr(draws, "_in_place", None)
    out = np.empty((40, 5))
    filler(RandomState(2), out.dtype)(out, 0.3)
    np.testing.assert_array_equal(out, RandomState(2).uniform(-0.3, 0.3, (40, 5)))
