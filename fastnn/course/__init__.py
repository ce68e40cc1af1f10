"""The course's own functions, compiled underneath: keep the code, swap the import.

Examples are columns: X (n_x, m), Y (n_y, m), W[l] (n_l, n_(l-1)), b[l] (n_l, 1); parameters and gradients are dicts
``W1 b1 ... dW1 db1 dA0 ...``.  Four modules, as the assignments use one name for different things:

`logistic`  one neuron;  `planar`  one hidden tanh layer;  `deep`  L layers;  `tuning`  initialisation, regularisation,
gradient checking, mini-batches, momentum, Adam.

What is given is never changed; float64 unless all of it is float32.  ``seed=None`` draws from NumPy's global generator,
as ``np.random.randn`` would.

>>> from fastnn.course.deep import L_layer_model, predict
>>> parameters, costs = L_layer_model([[-1.0, 1.0]], [[0, 1]], [1, 4, 1], learning_rate=1.0, num_iterations=200, seed=1)
>>> predict([[-2.0, 2.0]], None, parameters).tolist()
[[0.0, 1.0]]
"""

from . import deep, logistic, planar, tuning

__all__ = ["deep", "logistic", "planar", "tuning"]
