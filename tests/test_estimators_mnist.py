"""The MNIST network of scikit-learn's own example, with the accuracies that scikit-learn gives."""

from __future__ import annotations

import pytest
from estimators_common import quiet_fit

import fastnn


@pytest.mark.slow
def test_mnist_gives_what_scikit_learn_gives():
    try:
        data = fastnn.datasets.load_mnist(raw=True)
    except (FileNotFoundError, fastnn.FastNNError) as error:
        pytest.skip(str(error))
    X, X_test = (images.reshape(len(images), -1) / 255.0 for images in (data.X_train, data.X_test))
    est = fastnn.MLPClassifier((50,), solver="sgd", learning_rate_init=0.1, alpha=1e-4, max_iter=10, random_state=1)
    quiet_fit(est, X, data.y_train)
    assert round(est.score(X, data.y_train), 4) == 0.9868
    assert round(est.score(X_test, data.y_test), 4) == 0.9700
