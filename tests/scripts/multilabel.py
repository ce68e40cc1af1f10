"""Several labels per row."""

from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import f1_score, hamming_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

X, Y = make_multilabel_classification(n_samples=400, n_features=12, n_classes=5, random_state=0)
X_train, X_test, Y_train, Y_test = train_test_split(StandardScaler().fit_transform(X), Y, random_state=0)
clf = MLPClassifier((24,), activation="tanh", max_iter=80, tol=0, learning_rate_init=0.01, random_state=0)
clf.fit(X_train, Y_train)
found = clf.predict(X_test)
print(f"subset accuracy {clf.score(X_test, Y_test):.6f}, hamming {hamming_loss(Y_test, found):.6f}")
print(f"f1 {f1_score(Y_test, found, average='samples', zero_division=0):.6f}")
