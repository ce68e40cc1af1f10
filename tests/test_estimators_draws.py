"""scikit-learn's draws by short ways: the same numbers, and the generator left where NumPy leaves it."""

import pickle

import numpy as np
import pytest
from numpy.random import MT19937, PCG64, RandomState

from fastnn.estimators import draws
from fastnn.estimators.draws import filler, random_state, shuffler


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, np.int64(77), np.uint8(3)])
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


# around powers of two, where the mask changes, and around what is drawn at a time
SIZES = [*range(10), 31, 32, 33, 511, 512, 513, 514, 1023, 1024, 1025, 1026, 1537, 1797, 20_000, 65_536, 70_001]


def both(make, n, shuffles, backend):
    """Return two orders, shuffled by NumPy and by us, and what each generator gives next."""
    found = []
    for quick in (False, True):
        rng = make()
        order = np.arange(n, dtype=np.int64)
        shuffle = shuffler(rng, backend) if quick else rng.shuffle
        for _ in range(shuffles):
            shuffle(order)
        found.append((order, rng.randint(2**31, size=5)))
    return found


def started(pos):
    """Return a generator at a position of its 624 words."""
    rng = RandomState(4)
    name, key, *rest = rng.get_state()
    rng.set_state((name, key, pos, *rest[1:]))
    return rng


@pytest.mark.parametrize("pos", [0, 1, 226, 227, 228, 396, 397, 622, 623, 624])
@pytest.mark.parametrize("n", [2, 300, 700, 1500])
def test_the_twister_from_anywhere(backend, pos, n):
    found = []
    for quick in (False, True):
        rng, order = started(pos), np.arange(n)
        (shuffler(rng, backend) if quick else rng.shuffle)(order)
        found.append((order, *rng.get_state()[1:]))
    for theirs, ours in zip(*found, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_position_beyond_the_words_does_no_harm(backend):
    if backend.shuffle is None:
        pytest.skip("NumPy's own takes such a state, and reads behind it")
    order = np.arange(1000)
    shuffler(started(700), backend)(order)
    assert sorted(order.tolist()) == list(range(1000))


@pytest.mark.parametrize("n", SIZES)
def test_shuffle(backend, n):
    theirs, ours = both(lambda: RandomState(n), n, 3, backend)
    np.testing.assert_array_equal(ours[0], theirs[0])
    np.testing.assert_array_equal(ours[1], theirs[1])


@pytest.mark.parametrize("generator", [MT19937, PCG64])
def test_any_bit_generator(backend, generator):
    for theirs, ours in zip(*both(lambda: RandomState(generator(5)), 777, 2, backend), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_twister_that_lies_otherwise_is_called(backend, monkeypatch):
    assert draws.twister_lies_open()
    monkeypatch.setattr(draws, "twister_lies_open", lambda: False)
    for theirs, ours in zip(*both(lambda: RandomState(6), 2000, 2, backend), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_is_the_order_taken_by_a_shuffled_index(backend):
    order = np.array([5, 0, 3, 9, 7, 7, 2], np.int64)
    index, expected = np.arange(7), order.copy()
    RandomState(1).shuffle(index)
    shuffler(RandomState(1), backend)(order)
    np.testing.assert_array_equal(order, expected[index])


def test_orders_too_long_for_it_are_numpys(backend, monkeypatch):
    monkeypatch.setattr(draws, "MOST_SHUFFLED", 100)
    theirs, ours = both(lambda: RandomState(3), 101, 1, backend)
    np.testing.assert_array_equal(ours[0], theirs[0])


def test_a_shuffle_of_ones_own_is_used(backend):
    class Own(RandomState):
        def shuffle(self, order):
            order[...] = order[::-1].copy()

    order = np.arange(4)
    shuffler(Own(1), backend)(order)
    assert order.tolist() == [3, 2, 1, 0]
