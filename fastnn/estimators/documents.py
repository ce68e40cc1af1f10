"""The text that both estimators' docstrings share: parameters, attributes, references, examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

__all__ = ["documented"]

Estimator = TypeVar("Estimator", bound=type)

OF_REGRESSOR = """\
    loss : {"squared_error", "poisson", "absolute_error", "huber", "quantile"}
        Per output, with prediction r and target t; a row's loss is the sum over outputs, a batch's the mean over rows:

            squared_error   (r - t)^2 / 2
            poisson         r - t log r  (plus t log t - t in what is printed); the output is exp, targets >= 0
            absolute_error  |r - t|
            huber           e^2 / 2 if e = |r - t| <= huber_delta else huber_delta (e - huber_delta / 2)   [1]_
            quantile        max(quantile (t - r), (quantile - 1) (t - r))   [2]_
"""

SHARED = """\
    hidden_layer_sizes : array-like of int
        Units of each hidden layer.
    activation : str or array-like of str
        Of all hidden layers, or one name per hidden layer (scikit-learn #10097): identity, logistic, tanh, relu as
        there, and sigmoid (which is logistic), leaky_relu, elu, softplus, silu (swish), gelu.
    solver : {"adam", "sgd", "lbfgs", "adamw", "rmsprop"}
        adamw decays weights, not biases, by ``learning_rate * weight_decay`` per step beside Adam's step [3]_; rmsprop
        is s <- rho s + (1 - rho) g^2, w <- w - lr g / (sqrt(s) + epsilon) [4]_.
    alpha : float
        L2 penalty: alpha / 2 * sum(W^2) / (weight of the batch) is added to a batch's loss.
    batch_size : int or "auto"
        Rows per update; "auto": min(200, n_samples).
    learning_rate : {"constant", "invscaling", "adaptive"} or fastnn.schedules.Schedule
        The words are scikit-learn's and hold for sgd; a schedule gives the rate of every step of any stochastic solver,
        and ``learning_rate_init`` is then not used.
    learning_rate_init : float
        Rate per step.
    power_t : float
        Exponent of "invscaling".
    max_iter : int
        Epochs; iterations of lbfgs.
    shuffle : bool
        Draw a new order every epoch.
    random_state : int, RandomState or None
        Weights, validation split and orders are drawn from it as scikit-learn draws them: the same value gives the same
        network there and here.
    tol : float
        Smallest improvement that counts; gradient tolerance of lbfgs.
    verbose : bool, int or "bar"
        Print a line per epoch, or show a progress bar.
    warm_start : bool
        Go on from the last fit's weights, with a fresh solver.
    momentum, nesterovs_momentum : float, bool
        Of sgd.
    early_stopping : bool
        Hold out rows and stop when their score (or loss: ``monitor``) no longer improves; the best weights are kept.
    validation_fraction : float
        Share of the rows held out.
    beta_1, beta_2, epsilon : float
        Of adam and adamw; rmsprop takes epsilon.
    n_iter_no_change : int or inf
        Epochs without improvement that end the fit.
    max_fun : int
        Evaluations that lbfgs may make.
"""

ADDED_TO_CLASSIFIER = """\
    class_weight : dict, "balanced", list of dict or None
        Weight of each class, multiplied into ``sample_weight``; "balanced" is n_samples / (n_classes * count)
        (scikit-learn #9113).
"""

ADDED = """\
    dropout : float or array-like of float
        Share of a hidden layer's outputs dropped while training, one for all hidden layers or one per layer; what is
        kept is divided by 1 - dropout (scikit-learn #6175) [5]_.
    weight_decay : float
        Of adamw.
    rho : float
        Of rmsprop.
    clip_norm : float or None
        Longest Euclidean norm of a batch's gradient; a longer one g becomes g * clip_norm / |g| [6]_.
    monitor : {"score", "loss"}
        What early stopping watches on the validation data (scikit-learn #24411).
    resume : bool
        As ``warm_start``, and the solver's state (velocities, moments, step count) goes on too (scikit-learn #13656).
    time_limit : float or None
        Seconds after which the fit stops, in the middle of an epoch where need be, with a ConvergenceWarning.
    num_threads : int or None
        None: one for small networks, else `fastnn.get_num_threads`; inside joblib's workers never more than there are
        processors for.
"""

ADDED_TO_REGRESSOR = """\
    huber_delta : float
        Where the Huber loss turns from square to linear.
    quantile : float
        In (0, 1): what the quantile loss estimates.
"""

ATTRIBUTES = """\

    Attributes
    ----------
    coefs_, intercepts_ : list of ndarray
        Weights (n_in, n_out) and biases (n_out,): live views of the network's parameters.
    network_ : fastnn.Network
        The network underneath.
{classes}    n_iter_, t_, n_layers_, n_outputs_, n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where X had names that are strings.
    out_activation_ : str
    loss_, best_loss_ : float
        best_loss_ is None with early stopping.
    loss_curve_ : list of float
        Loss of each epoch, as scikit-learn prints it.  Stochastic solvers only, as are the next four.
    validation_scores_ : list of float or None
        {score} on the validation data after each epoch.
    best_validation_score_ : float or None
    validation_loss_curve_ : list of float or None
        Loss on the validation data, without penalty, after each epoch (scikit-learn #18507).
    best_validation_loss_ : float or None

    References
    ----------
    .. [1] Huber 1964, Robust estimation of a location parameter.
    .. [2] Koenker & Bassett 1978, Regression quantiles.
    .. [3] Loshchilov & Hutter 2019, Decoupled weight decay regularization.
    .. [4] Hinton 2012, Neural networks for machine learning, lecture 6e.
    .. [5] Srivastava et al. 2014, Dropout; scaled while training ("inverted"), not when predicting.
    .. [6] Pascanu et al. 2013, On the difficulty of training recurrent neural networks, algorithm 1.
"""

CLASSIFIER_HEAD = """Multi-layer perceptron for classes: a drop-in for ``sklearn.neural_network.MLPClassifier``.

    The same parameters, draws, updates, attributes, warnings and errors; and more, after scikit-learn's own parameters.
    Multiclass targets have a softmax output, binary and multilabel ones logistic outputs; the loss is the
    cross-entropy.

    Parameters
    ----------
"""

REGRESSOR_HEAD = """Multi-layer perceptron for real targets: a drop-in for ``sklearn.neural_network.MLPRegressor``.

    The same parameters, draws, updates, attributes, warnings and errors; and more, after scikit-learn's own parameters.

    Parameters
    ----------
"""

CLASSIFIER_EXAMPLE = """
    Examples
    --------
    >>> import numpy as np, fastnn
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = np.where(X[:, 0] * X[:, 1] > 0, "same", "other")
    >>> clf = fastnn.MLPClassifier((16,), solver="lbfgs", max_iter=300, random_state=1).fit(X, y)
    >>> clf.predict([[1.0, 1.0], [1.0, -1.0]]).tolist()
    ['same', 'other']
    """

REGRESSOR_EXAMPLE = """
    Examples
    --------
    >>> import numpy as np, fastnn
    >>> X = np.linspace(-2, 2, 100).reshape(-1, 1)
    >>> reg = fastnn.MLPRegressor(hidden_layer_sizes=(16,), solver="lbfgs", max_iter=500, random_state=0)
    >>> reg.fit(X, np.sin(X[:, 0])).score(X, np.sin(X[:, 0])) > 0.99
    True
    """


def documented(kind: str) -> Callable[[Estimator], Estimator]:
    """Return a decorator that writes the docstring of the "classifier" or the "regressor"."""
    classes = "    classes_ : ndarray, shape (n_classes,)\n" if kind == "classifier" else ""
    attributes = ATTRIBUTES.format(classes=classes, score="Accuracy" if kind == "classifier" else "R^2")
    if kind == "classifier":
        text = CLASSIFIER_HEAD + SHARED + ADDED_TO_CLASSIFIER + ADDED + attributes + CLASSIFIER_EXAMPLE
    else:
        text = REGRESSOR_HEAD + OF_REGRESSOR + SHARED + ADDED + ADDED_TO_REGRESSOR + attributes + REGRESSOR_EXAMPLE

    def write(estimator: Estimator) -> Estimator:
        estimator.__doc__ = text
        return estimator

    return write
