"""The quick order of an epoch: NumPy's own result, and its generator left where NumPy leaves it."""

import numpy as np
import pytest
from numpy.random import MT19937, PCG64, PCG64DXSM, SFC64, Generator, Philox, RandomState

from fastnn import shuffling
from fastnn.shuffling import permutation, shuffler

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
    assert shuffling.twister_lies_open()
    monkeypatch.setattr(shuffling, "twister_lies_open", lambda: False)
    for theirs, ours in zip(*both(lambda: RandomState(6), 2000, 2, backend), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_is_the_order_taken_by_a_shuffled_index(backend):
    order = np.array([5, 0, 3, 9, 7, 7, 2], np.int64)
    index, expected = np.arange(7), order.copy()
    RandomState(1).shuffle(index)
    shuffler(RandomState(1), backend)(order)
    np.testing.assert_array_equal(order, expected[index])


def test_orders_too_long_for_it_are_numpys(backend, monkeypatch):
    monkeypatch.setattr(shuffling, "MOST", 100)
    theirs, ours = both(lambda: RandomState(3), 101, 1, backend)
    np.testing.assert_array_equal(ours[0], theirs[0])


def test_a_shuffle_of_ones_own_is_used(backend):
    class Own(RandomState):
        def shuffle(self, order):
            order[...] = order[::-1].copy()

    order = np.arange(4)
    shuffler(Own(1), backend)(order)
    assert order.tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize("bits", [PCG64, PCG64DXSM, MT19937, Philox, SFC64])
@pytest.mark.parametrize("n", [0, 1, 2, 999, 1000, 1001, 1025, 4097, 65_537])
def test_permutations_of_a_generator(backend, bits, n):
    theirs, ours = Generator(bits(n)), Generator(bits(n))
    for _ in range(3):
        found = permutation(ours, n, backend)
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, theirs.permutation(n))
    assert ours.integers(2**62) == theirs.integers(2**62)


def test_this_numpys_generators_take_the_quick_way(backend):
    if backend.shuffle is None:
        pytest.skip("this backend has none")
    assert shuffling.generators_agree(backend)


@pytest.mark.parametrize("n", [1000, 1001])
def test_many_entries_are_the_kernels(backend, monkeypatch, n):
    assert backend.shuffle is None or shuffling.generators_agree(backend)  # which asks for a shuffler once
    asked = []
    monkeypatch.setattr(shuffling, "shuffler", lambda rng, kernels: asked.append(1) or shuffler(rng, kernels))
    permutation(np.random.default_rng(0), n, backend)
    assert len(asked) == (n > 1000 and backend.shuffle is not None)


def test_a_generator_that_shuffles_otherwise_is_left_to_numpy(backend, monkeypatch):
    class Reversed(Generator):
        def permutation(self, n):
            return np.arange(n)[::-1]

    assert permutation(Reversed(PCG64(1)), 2000, backend)[0] == 1999
    monkeypatch.setattr(shuffling, "generators_agree", lambda kernels: False)
    monkeypatch.setattr(shuffling, "shuffler", None)
    expected = np.random.default_rng(7).permutation(5000)
    np.testing.assert_array_equal(permutation(np.random.default_rng(7), 5000, backend), expected)
