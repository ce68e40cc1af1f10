"""Whatever form X and y come in, a fit gives what it gives for plain float arrays, and leaves them as they were."""

from __future__ import annotations

import numpy as np
import pytest
from kernels_common import assert_close, same_bits, unmodified
from network_common import tolerance

import fastnn
from fastnn import Network

ROWS, COLUMNS = 45, 6
RNG = np.random.default_rng(0)
WHOLE = RNG.integers(0, 4, (ROWS, COLUMNS))  # exact in every dtype below
LABELS = RNG.integers(0, 3, ROWS)


def big_endian(X):
    return X.astype(">f8")


def read_only(X):
    X = X.astype(np.float64)
    X.flags.writeable = False
    return X


def packed_record(X):
    """Return a misaligned view: a float64 field of records that are 9 bytes long."""
    records = np.zeros(X.shape, np.dtype([("flag", "u1"), ("x", "f8")]))
    records["x"] = X
    return records["x"]


def spread(X):
    room = np.zeros((2 * X.shape[0], 3 * X.shape[1]))
    room[::-2, 1::3] = X
    return room[::-2, 1::3]


def memory_mapped(X, folder):
    path = folder / "X.npy"
    np.save(path, X.astype(np.float32))
    return np.load(path, mmap_mode="r")


def frame(X):
    return pytest.importorskip("pandas").DataFrame(X.astype(np.float64))


def mixed_frame(X):
    made = frame(X)
    return made.astype({0: "int8", 1: "float32", 2: "Int64"})


def sparse(name):
    def make(X):
        return getattr(pytest.importorskip("scipy.sparse"), name)(X.astype(np.float32))

    return make


def long_indices(X):
    made = sparse("csr_array")(X)
    made.indices, made.indptr = made.indices.astype(np.int64), made.indptr.astype(np.int64)
    return made


def duplicate_entries(X):
    """Return a CSR matrix that stores every entry as two halves, in falling order of columns."""
    module = pytest.importorskip("scipy.sparse")
    columns = np.tile(np.arange(COLUMNS)[::-1], 2)
    data = np.tile(X[:, ::-1] / 2.0, 2).ravel()
    made = module.csr_array((ROWS, COLUMNS))
    made.data, made.indices = data, np.tile(columns, ROWS).astype(np.int32)
    made.indptr = np.arange(0, data.size + 1, 2 * COLUMNS, dtype=np.int32)
    return made


FORMS = {
    "float32": lambda X: X.astype(np.float32),
    "float64": lambda X: X.astype(np.float64),
    "float16": lambda X: X.astype(np.float16),
    "long double": lambda X: X.astype(np.longdouble),
    "uint8": lambda X: X.astype(np.uint8),
    "int8": lambda X: X.astype(np.int8),
    "int32": lambda X: X.astype(np.int32),
    "int64": lambda X: X.astype(np.int64),
    "uint64": lambda X: X.astype(np.uint64),
    "big-endian": big_endian,
    "big-endian int": lambda X: X.astype(">i2"),
    "read-only": read_only,
    "Fortran": lambda X: np.asfortranarray(X.astype(np.float32)),
    "spread": spread,
    "misaligned": packed_record,
    "list": lambda X: X.tolist(),
    "list of arrays": lambda X: list(X.astype(np.float32)),
    "object": lambda X: X.astype(object),
    "unmasked": lambda X: np.ma.MaskedArray(X.astype(float)),
    "DataFrame": frame,
    "mixed DataFrame": mixed_frame,
    "csr_array": sparse("csr_array"),
    "csr_matrix": sparse("csr_matrix"),
    "csc_array": sparse("csc_array"),
    "coo_matrix": sparse("coo_matrix"),
    "int64 indices": long_indices,
    "duplicates": duplicate_entries,
}


def outcome(X, y, dtype, backend=None, output="softmax", sizes=(COLUMNS, 5, 3), **options):
    net = Network(sizes, output=output, dtype=dtype, seed=0)
    with fastnn.use_backend(backend or fastnn.get_backend()):
        net.fit(X, y, epochs=2, batch_size=10, **options)
        return np.concatenate([net.theta, net.predict(X).ravel(), [net.evaluate(X, y)["loss"]]])


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_X(backend, dtype, form):
    X = FORMS[form](WHOLE)
    expected = outcome(WHOLE.astype(dtype), LABELS, dtype, backend.name)
    kept = X.data if hasattr(X, "tocsr") else X if isinstance(X, np.ndarray) and X.dtype != object else np.empty(0)
    with unmodified(kept, LABELS):
        found = outcome(X, LABELS, dtype, backend.name)
    if hasattr(X, "tocsr"):  # sums in another order
        assert_close(found, expected, tolerance(dtype).ten_steps)
    else:
        assert same_bits(found, expected)


def test_memory_mapped_X(backend, tmp_path):
    found = outcome(memory_mapped(WHOLE, tmp_path), LABELS, "float32", backend.name)
    assert same_bits(found, outcome(WHOLE.astype(np.float32), LABELS, "float32", backend.name))


@pytest.mark.parametrize("form", [bool, "csr"])
def test_truth_values_are_zero_and_one(backend, form):
    X = WHOLE > 1
    given = X if form is bool else pytest.importorskip("scipy.sparse").csr_array(X)
    expected = outcome(X.astype(np.float64), LABELS, "float64", backend.name)
    assert_close(outcome(given, LABELS, "float64", backend.name), expected, 1e-12)


def test_input_scale_scales_every_form(backend, dtype):
    X = (WHOLE * 60).astype(np.uint8)
    scaled = X.astype(dtype) * np.dtype(dtype).type(1 / 255)
    forms = [X, X.astype(np.float32), X.astype(np.float64), sparse("csr_array")(X)]
    for given in forms:
        net, plain = (Network([COLUMNS, 5, 3], output="softmax", dtype=dtype, seed=0, input_scale=s) for s in
                      (1 / 255, 1.0))  # fmt: skip
        with fastnn.use_backend(backend.name):
            net.fit(given, LABELS, epochs=2)
            plain.fit(scaled, LABELS, epochs=2)
            assert_close(net.predict(given), plain.predict(scaled), tolerance(dtype).ten_steps)
        assert_close(net.theta, plain.theta, tolerance(dtype).ten_steps)


LABEL_FORMS = {
    "int64": lambda y: y,
    "uint8": lambda y: y.astype(np.uint8),
    "float": lambda y: y.astype(float),
    "big-endian": lambda y: y.astype(">i4"),
    "list": lambda y: y.tolist(),
    "column": lambda y: y.reshape(-1, 1),
    "Series": lambda y: pytest.importorskip("pandas").Series(y, index=range(100, 100 + len(y))),
    "reversed twice": lambda y: y[::-1].copy()[::-1],
    "one-hot": lambda y: np.eye(3)[y],
    "one-hot bool": lambda y: np.eye(3, dtype=bool)[y],
    "one-hot int, Fortran": lambda y: np.asfortranarray(np.eye(3, dtype=int)[y]),
    "one-hot float16": lambda y: np.eye(3, dtype=np.float16)[y],
}


@pytest.mark.parametrize("form", LABEL_FORMS)
def test_every_form_of_labels(backend, form):
    X = WHOLE.astype(np.float64)
    found = outcome(X, LABEL_FORMS[form](LABELS), "float64", backend.name)
    assert_close(found, outcome(X, LABELS, "float64", backend.name), 1e-12)


@pytest.mark.parametrize("form", [
    lambda t: t.astype(np.float32), lambda t: t.reshape(-1, 1), lambda t: t.tolist(), lambda t: t.astype(">f8"),
    lambda t: t.astype(np.int8), lambda t: np.repeat(t, 2)[::2], packed_record,
])  # fmt: skip
def test_every_form_of_real_targets(form):
    t = RNG.integers(-5, 5, ROWS).astype(float)
    X = WHOLE.astype(np.float64)
    kind = {"output": "identity", "sizes": (COLUMNS, 5, 1)}
    assert same_bits(outcome(X, form(t), "float64", **kind), outcome(X, t, "float64", **kind))


@pytest.mark.parametrize("form", [
    lambda w: w.tolist(), lambda w: w.astype(int), lambda w: np.repeat(w, 2)[::2], lambda w: w.astype(">f4"),
    packed_record,
])  # fmt: skip
def test_every_form_of_sample_weights(form):
    weights = RNG.integers(0, 5, ROWS).astype(float)
    X = WHOLE.astype(np.float64)
    found = outcome(X, LABELS, "float64", sample_weight=form(weights))
    assert same_bits(found, outcome(X, LABELS, "float64", sample_weight=weights))
    assert not np.array_equal(found, outcome(X, LABELS, "float64"))


def test_one_row_and_one_column(backend):
    net = Network([1, 2], output="softmax", dtype="float64", seed=0)
    before = net.evaluate([[1.0]], [1])["loss"]
    net.fit([[1.0]], [1], epochs=5, backend=backend.name)
    assert net.evaluate([[1.0]], [1])["loss"] < before


def test_empty_rows_of_a_sparse_matrix(backend):
    module = pytest.importorskip("scipy.sparse")
    X = module.csr_array((ROWS, COLUMNS), dtype=np.float32)
    expected = outcome(np.zeros((ROWS, COLUMNS)), LABELS, "float64", backend.name)
    assert_close(outcome(X, LABELS, "float64", backend.name), expected, 1e-12)


def test_a_callback_may_change_the_indices_it_gave(backend):
    module = pytest.importorskip("scipy.sparse")
    X, held = (module.csr_array(WHOLE.astype(np.float32)) for _ in range(2))

    def spoil(state):
        for matrix in (X, held):
            matrix.indices[...] = 2**30
            matrix.indptr[1:] = 2**30

    net, plain = (Network([COLUMNS, 5, 3], output="softmax", seed=0) for _ in range(2))
    plain.fit(X, LABELS, epochs=3, validation_data=(held, LABELS), backend=backend.name)
    net.fit(X, LABELS, epochs=3, validation_data=(held, LABELS), backend=backend.name, callbacks=[spoil])
    assert same_bits(net.theta, plain.theta)
    assert net.history.val_loss == plain.history.val_loss
