"""Bad input: a clear error that says what was expected and what came; network and arrays stay as they were."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest
from kernels_common import unmodified
from network_common import run_python

import fastnn
from fastnn import SGD, Adam, AdamW, Network, RMSprop, schedules
from fastnn.optimizers import OptimizerState

NAN, INF = float("nan"), float("inf")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(10, 4))
Y = np.arange(10) % 3
T = RNG.normal(size=(10, 3))
NET = Network([4, 5, 3], output="softmax", seed=0)
REGRESSION = Network([4, 5, 3], output="identity", seed=0)
ONE = Network([4, 1], output="sigmoid", seed=0)
DOUBLE = Network([4, 5, 3], output="softmax", dtype="float64", seed=0)


def changed(array, index, value, dtype=None):
    made = np.array(array, dtype)
    made[index] = value
    return made


def sparse(**parts):
    """Return a 10x4 CSR matrix with parts of it replaced."""
    made = pytest.importorskip("scipy.sparse").csr_array(X)
    for name, value in parts.items():
        setattr(made, name, value)
    return made


def fit(**options):
    return lambda: NET.fit(X, Y, **{"epochs": 1, **options})


def build(*args, **options):
    return lambda: Network(*args, **options)


WIDE = np.zeros((3, 64))
BAD_X = [
    ("wrong columns", lambda: WIDE, ValueError, "X has 64 columns; this network takes 4 .sizes.0.*Network..64"),
    ("transposed", lambda: X.T, ValueError, "X has 10 columns; .* X.T would fit: examples go in rows"),
    ("1-D", lambda: X[0], ValueError, r"X must be 2-D, .rows, 4., got shape .4,.*X.reshape.1, -1."),
    ("3-D", lambda: X[None], ValueError, "must be 2-D.*1, 10, 4"),
    ("a number", lambda: 3.0, ValueError, "must be 2-D"),
    ("None", lambda: None, TypeError, r"X.* must hold real numbers, 2-D, \(rows, 4\); got NoneType None\.$"),
    ("NaN", lambda: changed(X, (7, 2), NAN), ValueError, r"X\[7, 2\] is nan; X must be finite. Remove or impute"),
    ("inf", lambda: changed(X, (0, 3), -INF), ValueError, r"X\[0, 3\] is -inf; X must be finite"),
    ("NaN float16", lambda: changed(X, (1, 1), NAN, "f2"), ValueError, r"X\[1, 1\] is nan"),
    ("NaN far down", lambda: changed(np.zeros((200_000, 4)), (199_999, 0), NAN), ValueError, r"X\[199999, 0\] is nan"),
    ("too large", lambda: changed(X, (3, 0), 1e39), ValueError, r"X\[3, 0\] is 1e\+39, too large for float32.*float64"),
    ("long double", lambda: changed(X, (3, 0), np.longdouble("1e4000"), np.longdouble), ValueError, r"X\[3, 0\] is"),
    ("objects", lambda: changed(X, (2, 1), "a", object), TypeError, r"object with str 'a' at X\[2, 1\].*encode"),
    ("huge ints", lambda: changed(X, (0, 0), 10**400, object), ValueError, "X holds a whole number too large"),
    ("complex", lambda: X + 1j, TypeError, "real numbers, got complex numbers .dtype complex128."),
    ("strings", lambda: X.astype(str), TypeError, "real numbers, got strings.*Convert them to numbers first"),
    ("byte strings", lambda: X.astype("S3"), TypeError, "got byte strings"),
    ("dates", lambda: np.zeros((10, 4), "M8[s]"), TypeError, "got dates"),
    ("records", lambda: np.zeros(10, "f4, f4"), TypeError, "must hold real numbers"),
    ("ragged", lambda: [[1, 2], [3]], TypeError, "X must be a rectangular array"),
    ("masked", lambda: np.ma.masked_less(X, 0), ValueError, "X has masked entries; fill them first"),
    ("CSR wrong columns", lambda: sparse()[:, :3], ValueError, "X has 3 columns; this network takes 4"),
    ("CSR NaN", lambda: sparse(data=changed(X.ravel(), 21, NAN)), ValueError, r"X\[5, 1\] is nan"),
    ("CSR column too large", lambda: sparse(indices=np.full(40, 4)), ValueError, "not a valid CSR matrix: .*0 ... 3"),
    ("CSR negative column", lambda: sparse(indices=np.full(40, -1)), ValueError, "not a valid CSR matrix"),
    ("CSR falling indptr", lambda: sparse(indptr=np.arange(0, 44, 4)[::-1]), ValueError, "indptr must rise from 0"),
    ("CSR indptr too far", lambda: sparse(indptr=np.arange(0, 55, 5)), ValueError, "at most 40"),
    ("CSR short indptr", lambda: sparse(indptr=np.array([0, 40])), ValueError, "in 11 entries"),
    ("CSR complex", lambda: sparse(data=np.ones(40, complex)), TypeError, "complex"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "error", "words"), [case[1:] for case in BAD_X], ids=[case[0] for case in BAD_X])
def test_bad_X(make, error, words):
    given = make()
    kept = given if isinstance(given, np.ndarray) and given.dtype.kind in "fc" else np.empty(0)
    trainer = NET.trainer()
    for ask in (NET.predict, NET.classify, NET.forward, lambda X: NET.fit(X, Y, epochs=1),
                lambda X: NET.evaluate(X, Y), lambda X: NET.loss_grad(X, Y), lambda X: NET.backward(X, T),
                NET.input_gradient, NET.jacobian, lambda X: trainer.step(X, Y)):  # fmt: skip
        with unmodified(NET.theta, kept), pytest.raises(error, match=words):
            ask(given)
    with unmodified(NET.theta), pytest.raises(error, match="X of validation_data"):
        NET.fit(X, Y, epochs=1, validation_data=(given, Y))
    assert trainer.optimizer.steps == 0


BAD_Y = [
    ("rows differ", NET, Y[:9], ValueError, "X has 10 rows, y has 9; each row needs one target"),
    ("labels from 1", NET, Y + 1, ValueError, r"y\[2\] is 3; .* 3 outputs, so labels are 0 ... 2. .*subtract 1\?"),
    ("label too large", NET, changed(Y, 4, 7), ValueError, r"y\[4\] is 7; this network has 3 outputs"),
    ("label negative", NET, changed(Y, 4, -1), ValueError, r"y\[4\] is -1"),
    ("label not whole", NET, changed(Y, 4, 0.5, float), ValueError, r"y\[4\] is 0.5; labels must be whole"),
    ("label NaN", NET, changed(Y, 4, NAN, float), ValueError, r"y\[4\] is nan; y must be finite\.$"),
    ("strings", NET, np.array(list("abcabcabca")), TypeError, "strings.*np.unique.y, return_inverse=True."),
    ("None", NET, None, TypeError, r"y must hold real numbers, an array; got NoneType None\."),
    ("objects", NET, changed(Y, 3, None, object), TypeError, r"NoneType None at y\[3\]"),
    ("3-D", NET, np.zeros((10, 3, 1)), ValueError, "y must be 1-D or 2-D"),
    ("wrong columns", NET, np.eye(4)[Y], ValueError, "y must have 3 columns, one per output, got 4"),
    ("no distribution", NET, np.ones((10, 3)), ValueError, "row 0 of y sums to 3; rows of probabilities must sum to 1"),
    ("negative probability", NET, np.full((10, 3), [-1, 1, 1]), ValueError, "must lie in 0 ... 1"),
    ("masked", NET, np.ma.masked_less(Y, 1), ValueError, "y has masked entries"),
    ("sigmoid beyond 1", ONE, Y, ValueError, "y must lie in 0 ... 1 for this loss, got values from 0 to 2"),
    ("sigmoid two columns", ONE, np.zeros((10, 2)), ValueError, "y must have 1 columns"),
    ("real 1-D", REGRESSION, T[:, 0], ValueError, r"y must have shape .10, 3., one column per output, got .10,."),
    ("real NaN", REGRESSION, changed(T, (8, 1), NAN), ValueError, r"y\[8, 1\] is nan"),
    ("real too large", REGRESSION, changed(T, (8, 1), 1e300), ValueError, r"y\[8, 1\] is 1e\+300, too large"),
    ("counts", Network([4, 1], output="exp", seed=0), -np.ones(10), ValueError, "must not be negative for the poisson"),
]  # fmt: skip


@pytest.mark.parametrize(("net", "y", "error", "words"), [case[1:] for case in BAD_Y], ids=[case[0] for case in BAD_Y])
def test_bad_y(net, y, error, words):
    trainer = net.trainer()
    kept = y if isinstance(y, np.ndarray) and y.dtype.kind in "fi" else np.empty(0)
    for ask in (lambda: net.fit(X, y, epochs=1), lambda: net.evaluate(X, y), lambda: net.loss_grad(X, y),
                lambda: trainer.step(X, y)):  # fmt: skip
        with unmodified(net.theta, X, kept), pytest.raises(error, match=words):
            ask()
    assert trainer.optimizer.steps == 0
    assert net.history is None


def resume_as_another_rule():
    net = NET.copy()
    net.fit(X, Y, epochs=1)
    net.fit(X, Y, epochs=1, optimizer="sgd", resume=True)


def growing(rng, n_in, n_out):
    return np.ones((n_in + 1, n_out))


class Wrong(schedules.Schedule):
    def _rate(self, t, end):
        return np.full(len(t), -1.0)


STATE = OptimizerState(Adam(), 7, np.dtype(np.float32))
ALL = "identity, sigmoid, tanh, relu, leaky_relu, elu, softplus, silu, gelu"
CALLS = [
    # fit
    (lambda: NET.fit(X[:0], Y[:0]), ValueError, "X is empty"),
    (lambda: NET.evaluate(X[:0], Y[:0]), ValueError, "X is empty"),
    (lambda: NET.trainer().step(X[:0], Y[:0]), ValueError, "X is empty"),
    (fit(batch_size=0), ValueError, "batch_size must be at least 1, got 0"),
    (fit(batch_size=1.5), TypeError, "batch_size must be a whole number, got 1.5"),
    (fit(batch_size="32"), TypeError, "batch_size must be a whole number"),
    (fit(batch_size=True), TypeError, "batch_size must be a whole number, got True"),
    (fit(epochs=-1), ValueError, "epochs must be at least 0, got -1"),
    (fit(epochs=None), TypeError, "epochs must be a whole number, got None"),
    (fit(epochs=NAN), TypeError, "epochs must be a whole number, got nan"),
    (fit(seed=-1), ValueError, "seed must be at least 0"),
    (fit(seed="a"), TypeError, "seed must be a whole number"),
    (fit(num_threads=0), ValueError, "num_threads must be at least 1"),
    (fit(backend="nunba"), ValueError, "unknown backend 'nunba'. Did you mean 'numba'. Known: cython, numba, numpy"),
    (fit(optimizer="adm"), ValueError, "unknown optimizer 'adm'. Did you mean 'adam'.*sgd, momentum, nesterov, adam,"),
    (fit(optimizer=Adam), TypeError, r"must be an instance: write Adam\(...\)"),
    (fit(optimizer=0.1), TypeError, "optimizer must be one of sgd"),
    (fit(optimizer=STATE), ValueError, r"slots of shape \(2, 7\).* need \(2, 43\)"),
    (fit(optimizer=SGD(Wrong())), ValueError, "must give 1 finite rates, none negative"),
    (resume_as_another_rule, ValueError, "resume=True goes on with .*Adam.* cannot become SGD"),
    (fit(l2=-0.1), ValueError, r"l2 must be a finite number in \[0, inf\), got -0.1"),
    (fit(l2=NAN), ValueError, "l2 must be a finite number"),
    (fit(l2=10**400), ValueError, "l2 must be a finite number"),
    (fit(l2=[0.1]), ValueError, "l2 must be one value or one per layer .2., got 1"),
    (fit(l2="0.1"), TypeError, "l2 must be a number"),
    (fit(dropout=1.0), ValueError, r"dropout must be a finite number in \[0, 1\), got 1.0"),
    (fit(dropout=[0.1, 0.2]), ValueError, "dropout must be one value or one per hidden layer .1., got 2"),
    (lambda: ONE.fit(X, Y > 0, dropout=-1.0), ValueError, "dropout"),
    (fit(clip_norm=0), ValueError, r"clip_norm must be a finite number in \(0, inf\)"),
    (fit(clip_norm=NAN), ValueError, "clip_norm"),
    (fit(callbacks=3), TypeError, "callbacks must be a sequence of callables.*got 3"),
    (fit(callbacks=None), TypeError, "callbacks must be a sequence of callables"),
    (fit(callbacks=[3]), TypeError, "callbacks must be callables that take a FitState, got 3"),
    (fit(callbacks="ab"), TypeError, "callbacks must be a sequence"),
    (fit(callbacks=[fastnn.EarlyStopping]), TypeError, r"instances: write EarlyStopping\(...\)"),
    (fit(validation_data=X), ValueError, r"validation_data must be \(X, y\) or \(X, y, sample_weight\)"),
    (fit(validation_data=(X,)), ValueError, "validation_data must be"),
    (fit(validation_data=(X, Y[:5])), ValueError, "y of validation_data has 5"),
    (fit(validation_data=(X[:0], Y[:0])), ValueError, "X of validation_data is empty"),
    (fit(validation_data=(X, Y, -np.ones(10))), ValueError, r"sample_weight of validation_data\[0\] is -1"),
    # weights
    (fit(sample_weight=np.ones(9)), ValueError, r"sample_weight must have shape \(10,\), got \(9,\)"),
    (fit(sample_weight=np.ones((10, 1))), ValueError, "sample_weight must have shape"),
    (fit(sample_weight=changed(np.ones(10), 3, -2)), ValueError, r"\[3\] is -2; weights must not be negative"),
    (fit(sample_weight=changed(np.ones(10), 3, NAN)), ValueError, r"\[3\] is nan; sample_weight must be finite\.$"),
    (fit(sample_weight=np.zeros(10)), ValueError, "sample_weight is zero everywhere"),
    (fit(validation_data=(X, Y, np.zeros(10))), ValueError, "validation_data is zero everywhere, so no row counts"),
    (lambda: NET.fit(X, sparse()), ValueError, r"^y is sparse; only X may be. Use y.toarray\(\).$"),
    (fit(sample_weight=np.full(10, 1e38)), ValueError,
     r"sample_weight gives the rows a total weight of 1e\+39, too large for float32 .*Scale the weights down: only"),
    (fit(validation_data=(X, Y, np.full(10, 1e38))), ValueError, "sample_weight of validation_data gives the rows"),
    (lambda: DOUBLE.fit(X, Y, sample_weight=np.full(10, 1e308)), ValueError, "of inf, too large for float64"),
    (lambda: NET.trainer().step(X, Y, np.full(10, 1e38)), ValueError, "Scale the weights down"),
    (lambda: fastnn.functional.squared_error(T, T, sample_weight=np.full(10, 1e308)), ValueError, "Scale the weights"),
    (fit(class_weight={0: 1e38}), ValueError, r"class_weight gives the rows a total weight of 4e\+38, too large for"),
    (fit(class_weight={0: 1e300}), ValueError, "class_weight gives the rows a total weight of inf, too large for"),
    (fit(class_weight={0: 1e30}, sample_weight=np.full(10, 1e30)), ValueError, "class_weight gives .* Scale"),
    (lambda: DOUBLE.fit(X, Y, class_weight={0: 1e300}, sample_weight=np.full(10, 1e300)), ValueError, "weight of inf"),
    (fit(sample_weight=["a"] * 10), TypeError, "sample_weight must hold real numbers"),
    (fit(class_weight={3: 1.0}), ValueError, "class_weight names the label 3; labels are 0 ... 2"),
    (fit(class_weight={"a": 1.0}), ValueError, "class_weight names the label 'a'"),
    (fit(class_weight={0: -1.0}), ValueError, r"class_weight\[0\] must be a finite number in \[0, inf\)"),
    (fit(class_weight={0: "x"}), TypeError, r"class_weight\[0\] must be a number"),
    (fit(class_weight=dict.fromkeys(range(3), 0.0)), ValueError, "class_weight leaves every row with weight zero"),
    (fit(class_weight="balance"), TypeError, "class_weight must be a dict"),
    (lambda: REGRESSION.fit(X, T, class_weight={0: 1}), ValueError, "class_weight needs class labels"),
    # network
    (build([4], output="softmax"), ValueError, "at least two layer sizes"),
    (build(4, output="softmax"), ValueError, "sequence of at least two layer sizes.*got 4"),
    (build("44", output="softmax"), ValueError, "sequence of at least two"),
    (build({4, 5}, output="softmax"), ValueError, "sequence of at least two"),
    (build(np.ones((2, 2)), output="softmax"), ValueError, "sequence of at least two"),
    (build([4, 0, 3], output="softmax"), ValueError, r"sizes\[1\] must be at least 1, got 0"),
    (build([4, -2], output="softmax"), ValueError, r"sizes\[1\] must be at least 1"),
    (build([4, 2.5], output="softmax"), TypeError, r"sizes\[1\] must be a whole number, got 2.5"),
    (build([4, "3"], output="softmax"), TypeError, r"sizes\[1\] must be a whole number"),
    (build([4, True], output="sigmoid"), TypeError, r"sizes\[1\] must be a whole number"),
    (build([4, INF], output="sigmoid"), TypeError, r"sizes\[1\] must be a whole number"),
    (build([4, 1], output="softmax"), ValueError, "two outputs or more.*Use output='sigmoid'"),
    (build([4, 2], output="sofmax"), ValueError, "unknown output 'sofmax'. Did you mean 'softmax'. Known: softmax"),
    (build([4, 3, 2], output="softmax", activation="rleu"), ValueError, f"'rleu'. Did you mean 'relu'. Known: {ALL}"),
    (build([4, 2], output="softmax", activation="rleu"), ValueError, "unknown activation 'rleu'"),
    (build([4, 3, 2], output="softmax", activation=None), TypeError, "activation must be one of identity"),
    (build([4, 3, 2], output="softmax", activation=["relu", "relu"]), ValueError, "one per hidden layer .1., got 2"),
    (build([4, 2], output="identity", loss="huberr"), ValueError, "unknown loss 'huberr'. Did you mean 'huber'"),
    (build([4, 2], output="softmax", loss="mse"), ValueError, "do not go together. Pairs: softmax: categorical"),
    (build([4, 2], output="identity", loss={"huber": 0}), ValueError, r"parameter of huber must .*\(0, inf\), got 0"),
    (build([4, 2], output="identity", loss={"quantile": 1.0}), ValueError, "parameter of quantile"),
    (build([4, 2], output="identity", loss={"squared_error": 1.0}), ValueError, "'squared_error' has no parameter"),
    (build([4, 2], output="identity", loss={}), ValueError, "loss as a dict names one loss"),
    (build([4, 2], output="softmax", bias=1), TypeError, "bias must be True or False, got 1"),
    (build([4, 2], output="softmax", dtype="float16"), ValueError, "dtype must be 'float32' or 'float64', got"),
    (build([4, 2], output="softmax", dtype="nonsense"), ValueError, "dtype must be"),
    (build([4, 2], output="softmax", dtype=None), ValueError, "dtype must be.*None"),
    (build([4, 2], output="softmax", seed=-1), ValueError, "seed must be at least 0"),
    (build([4, 2], output="softmax", seed=1.5), TypeError, "seed must be a whole number"),
    (build([4, 2], output="softmax", input_scale=0), ValueError, r"input_scale must be a finite number in \(0, inf\)"),
    (build([4, 2], output="softmax", init="hee_normal"), ValueError, "Did you mean 'he_normal'"),
    (build([4, 2], output="softmax", init={"normall": 1}), ValueError, "init must be None, a name"),
    (build([4, 2], output="softmax", init={"normal": -1}), ValueError, r"init\['normal'\]"),
    (build([4, 2], output="softmax", init={"constant": NAN}), ValueError, r"init\['constant'\]"),
    (build([4, 2], output="softmax", init=["zeros"] * 2), ValueError, "init must be one value or one per layer"),
    (build([4, 2], output="softmax", init=growing), ValueError, r"must return shape \(4, 2\), got \(5, 2\)"),
    (build([4, 2], output="softmax", init=lambda *a: np.full((4, 2), NAN)), ValueError, r"of layer 1\[0, 0\] is nan"),
    (lambda: Network.from_weights([], [], output="identity"), ValueError, "weights is empty"),
    (lambda: Network.from_weights([T, T], None, output="identity"), ValueError, r"weights\[1\] has 10 rows.* gives 3"),
    (lambda: Network.from_weights([T[0]], None, output="identity"), ValueError, r"weights\[0\] must be 2-D"),
    (lambda: Network.from_weights([T], [], output="identity"), ValueError, "1 weights and 0 biases"),
    (lambda: Network.from_weights([T], [[1.0]], output="identity"), ValueError, r"biases\[0\] must have shape \(3,\)"),
    (lambda: Network.from_weights([T * NAN], None, output="identity"), ValueError, r"weights\[0\]\[0, 0\] is nan"),
    (lambda: Network.from_weights([T * 1e300], None, output="identity", dtype="f4"), ValueError, "too large"),
    # asking
    (lambda: NET.predict(X, out=np.empty((10, 2), "f4")), ValueError, r"of shape \(10, 3\), got float32 .10, 2"),
    (lambda: NET.predict(X, out=np.empty((10, 3))), ValueError, "out must be a float32 array"),
    (lambda: NET.predict(X, out=[0]), ValueError, "out must be .* got list"),
    (lambda: NET.predict(X, out=np.broadcast_to(np.float32(0), (10, 3))), ValueError, "out is read-only"),
    (lambda: NET.predict(X, out=np.zeros((10, 3), "u1, f4")["f1"]), ValueError, "out is not aligned"),
    (lambda: NET.predict(X, num_threads=0), ValueError, "num_threads must be at least 1"),
    (lambda: NET.predict(X, backend="c"), ValueError, "unknown backend 'c'"),
    (lambda: REGRESSION.classify(X), ValueError, "classify needs output 'softmax' or 'sigmoid'.* gives 'identity'"),
    (lambda: NET.backward(X, T[:, :2]), ValueError, r"dY must have shape \(10, 3\), got \(10, 2\)"),
    (lambda: NET.backward(X, T * NAN), ValueError, r"dY\[0, 0\] is nan"),
    (lambda: NET.input_gradient(X, 3), ValueError, "output must be 0 ... 2, got 3"),
    (lambda: NET.input_gradient(X, -1), ValueError, "output must be at least 0"),
    (lambda: NET.input_gradient(X, 0.5), TypeError, "output must be a whole number"),
    (lambda: NET.loss_grad(X, Y, theta=np.zeros(3)), ValueError, r"theta must have shape \(43,\), got \(3,\)"),
    (lambda: NET.loss_grad(X, Y, theta=np.full(43, NAN)), ValueError, r"theta\[0\] is nan; theta must be finite\.$"),
    (lambda: NET.loss_grad(X, Y, l2=-1), ValueError, "l2 must be"),
    # optimisers, trainers and schedules in online training
    (lambda: NET.trainer(STATE), ValueError, "slots of shape"),
    (lambda: NET.trainer(dropout=1), ValueError, "dropout"),
    (lambda: NET.trainer(num_threads=0), ValueError, "num_threads"),
    (lambda: NET.trainer(backend="x"), ValueError, "unknown backend"),
    (lambda: NET.trainer(SGD(schedules.Cosine(0.1))), ValueError, "online steps have no end. Give length="),
    (lambda: NET.trainer(SGD(schedules.OneCycle(0.1))), ValueError, "online steps have no end. Give length="),
    (lambda: NET.trainer(SGD(schedules.Exponential(0.1, unit="epoch"))), ValueError, "needs epochs; .*unit='step'"),
    (lambda: NET.trainer().apply_gradient(np.zeros(3)), ValueError, r"g must have shape \(43,\)"),
    (lambda: NET.trainer().apply_gradient(np.full(43, INF)), ValueError, r"g\[0\] is inf"),
    (lambda: SGD(-0.1), ValueError, r"learning_rate must be a finite number in \[0, inf\), got -0.1"),
    (lambda: Adam(NAN), ValueError, "learning_rate"),
    (lambda: AdamW("0.1"), TypeError, "learning_rate must be a number, got '0.1'"),
    (lambda: RMSprop(INF), ValueError, "learning_rate"),
    # the process
    (lambda: fastnn.set_backend("cyton"), ValueError, "Did you mean 'cython'"),
    (lambda: fastnn.set_num_threads(0), ValueError, "num_threads must be at least 1"),
    (lambda: fastnn.set_num_threads("2"), TypeError, "num_threads must be a whole number"),
    (lambda: NET.predictor()(X[:, :3]), ValueError, "x has 3 columns; this network takes 4"),
    (lambda: NET.predictor()(X[None]), ValueError, "x must be"),
    (lambda: NET.predictor()(["a"] * 4), TypeError, "x must hold real numbers"),
    (lambda: NET.predictor()([[1, 2], [3]]), TypeError, "x must be a rectangular array"),
    (lambda: NET.predictor()(None), TypeError, r"x must hold real numbers, 1-D or 2-D, \(rows, 4\); got NoneType None"),
    (lambda: NET.predictor()(np.ma.masked_less(X[0], 9)), ValueError, "x has masked entries"),
    (lambda: NET.predictor()(SimpleNamespace(ndim=1, shape=(4,), tocsr=None)), ValueError,
     r"sparse x must be 2-D.*Use x.reshape\(1, -1\)"),
    (lambda: NET.predictor(num_threads=0), ValueError, "num_threads must be at least 1"),
    (lambda: NET.predictor().update(DOUBLE), ValueError, "this predictor is for .*float32; the network has .*float64"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "words"), CALLS, ids=[f"{i}: {c[2][:40]}" for i, c in enumerate(CALLS)])
def test_bad_call(call, error, words):
    nets = (NET, REGRESSION, ONE, DOUBLE)
    states = [net.rng.bit_generator.state for net in nets]
    with unmodified(X, Y, T, *(net.theta for net in nets)), pytest.raises(error, match=words):
        call()
    assert [net.rng.bit_generator.state for net in nets] == states
    assert [net.history for net in nets] == [None] * 4


@pytest.mark.parametrize("sizes", [
    [10**6, 10**6], [10**9, 10**9, 2], [2**31, 2**33], [10**30, 10], [10, 10**18, 10],
], ids=str)  # fmt: skip
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_network_too_large_for_memory(sizes, dtype):
    began = time.perf_counter()
    with pytest.raises(MemoryError, match="sizes.*(GiB|2.62)"):
        Network(sizes, output="identity", dtype=dtype)
    assert time.perf_counter() - began < 1


def test_unknown_backend_in_the_environment(monkeypatch):
    monkeypatch.setenv("FASTNN_BACKEND", "numbra")
    fastnn.set_backend(None)
    with pytest.raises(ValueError, match="unknown backend .from FASTNN_BACKEND. 'numbra'. Did you mean 'numba'"):
        NET.predict(X)
    with pytest.raises(ValueError, match="FASTNN_BACKEND"):
        fastnn.get_backend()


def test_a_missing_package_is_named_with_its_install_line():
    printed = run_python("""
        import sys
        sys.modules["numba"] = None
        import fastnn
        try:
            fastnn.set_backend("numba")
        except fastnn.MissingDependencyError as error:
            assert isinstance(error, ImportError)
            print(error)
        print(fastnn.available_backends())
    """)
    assert "the numba backend is not available" in printed
    assert 'pip install "fastnn-kernels[numba]"' in printed
    assert "numba'" not in printed.splitlines()[-1]


def test_a_bad_batch_of_weights_is_no_error():
    net = NET.copy()
    weights = np.zeros(10)
    weights[0] = 1
    history = net.fit(X, Y, epochs=2, batch_size=2, sample_weight=weights)
    assert np.isfinite(history.loss).all()
    assert np.isfinite(net.theta).all()
