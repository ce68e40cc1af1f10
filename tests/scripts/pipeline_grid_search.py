"""A pipeline with a scaler, searched over a small grid."""

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
pipe = Pipeline([("scale", StandardScaler()), ("mlp", MLPClassifier(max_iter=60, tol=1e-2, random_state=0))])
grid = {"mlp__hidden_layer_sizes": [(10,), (20, 10)], "mlp__alpha": [1e-4, 1e-1]}
search = GridSearchCV(pipe, grid, cv=3).fit(X_train, y_train)
print(search.best_params_)
print(f"cross-validation {search.best_score_:.6f}, test {search.score(X_test, y_test):.6f}")
