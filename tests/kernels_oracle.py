"""The tests' own twin of the kernels: plain Python floats and loops, one row at a time, straight from the textbook.

It shares no code with ``kernels/``: networks are described by names, derivatives are of the input z, Philox works on
Python integers, optimisers are scalar recurrences as the papers print them.  Slow, and meant to be.
"""

from __future__ import annotations

import math

# ---- activations: name -> (f(z), f'(z))


def _exp(x):
    return math.exp(x) if x < 709.0 else math.inf


def _sigmoid(z):
    return 1 / (1 + _exp(-z)) if z >= 0 else _exp(z) / (1 + _exp(z))


def _normal_cdf(z):
    return 0.5 * math.erfc(-z / math.sqrt(2))


def _normal_pdf(z):
    return _exp(-z * z / 2) / math.sqrt(2 * math.pi)


def _softplus(z):
    return max(z, 0.0) + math.log1p(_exp(-abs(z)))


ACTIVATION = {
    "identity": (lambda z: z, lambda z: 1.0),
    "sigmoid": (_sigmoid, lambda z: _sigmoid(z) * _sigmoid(-z)),
    "tanh": (math.tanh, lambda z: 1 / math.cosh(z) ** 2 if abs(z) < 300 else 0.0),
    "relu": (lambda z: max(z, 0.0), lambda z: 1.0 if z > 0 else 0.0),
    "leaky_relu": (lambda z: max(z, 0.01 * z), lambda z: 1.0 if z > 0 else 0.01),
    "elu": (lambda z: z if z > 0 else math.expm1(z), lambda z: 1.0 if z > 0 else _exp(z)),
    "softplus": (_softplus, _sigmoid),
    "silu": (lambda z: z * _sigmoid(z), lambda z: _sigmoid(z) + z * _sigmoid(z) * _sigmoid(-z)),
    "gelu": (lambda z: z * _normal_cdf(z), lambda z: _normal_cdf(z) + z * _normal_pdf(z)),
}

# ---- losses: name -> (row r, row t, parameter) -> (loss, gradient), and links: name -> row -> row


def _sign(x):
    return (x > 0) - (x < 0)


def _elementwise(f, df):
    def loss(r, t, p):
        pairs = list(zip(r, t, strict=True))
        return math.fsum(f(a, b, p) for a, b in pairs), [df(a, b, p) for a, b in pairs]

    return loss


def softmax(r):
    top = max(r)
    powers = [_exp(a - top) for a in r]
    return [q / math.fsum(powers) for q in powers]


def _cross_entropy(r, t, p):
    top = max(r)
    log_total = top + math.log(math.fsum(_exp(a - top) for a in r))
    mass = math.fsum(t)
    value = math.fsum(b * (log_total - a) for a, b in zip(r, t, strict=True))
    return value, [mass * q - b for q, b in zip(softmax(r), t, strict=True)]


LOSS = {
    "squared_error": _elementwise(lambda r, t, p: (r - t) ** 2 / 2, lambda r, t, p: r - t),
    "absolute_error": _elementwise(lambda r, t, p: abs(r - t), lambda r, t, p: _sign(r - t)),
    "huber": _elementwise(
        lambda r, t, p: (r - t) ** 2 / 2 if abs(r - t) <= p else p * (abs(r - t) - p / 2),
        lambda r, t, p: max(-p, min(p, r - t)),
    ),
    "quantile": _elementwise(
        lambda r, t, p: max(p * (t - r), (p - 1) * (t - r)),
        lambda r, t, p: -p if r < t else 1 - p if r > t else 0.0,
    ),
    "binary_cross_entropy": _elementwise(
        lambda r, t, p: t * _softplus(-r) + (1 - t) * _softplus(r), lambda r, t, p: _sigmoid(r) - t
    ),
    "categorical_cross_entropy": _cross_entropy,
    "poisson": _elementwise(lambda r, t, p: _exp(r) - t * r, lambda r, t, p: _exp(r) - t),
}
LINK = {
    "identity": list,
    "softmax": softmax,
    "sigmoid": lambda r: [_sigmoid(a) for a in r],
    "exp": lambda r: [_exp(a) for a in r],
}

# ---- dropout


def philox(counter, key):
    """Return the four words of Philox4x32-10 for four counter words and two key words."""
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * c0, 1 << 32)
        high1, low1 = divmod(0xCD9E8D57 * c2, 1 << 32)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) % (1 << 32), (k1 + 0xBB67AE85) % (1 << 32)
    return c0, c1, c2, c3


def keep_factor(key, t, layer, row, unit, rate):
    """Return what the output of one unit is multiplied by: 0, or 1 / (1 - rate)."""
    words = philox((unit // 4, row % (1 << 32), layer, t % (1 << 32)), (key % (1 << 32), key >> 32))
    return 0.0 if words[unit % 4] < int(rate * 2**32) else 1 / (1 - rate)


# ---- a network: ``net`` has sizes, acts (one per layer), link, loss, bias, l2 and dropout (one per layer), parameter,
# scale, clip, l2_over_norm; theta is a list of floats


def layers(net, theta):
    """Return [(W, b, offset of W, offset of b)] of nested lists; b is None without biases."""
    found, at = [], 0
    for n_in, n_out in zip(net.sizes[:-1], net.sizes[1:], strict=True):
        W = [list(theta[at + i * n_out : at + (i + 1) * n_out]) for i in range(n_in)]
        b_at = at + n_in * n_out
        b = list(theta[b_at : b_at + n_out]) if net.bias else None
        found.append((W, b, at, b_at))
        at = b_at + (n_out if net.bias else 0)
    assert at == len(theta)
    return found


def forward(net, weights, x, factors=None):
    """Return per layer the inputs a, the sums z, and the raw prediction."""
    inputs, sums = [], []
    a = [net.scale * value for value in x]
    for layer, (W, b, _, _) in enumerate(weights):
        inputs.append(a)
        z = [math.fsum(a[i] * W[i][j] for i in range(len(a))) + (b[j] if b else 0.0) for j in range(len(W[0]))]
        sums.append(z)
        a = [ACTIVATION[net.acts[layer]][0](value) for value in z]
        if factors and factors[layer]:
            a = [value * factor for value, factor in zip(a, factors[layer], strict=True)]
    return inputs, sums, a


def predict(net, theta, X):
    weights = layers(net, theta)
    return [LINK[net.link](forward(net, weights, x)[2]) for x in X]


def evaluate(net, theta, X, T, sample_weights, norm):
    weights = layers(net, theta)
    losses = [LOSS[net.loss](forward(net, weights, x)[2], t, net.parameter)[0] for x, t in zip(X, T, strict=True)]
    return math.fsum(w * value for w, value in zip(sample_weights, losses, strict=True)) / norm


def gradient(net, theta, X, T, sample_weights, norm, rows, key, t):
    """Return (data loss, penalty, gradient) of the given rows, with dropout and L2 as ``net`` has them."""
    weights = layers(net, theta)
    grad = [0.0] * len(theta)
    data = 0.0
    for row in rows:
        factors = [
            [keep_factor(key, t, layer, row, unit, rate) for unit in range(n_out)] if rate else None
            for layer, (rate, n_out) in enumerate(zip(net.dropout, net.sizes[1:], strict=True), start=1)
        ]
        inputs, sums, r = forward(net, weights, X[row], factors)
        value, d = LOSS[net.loss](r, T[row], net.parameter)
        share = sample_weights[row] / norm
        data += share * value
        d = [share * v for v in d]
        for layer in reversed(range(len(weights))):
            W, b, w_at, b_at = weights[layer]
            df = ACTIVATION[net.acts[layer]][1]
            keep = factors[layer] or [1.0] * len(d)
            dz = [v * k * df(z) for v, k, z in zip(d, keep, sums[layer], strict=True)]
            for j, v in enumerate(dz):
                for i, a in enumerate(inputs[layer]):
                    grad[w_at + i * len(dz) + j] += a * v
                if b:
                    grad[b_at + j] += v
            d = [math.fsum(W[i][j] * dz[j] for j in range(len(dz))) for i in range(len(W))]
    penalty = 0.0
    for l2, (W, _, w_at, b_at) in zip(net.l2, weights, strict=True):
        l2 = l2 / norm if net.l2_over_norm else l2
        penalty += l2 / 2 * math.fsum(w * w for line in W for w in line)
        for at in range(w_at, b_at):
            grad[at] += l2 * theta[at]
    return data, penalty, grad


# ---- optimisers: name -> (w, g, memory, t = 1, 2, ..., hyper row as in updates.py) -> w


def _sgd(w, g, memory, t, h):
    return w - h[0] * g


def _momentum(w, g, memory, t, h):
    memory[0] = h[2] * memory[0] - h[0] * g
    return w + memory[0]


def _nesterov(w, g, memory, t, h):
    memory[0] = h[2] * memory[0] - h[0] * g
    return w + h[2] * memory[0] - h[0] * g


def _adam(w, g, memory, t, h):
    lr, _, beta_1, beta_2, epsilon = h
    memory[0] = beta_1 * memory[0] + (1 - beta_1) * g
    memory[1] = beta_2 * memory[1] + (1 - beta_2) * g * g
    m_hat = memory[0] / (1 - beta_1**t)
    v_hat = memory[1] / (1 - beta_2**t)
    return w - lr * m_hat / (math.sqrt(v_hat) + epsilon)


def _rmsprop(w, g, memory, t, h):
    memory[0] = h[2] * memory[0] + (1 - h[2]) * g * g
    return w - h[0] * g / (math.sqrt(memory[0]) + h[4])


UPDATE = {
    "sgd": _sgd,
    "momentum": _momentum,
    "nesterov": _nesterov,
    "adam": _adam,
    "adamw": _adam,
    "rmsprop": _rmsprop,
}


def update(net, rule, h, t, theta, grad, memory):
    """Return theta after step t + 1; memory, a list of two floats per parameter, is written."""
    is_weight = [False] * len(theta)
    for _, _, w_at, b_at in layers(net, theta):
        is_weight[w_at:b_at] = [True] * (b_at - w_at)
    decayed = [w * (1 - h[0] * h[1]) if weight else w for w, weight in zip(theta, is_weight, strict=True)]
    return [UPDATE[rule](w, g, m, t + 1, h) for w, g, m in zip(decayed, grad, memory, strict=True)]


def train(net, rule, hyper, t, theta, X, T, sample_weights, batches, key):
    """Return (theta, memory, [(data loss, penalty)]) after the given batches of rows."""
    theta, losses = list(theta), []
    memory = [[0.0, 0.0] for _ in theta]
    for i, rows in enumerate(batches):
        norm = math.fsum(sample_weights[row] for row in rows) or 1.0
        data, penalty, grad = gradient(net, theta, X, T, sample_weights, norm, rows, key, t + i)
        losses.append((data, penalty))
        size = math.sqrt(math.fsum(g * g for g in grad))
        if net.clip and size > net.clip:
            grad = [g * net.clip / size for g in grad]
        theta = update(net, rule, hyper[i], t + i, theta, grad, memory)
    return theta, memory, losses
