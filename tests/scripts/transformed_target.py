"""A regressor of a transformed target, with lbfgs and with adam."""

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X, y = load_diabetes(return_X_y=True)
for solver in ("lbfgs", "adam"):
    mlp = MLPRegressor(
        hidden_layer_sizes=(8,), activation="tanh", solver=solver, alpha=5.0, max_iter=60, learning_rate_init=0.02,
        tol=1e-3, random_state=0,
    )  # fmt: skip
    model = TransformedTargetRegressor(make_pipeline(StandardScaler(), mlp), func=np.log, inverse_func=np.exp)
    scores = cross_val_score(model, X, y, cv=4)
    print(solver, " ".join(f"{score:.5f}" for score in scores))
