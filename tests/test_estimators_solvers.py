"""The rows of hyperparameters that a solver lays out for the kernels."""

import pickle

import numpy as np
import pytest

import fastnn
from fastnn.estimators import solvers
from fastnn.estimators.solvers import Solver
from fastnn.kernels.updates import DECAY, EPSILON, FIRST, LR, SECOND


@pytest.mark.parametrize("solver", ["adam", "adamw"])
@pytest.mark.parametrize("total", [0, 7, 1000])  # the end that the fit was said to have
def test_the_epsilon_of_every_step(monkeypatch, solver, total):
    monkeypatch.setattr(solvers, "AT_A_TIME", 10)
    est = fastnn.MLPClassifier(solver=solver, beta_2=0.9, epsilon=1e-3, weight_decay=0.25, learning_rate_init=0.5)
    made = Solver(est, 3, np.dtype(np.float32))
    seen = 0
    for n in (1, 4, 4, 4, 25, 1, 9, 0, 30):  # within what is ready, across its end, more than is made at a time
        made.steps = seen
        rows = made.hyper(n, n, total)
        steps = np.arange(seen + 1, seen + n + 1)
        np.testing.assert_allclose(rows[:, EPSILON], 1e-3 / np.sqrt(1 - 0.9**steps), rtol=1e-14)
        assert (rows[:, LR] == 0.5).all()
        assert (rows[:, FIRST] == 0.9).all()
        assert (rows[:, SECOND] == 0.9).all()
        assert (rows[:, DECAY] == (0.25 if solver == "adamw" else 0)).all()
        seen += n
    made.steps = 2  # a state may be put back
    np.testing.assert_allclose(made.hyper(1, 1, total)[0, EPSILON], 1e-3 / np.sqrt(1 - 0.9**3), rtol=1e-14)
    made.epsilon = 0.5  # and a callback may change the settings
    np.testing.assert_allclose(made.hyper(1, 1, total)[0, EPSILON], 0.5 / np.sqrt(1 - 0.9**3), rtol=1e-14)
    made.beta_2 = 0.5
    np.testing.assert_allclose(made.hyper(1, 1, total)[0, EPSILON], 0.5 / np.sqrt(1 - 0.5**3), rtol=1e-14)


def test_what_is_ready_is_not_pickled():
    made = Solver(fastnn.MLPClassifier(), 2, np.dtype(np.float64))
    made.hyper(500, 500, 500)
    stored = pickle.dumps(made)
    assert len(stored) < 2000
    again = pickle.loads(stored)
    np.testing.assert_array_equal(again.hyper(3, 3, 3), made.hyper(3, 3, 3))
    old = made.__getstate__()
    del old["_ready"]
    again.__setstate__(old)  # of a pickle from before there was such a thing
    np.testing.assert_array_equal(again.hyper(3, 3, 3), made.hyper(3, 3, 3))
