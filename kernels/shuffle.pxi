# Shuffle: the swaps of numpy.random.RandomState.shuffle, and of Generator.shuffle, with the same numbers.
#
# For i = n - 1 ... 1 a j in 0 ... i is drawn, and the entries at i and j change places (Durstenfeld 1964, algorithm 235).
# j is the last bits of the generator's next 32, as many as i has, thrown away where they exceed i (random_interval in
# NumPy's distributions.c).  NumPy jumps on that, which no processor can foresee, and swaps through a buffer of any
# length: 10 ns an entry.  Here numbers are drawn ahead, no more than are needed at least, so that the generator is left
# where NumPy leaves it; those that are thrown away cost no jump: 5 to 6 ns.  Where the generator is the Mersenne Twister
# (Matsumoto and Nishimura 1998), whose state lies open, they are drawn without a call for each: 3.4 ns.

ctypedef uint32_t (*draw)(void *) noexcept nogil

cdef enum:
    DRAWS = 512
    WORDS = 624                 # of the Twister's state
    MIDDLE = 397

cdef struct Twister:
    uint32_t key[WORDS]
    int pos


cdef inline uint32_t twisted(uint32_t high, uint32_t low, uint32_t other) noexcept nogil:
    cdef uint32_t y = (high & <uint32_t>0x80000000) | (low & <uint32_t>0x7FFFFFFF)
    return other ^ (y >> 1) ^ ((0 - (y & 1)) & <uint32_t>0x9908B0DF)


cdef void twist(uint32_t *key) noexcept nogil:
    """Make the next 624 words of the state."""
    cdef int i
    for i in range(WORDS - MIDDLE):
        key[i] = twisted(key[i], key[i + 1], key[i + MIDDLE])
    for i in range(WORDS - MIDDLE, WORDS - 1):
        key[i] = twisted(key[i], key[i + 1], key[i + MIDDLE - WORDS])
    key[WORDS - 1] = twisted(key[WORDS - 1], key[0], key[MIDDLE - 1])


cdef void draw_twister(Twister *t, i64 count, uint32_t mask, uint32_t *drawn) noexcept nogil:
    """Draw the Twister's next `count` numbers, tempered, and keep their last bits."""
    cdef const uint32_t *key
    cdef uint32_t y
    cdef i64 k, some
    while count > 0:
        if t.pos >= WORDS:  # more is no state, but RandomState.set_state takes it
            twist(t.key)
            t.pos = 0
        some = at_most(count, WORDS - t.pos)
        key = t.key + t.pos
        for k in range(some):
            y = key[k]
            y ^= y >> 11
            y ^= (y << 7) & <uint32_t>0x9D2C5680
            y ^= (y << 15) & <uint32_t>0xEFC60000
            drawn[k] = (y ^ (y >> 18)) & mask
        t.pos += <int>some
        drawn += some
        count -= some


cdef void shuffle_with(i64 *order, i64 n, draw next_uint32, void *generator, Twister *twister) noexcept nogil:
    cdef uint32_t drawn[DRAWS]
    cdef uint32_t mask = 1
    cdef i64 i = n - 1, k, count, taken
    while mask < i:
        mask = 2 * mask + 1
    while i > 0:
        count = at_most(i - (mask >> 1), DRAWS)  # so many at least are drawn under this mask
        if twister != NULL:
            draw_twister(twister, count, mask, drawn)
        else:
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


def shuffle(cnp.ndarray order not None, size_t next_uint32, size_t generator, bint is_twister):
    cdef i64 *at = <i64 *>cnp.PyArray_DATA(order)
    cdef i64 n = cnp.PyArray_DIM(order, 0)
    with nogil:
        shuffle_with(at, n, <draw>next_uint32, <void *>generator, <Twister *>generator if is_twister else NULL)
