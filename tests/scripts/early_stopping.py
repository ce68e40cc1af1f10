"""Early stopping on held-out digits."""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16.0, y, random_state=0)
clf = MLPClassifier((30,), learning_rate_init=0.01, early_stopping=True, n_iter_no_change=5, random_state=3)
clf.fit(X_train, y_train)
print(f"stopped after {clf.n_iter_} epochs, best validation score {clf.best_validation_score_:.6f}")
print(f"test {clf.score(X_test, y_test):.6f}, first probabilities {clf.predict_proba(X_test[:1]).round(5).tolist()}")
