"""Minibatches from a stream, scored before each is learned."""

import numpy as np
from sklearn.neural_network import MLPClassifier

rng = np.random.RandomState(0)
clf = MLPClassifier(hidden_layer_sizes=(16,), solver="sgd", learning_rate_init=0.1, random_state=1)
right = seen = 0
for step in range(60):
    X = rng.standard_normal((50, 4))
    y = np.where(X[:, 0] * X[:, 1] > 0, "alike", "apart")
    if step:
        right += (clf.predict(X) == y).sum()
        seen += len(y)
    clf.partial_fit(X, y, classes=["alike", "apart"])
print(f"right before learning: {right / seen:.4f}; loss {clf.loss_:.6f}; rows seen {clf.t_}")
