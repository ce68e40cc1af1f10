"""Run scikit-learn's own tests of its perceptrons against fastnn's, and check_estimator on both classes.

    python tests/run_sklearn_tests.py

The installed ``sklearn/neural_network/tests/test_mlp.py`` is run as it is, with our classes where it imports them.  All
but ``test_gradient`` must pass: that one calls a private method of scikit-learn's.  Exit status 1 otherwise.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path

import pytest
import sklearn.neural_network
from sklearn.exceptions import ConvergenceWarning, SkipTestWarning
from sklearn.utils.estimator_checks import check_estimator

from fastnn.estimators.patch import patch_sklearn

MAY_FAIL = {"test_gradient"}  # it calls the private _loss_grad_lbfgs
AT_LEAST = 58


class Outcomes:
    """A pytest plugin: what became of each test."""

    def __init__(self):
        self.passed, self.failed, self.skipped = [], [], []

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failed.append(report.nodeid.rpartition("::")[2])
        elif report.skipped:
            self.skipped.append(report.nodeid.rpartition("::")[2])
        elif report.when == "call":
            self.passed.append(report.nodeid.rpartition("::")[2])


def run_their_tests(classes=None):
    """Return the outcomes of test_mlp.py."""
    file = Path(sklearn.neural_network.__file__).parent / "tests" / "test_mlp.py"
    outcomes = Outcomes()
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "pytest.ini"  # not ours, which turns warnings into errors
        settings.write_text("[pytest]\n")
        options = ["-q", "--no-header", "--tb=short", "--disable-warnings", "-p", "no:cacheprovider"]
        pytest.main([*options, "-c", str(settings), str(file)], plugins=[outcomes])
    return outcomes


def check(estimator):
    """Run check_estimator; return (checks passed, names of the failed ones)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        results = check_estimator(estimator, on_fail=None)
    failed = [result["check_name"] for result in results if result["status"] == "failed"]
    return sum(result["status"] == "passed" for result in results), failed


def main():
    patch_sklearn()
    outcomes = run_their_tests()
    unexpected = [name for name in outcomes.failed if name not in MAY_FAIL]
    print(f"test_mlp.py: {len(outcomes.passed)} passed, failed {outcomes.failed}, skipped {outcomes.skipped}")
    wrong = bool(unexpected) or len(outcomes.passed) + len(outcomes.skipped) < AT_LEAST or not outcomes.passed
    for name in ("MLPClassifier", "MLPRegressor"):
        passed, failed = check(getattr(sklearn.neural_network, name)(max_iter=100))
        print(f"check_estimator({name}): {passed} passed, failed {failed}")
        wrong |= bool(failed) or not passed
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
