"""The notes' formulas in plain NumPy, examples in columns, written for the tests: nothing of fastnn is in here."""

from __future__ import annotations

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def relu(z):
    return np.maximum(0, z)


def softmax(z):
    e = np.exp(z - z.max(axis=0, keepdims=True))
    return e / e.sum(axis=0, keepdims=True)


FORWARD = {"sigmoid": sigmoid, "relu": relu, "tanh": np.tanh, "softmax": softmax,
           "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z)}  # fmt: skip


def backward(name, dA, Z):
    if name == "sigmoid":
        return dA * sigmoid(Z) * (1 - sigmoid(Z))
    if name == "relu":
        return np.where(Z > 0, dA, 0.0)
    if name == "tanh":
        return dA * (1 - np.tanh(Z) ** 2)
    if name == "leaky_relu":
        return np.where(Z > 0, dA, 0.01 * dA)
    A, dZ = softmax(Z), np.empty_like(Z)  # by the Jacobian, column by column
    for i in range(Z.shape[1]):
        dZ[:, i] = (np.diag(A[:, i]) - np.outer(A[:, i], A[:, i])) @ dA[:, i]
    return dZ


def random_layers(dims, seed, scale):
    np.random.seed(seed)  # noqa: NPY002
    parameters = {}
    for layer in range(1, len(dims)):
        parameters[f"W{layer}"] = np.random.randn(dims[layer], dims[layer - 1]) * scale(dims[layer - 1])  # noqa: NPY002
        parameters[f"b{layer}"] = np.zeros((dims[layer], 1))
    return parameters


def cost(A, Y):
    return float(-np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / Y.shape[1])


def forward(X, parameters, hidden="relu", output="sigmoid", masks=None):
    """Return the list of A and of Z; masks are factors of the hidden outputs."""
    A, Z = [X], [None]
    L = len(parameters) // 2
    for layer in range(1, L + 1):
        Z.append(parameters[f"W{layer}"] @ A[-1] + parameters[f"b{layer}"])
        A.append(FORWARD[output if layer == L else hidden](Z[-1]))
        if masks and layer < L:
            A[-1] = A[-1] * masks[layer - 1]
    return A, Z


def gradients(A, Z, Y, parameters, hidden="relu", lambd=0.0, masks=None):
    """Return dW, db of every layer for the cross-entropy of a sigmoid or softmax output."""
    L, m, grads = len(parameters) // 2, Y.shape[1], {}
    dZ = A[L] - Y
    for layer in range(L, 0, -1):
        W = parameters[f"W{layer}"]
        grads[f"dW{layer}"] = dZ @ A[layer - 1].T / m + lambd / m * W
        grads[f"db{layer}"] = np.sum(dZ, axis=1, keepdims=True) / m
        if layer > 1:
            dA = W.T @ dZ
            if masks:
                dA = dA * masks[layer - 2]
            dZ = backward(hidden, dA, Z[layer - 1])
    return grads


def train(X, Y, parameters, rate, iterations, hidden="relu", output="sigmoid"):
    """Full-batch gradient descent; return the parameters and the cost before each update."""
    parameters, costs = dict(parameters), []
    for _ in range(iterations):
        A, Z = forward(X, parameters, hidden, output)
        costs.append(cost(A[-1], Y) if output == "sigmoid" else float(-np.sum(Y * np.log(A[-1])) / Y.shape[1]))
        grads = gradients(A, Z, Y, parameters, hidden)
        parameters = {name: value - rate * grads[f"d{name}"] for name, value in parameters.items()}
    return parameters, costs


def backward_as_in_the_notes(AL, Y, caches):
    """The step-by-step backward of L layers: from AL and the caches as they are."""
    grads, m = {}, AL.shape[1]
    dA = -(Y / AL - (1 - Y) / (1 - AL))
    for layer in range(len(caches), 0, -1):
        (A_prev, W, _), Z = caches[layer - 1]
        dZ = backward("sigmoid" if layer == len(caches) else "relu", dA, Z)
        grads[f"dW{layer}"] = dZ @ A_prev.T / m
        grads[f"db{layer}"] = np.sum(dZ, axis=1, keepdims=True) / m
        dA = grads[f"dA{layer - 1}"] = W.T @ dZ
    return grads
