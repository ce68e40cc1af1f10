"""The check of what is fitted: the short way gives what scikit-learn's gives, and leaves it everything else."""

import warnings

import numpy as np
import pytest
import sklearn
from scipy.sparse import csr_array
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils.validation import validate_data

import fastnn
from fastnn.estimators import checked as room
from fastnn.estimators.checked import TAKEN, checked

X = np.random.default_rng(0).normal(size=(12, 3))
Y = np.arange(12) % 3
BIG = np.full((12, 3), 1e308)
HOLE, ENDLESS = X.copy(), X.astype(np.float32)
HOLE[5, 1], ENDLESS[5, 1] = np.nan, -np.inf


@pytest.mark.parametrize(
    ("X", "y", "short"),
    [
        (X, Y, True),
        (X.astype(np.float32), Y.astype(np.uint8), True),
        (X[::2, ::-1], Y[::2], True),
        (np.asfortranarray(X), X[:, 0], True),
        (X, X[:, 0].astype(np.float32), True),
        (BIG, Y, False),  # its sum is not finite
        (X.astype(np.float16), Y, False),
        (X.astype(">f8"), Y, False),
        (X.astype(int), Y, False),
        (X.tolist(), Y, False),
        (X, Y.tolist(), False),
        (X, Y.reshape(-1, 1), False),
        (X, Y.astype(bool), False),
        (X, Y.astype(str), False),
        (X, Y.astype(object), False),
        (csr_array(X), Y, False),
        (X.view(type("Own", (np.ndarray,), {})), Y, False),
        (np.ma.array(X), Y, False),
    ],
)
def test_what_is_taken(monkeypatch, X, y, short):
    theirs, ours = fastnn.MLPClassifier(), fastnn.MLPClassifier()
    expected = validate_data(theirs, X, y, **TAKEN)
    asked = []
    monkeypatch.setattr(room, "validate_data", lambda *args, **rules: asked.append(1) or validate_data(*args, **rules))
    found = checked(ours, X, y, reset=True)
    assert asked == [] if short else asked == [1]
    for a, b in zip(found, expected, strict=True):
        assert type(a) is type(b)
        assert a.dtype == b.dtype
        if hasattr(a, "toarray"):
            a, b = a.toarray(), b.toarray()
        np.testing.assert_array_equal(a, b)
    assert ours.n_features_in_ == theirs.n_features_in_ == 3


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (HOLE, Y), (ENDLESS, Y), (X, np.where(Y == 1, np.nan, 1.0)), (X, np.where(Y == 1, -np.inf, 1.0)), (X, Y[:-1]),
        (X[0], Y), (X[:0], Y[:0]), (X[:, :0], Y), (X[None], Y), (X, None), (X + 1j, Y), (X, Y + 1j),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_errors_are_scikit_learns(X, y, kind):
    with pytest.raises(ValueError) as theirs:  # noqa: PT011
        {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}[kind]().fit(X, y)
    with pytest.raises(ValueError) as ours:  # noqa: PT011
        getattr(fastnn, kind)().fit(X, y)
    assert str(ours.value) == str(theirs.value)


def test_names_of_features_are_forgotten_and_compared():
    pandas = pytest.importorskip("pandas")
    est = fastnn.MLPClassifier((4,), max_iter=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
        est.fit(pandas.DataFrame(X, columns=["a", "b", "c"]), Y)
        assert est.feature_names_in_.tolist() == ["a", "b", "c"]
        est.fit(X, Y)
    assert not hasattr(est, "feature_names_in_")
    with pytest.raises(ValueError, match="X has 2 features, but MLPClassifier is expecting 3 features"):
        est.partial_fit(X[:, :2], Y)


def test_what_is_assumed_finite_is_not_searched():
    with sklearn.config_context(assume_finite=True):
        found, _ = checked(fastnn.MLPRegressor(), HOLE, X[:, 0], reset=True)
    assert np.isnan(found).any()
