"""The drop-in: patching, `fastnn run`, conversions, pickles, and what scikit-learn does around estimators."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import types
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
import sklearn.neural_network
from estimators_common import OURS, TASKS, THEIRS, assert_same_fit, both, quiet_fit, sparse, standardised
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelBinarizer, StandardScaler
from sklearn.utils import all_estimators

import fastnn
from fastnn.estimators.base import BaseMLP
from fastnn.estimators.labels import fitted_binarizer, positions

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))


@pytest.fixture(autouse=True)
def unpatched():
    yield
    fastnn.unpatch_sklearn()


def run(*words, environment=None):
    settings = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", **(environment or {})}
    return subprocess.run(
        [sys.executable, *map(str, words)], env=settings, capture_output=True, text=True, timeout=600, check=False
    )


# ---- patching


def test_patch_replaces_and_gives_back():
    module = types.ModuleType("imported_before")
    module.Net, module.other = THEIRS["classifier"], 3
    sys.modules[module.__name__] = module
    try:
        fastnn.patch_sklearn()
        assert sklearn.neural_network.MLPClassifier is module.Net is fastnn.MLPClassifier
        assert sklearn.neural_network.MLPRegressor is fastnn.MLPRegressor
        assert dict(all_estimators())["MLPClassifier"] is fastnn.MLPClassifier
        fastnn.unpatch_sklearn()
        assert sklearn.neural_network.MLPClassifier is module.Net is THEIRS["classifier"]
        assert module.other == 3
        assert fastnn.MLPClassifier is OURS["classifier"]
    finally:
        del sys.modules[module.__name__]


def test_patch_as_a_context_manager_nests():
    with fastnn.patch_sklearn() as outer:
        with fastnn.patch_sklearn():
            pass
        assert sklearn.neural_network.MLPRegressor is fastnn.MLPRegressor
        assert "fastnn" in repr(outer)
    assert sklearn.neural_network.MLPRegressor is THEIRS["regressor"]
    fastnn.unpatch_sklearn()


def test_estimators_of_scikit_learn_still_pickle_while_patched():
    theirs = quiet_fit(THEIRS["classifier"]((3,), max_iter=2), standardised(), TASKS["binary"].y)
    with fastnn.patch_sklearn():
        again = pickle.loads(pickle.dumps(theirs))
    assert type(again) is THEIRS["classifier"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_print_the_same_under_fastnn_run(script):
    plain, patched = run(script), run("-m", "fastnn", "run", script)
    assert patched.returncode == plain.returncode == 0, patched.stderr
    assert patched.stdout == plain.stdout != ""


def test_there_are_five_scripts():
    assert len(SCRIPTS) == 5


def test_run_passes_arguments_exit_codes_and_tracebacks(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, helper\nfrom sklearn.neural_network import MLPClassifier\n"
        "print(MLPClassifier.__module__, sys.argv[1:], __name__)\nsys.exit(int(sys.argv[2]))\n"
    )
    (tmp_path / "helper.py").write_text("")
    done = run("-m", "fastnn", "run", script, "--flag", "3")
    assert done.returncode == 3
    assert done.stdout == "fastnn.estimators.classifier ['--flag', '3'] __main__\n"
    script.write_text("raise SystemExit('that is all')")
    done = run("-m", "fastnn", "run", script)
    assert (done.returncode, done.stderr) == (1, "that is all\n")
    script.write_text("def f():\n    return 1 / 0\n\nf()\n")
    done = run("-m", "fastnn", "run", script)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert "runpy" not in done.stderr
    done = run("-m", "fastnn", "run", tmp_path / "absent.py")
    assert done.returncode == 2
    assert "there is no file" in done.stderr


def test_import_fastnn_imports_no_scikit_learn():
    done = run("-c", "import fastnn, sys; print('sklearn' in sys.modules, fastnn.MLPClassifier.__name__)")
    assert done.stdout.split() == ["False", "MLPClassifier"], done.stderr
    assert "MLPClassifier" in dir(fastnn)


def test_what_is_said_without_scikit_learn():
    done = run("-c", "import sys; sys.modules['sklearn'] = None\nimport fastnn\nfastnn.MLPClassifier")
    assert "fastnn.MLPClassifier needs sklearn" in done.stderr
    assert 'pip install "fastnn-kernels[sklearn]"' in done.stderr


# ---- conversions


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "several outputs", "poisson"])
def test_conversion_there_and_back(task, solver):
    X, y = standardised(), TASKS[task].y
    theirs, ours = both(TASKS[task], X, hidden_layer_sizes=(4, 3), solver=solver, max_iter=4)
    for made, source in ((fastnn.from_sklearn(theirs), theirs), (ours.to_sklearn(), ours)):
        assert {**source.get_params(), **made.get_params()}.items() >= source.get_params().items()
        np.testing.assert_allclose(made.predict(X), source.predict(X)) if task in ("several outputs", "poisson") else \
            np.testing.assert_array_equal(made.predict(X), source.predict(X))  # fmt: skip
        assert (made.n_iter_, made.loss_, made.t_) == (source.n_iter_, source.loss_, source.t_)
    again = fastnn.from_sklearn(fastnn.from_sklearn(theirs).to_sklearn())
    for a, b in zip(again.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)
    if solver == "lbfgs":
        return
    trio = [theirs, fastnn.from_sklearn(theirs), ours.to_sklearn()]
    for est in trio:  # the solver's state came along
        est.partial_fit(X, y)
    assert_same_fit(trio[0], trio[1])
    assert_same_fit(trio[2], trio[1])


def test_conversion_keeps_the_best_weights_of_early_stopping():
    X, y = standardised(), TASKS["binary"].y
    theirs, ours = both(TASKS["binary"], X, max_iter=6, early_stopping=True, warm_start=True, learning_rate_init=0.05)
    trio = [theirs, fastnn.from_sklearn(theirs), ours.to_sklearn()]
    for est in trio:
        quiet_fit(est, X, y)
    assert_same_fit(trio[0], trio[1])
    assert_same_fit(trio[2], trio[1])


def test_converted_estimators_are_independent():
    theirs, ours = both(TASKS["binary"], standardised(), max_iter=2)
    for made, source in ((fastnn.from_sklearn(theirs), theirs), (ours.to_sklearn(), ours)):
        before = source.coefs_[0].copy()
        made.partial_fit(standardised(), TASKS["binary"].y)
        np.testing.assert_array_equal(source.coefs_[0], before)


def test_what_cannot_be_converted_is_said():
    X, y = standardised(), TASKS["one output"].y
    with pytest.raises(ValueError, match="scikit-learn has no activation='gelu', only identity"):
        quiet_fit(fastnn.MLPRegressor(activation="gelu", max_iter=1), X, y).to_sklearn()
    with pytest.raises(ValueError, match="can be converted after set_params\\(solver="):
        quiet_fit(fastnn.MLPRegressor(solver="adamw", max_iter=1), X, y).to_sklearn()
    with pytest.warns(UserWarning, match="has no dropout"):
        quiet_fit(fastnn.MLPRegressor(dropout=0.2, max_iter=1), X, y).to_sklearn()
    with pytest.raises(TypeError, match="got StandardScaler"):
        fastnn.from_sklearn(StandardScaler())


# ---- parameters, network, pickles


def fitted(task="multiclass", **parameters):
    est = OURS[TASKS[task].kind](**{"hidden_layer_sizes": (5,), "max_iter": 3, "random_state": 0, **parameters})
    return quiet_fit(est, standardised(), TASKS[task].y)


def test_network_shares_its_parameters():
    X, est = standardised(), fitted()
    net = est.network_
    np.testing.assert_allclose(net.predict(X), est.predict_proba(X))
    assert all(np.shares_memory(W, net.theta) for W in est.coefs_)
    net.theta *= 0
    np.testing.assert_allclose(est.predict_proba(X), 1 / 3)
    with pytest.raises(AttributeError):
        fastnn.MLPClassifier().network_  # noqa: B018


@pytest.mark.parametrize("before", ["asked", "not asked"])
def test_written_and_replaced_parameters_count(before):
    X, est = standardised(), fitted()
    row = X[:1]
    if before == "asked":
        est.predict_proba(row)  # a predictor is kept now
    est.coefs_[1][...] = 0
    est.intercepts_[1][...] = [0, 0, np.log(2)]
    np.testing.assert_allclose(est.predict_proba(row), [[0.25, 0.25, 0.5]])
    est.intercepts_[1] = np.array([np.log(2), 0, 0])
    np.testing.assert_allclose(est.predict_proba(row), [[0.5, 0.25, 0.25]])
    est.intercepts_[1][0] = 0
    np.testing.assert_allclose(est.predict_proba(row), [[1 / 3, 1 / 3, 1 / 3]])
    est.coefs_ = [np.zeros_like(W) for W in est.coefs_]
    est.partial_fit(X, TASKS["multiclass"].y)
    assert np.shares_memory(est.coefs_[0], est.network_.theta)
    assert est.coefs_[1].any()


def test_fit_begins_with_arrays_of_its_own():
    X, est = standardised(), fitted()
    kept = est.coefs_[0]
    before = kept.copy()
    quiet_fit(est, X, TASKS["multiclass"].y[::-1].copy())
    np.testing.assert_array_equal(kept, before)


@pytest.mark.parametrize("task", ["multiclass", "several outputs"])
@pytest.mark.parametrize("way", ["pickle", "deepcopy", "joblib", "joblib, mapped"])
def test_copies_predict_and_train_on(task, way, tmp_path):
    X, y, est = standardised(), TASKS[task].y, fitted(task)
    est.predict(X[:1])
    if way == "pickle":
        made = pickle.loads(pickle.dumps(est))
    elif way == "deepcopy":
        made = copy.deepcopy(est)
    else:
        joblib.dump(est, tmp_path / "est.joblib")
        made = joblib.load(tmp_path / "est.joblib", mmap_mode="r" if "mapped" in way else None)
    np.testing.assert_array_equal(made.predict(X), est.predict(X))
    assert made.get_params() == est.get_params()
    for each in (made, est):
        each.partial_fit(X, y)
    np.testing.assert_array_equal(made.coefs_[0], est.coefs_[0])


def test_clone_is_unfitted():
    est = clone(fitted(solver="adam", learning_rate=fastnn.schedules.Cosine(0.01)))
    assert not hasattr(est, "coefs_")
    assert est.get_params()["hidden_layer_sizes"] == (5,)


def test_inputs_are_not_modified():
    X, y = standardised(), TASKS["multiclass"].y.copy()
    X.flags.writeable = y.flags.writeable = False
    est = quiet_fit(fastnn.MLPClassifier((4,), max_iter=2), X, y)
    est.predict_proba(X)
    thin = sparse(standardised())
    before = [part.copy() for part in (thin.data, thin.indices, thin.indptr)]
    quiet_fit(est, thin, y)
    for part, old in zip((thin.data, thin.indices, thin.indptr), before, strict=True):
        np.testing.assert_array_equal(part, old)


def test_sparse_formats_agree():
    thin, y = sparse(standardised()), TASKS["multiclass"].y
    dense = quiet_fit(fastnn.MLPClassifier((4,), max_iter=3, random_state=0, early_stopping=True), thin.toarray(), y)
    for form in (thin, thin.tocsc()):
        est = quiet_fit(fastnn.MLPClassifier((4,), max_iter=3, random_state=0, early_stopping=True), form, y)
        np.testing.assert_allclose(est.predict_proba(form), dense.predict_proba(thin.toarray()), rtol=1e-9)


def test_feature_names_are_compared():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(standardised(), columns=[f"f{i}" for i in range(7)])
    est = quiet_fit(fastnn.MLPClassifier((4,), max_iter=2), frame, TASKS["binary"].y)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        est.predict(standardised()[:1])
    with pytest.raises(ValueError, match="feature names"):
        est.predict(frame.rename(columns={"f0": "other"}))


def test_metadata_routing_passes_weights_on():
    import sklearn as whole

    X, y = standardised(), TASKS["binary"].y
    weights = np.linspace(0, 1, len(y))
    with whole.config_context(enable_metadata_routing=True):
        mlp = fastnn.MLPClassifier((4,), max_iter=3, random_state=0).set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipe = quiet_fit(make_pipeline(scaler, mlp), X, y, sample_weight=weights)
    alone = quiet_fit(fastnn.MLPClassifier((4,), max_iter=3, random_state=0), StandardScaler().fit_transform(X), y,
                      sample_weight=weights)  # fmt: skip
    np.testing.assert_allclose(pipe[-1].coefs_[0], alone.coefs_[0])


def test_what_is_refused_reads_as_in_scikit_learn():
    X, y = standardised(), TASKS["binary"].y
    for parameters in ({"hidden_layer_sizes": -1}, {"alpha": -1}, {"momentum": 2}, {"validation_fraction": 1.5},
                       {"early_stopping": True, "validation_fraction": 0.01}, {"shuffle": "no"}):  # fmt: skip
        told = []
        for classes in (THEIRS, OURS):
            with pytest.raises(ValueError) as error:  # noqa: PT011
                quiet_fit(classes["classifier"](**parameters), X, y)
            told.append(str(error.value))
        assert told[0] == told[1]
    est = fitted("binary")
    for bad in (X[0], X[:, :3], np.where(X > 2, np.nan, X), X.astype(str)[:, :1]):
        told = []
        for each in (quiet_fit(THEIRS["classifier"](max_iter=1), X, y), est):
            with pytest.raises(ValueError) as error:  # noqa: PT011
                each.predict(bad)
            told.append(str(error.value).replace("fastnn", ""))
        assert told[0] == told[1]


def test_diverging_fit_says_what_scikit_learn_says():
    X = 1e150 * standardised()
    est = fastnn.MLPRegressor("squared_error", (4,), solver="sgd", learning_rate_init=10.0, max_iter=5, random_state=0)
    with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
        quiet_fit(est, X, TASKS["one output"].y)
    assert len(est.loss_curve_) == 5


def test_interrupted_fit_keeps_what_is_done():
    def interrupt(state):
        if state.epoch == 3:
            raise KeyboardInterrupt

    est = fastnn.MLPClassifier((4,), random_state=0)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        est.fit(standardised(), TASKS["binary"].y, callbacks=[interrupt])
    assert est.n_iter_ == 3
    assert est.predict(standardised()).shape == (90,)


def test_warnings_come_in_the_name_of_scikit_learn():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=sklearn.exceptions.ConvergenceWarning, module="sklearn")
        fastnn.MLPClassifier((4,), max_iter=1).fit(standardised(), TASKS["binary"].y)


def test_verbose_prints_what_scikit_learn_prints(capsys):
    told = []
    for classes in (THEIRS, OURS):
        est = classes["classifier"](
            (4,), solver="sgd", learning_rate="adaptive", tol=1, n_iter_no_change=1, verbose=True, early_stopping=True,
            max_iter=12, random_state=0,
        )  # fmt: skip
        quiet_fit(est, standardised(), TASKS["binary"].y)
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    assert "Setting learning rate to" in told[0]


# ---- what goes a shorter way than scikit-learn's


LABELS = {
    "two": np.arange(40) % 2,
    "one": np.full(9, 4),
    "ten": np.arange(60) % 10,
    "gaps": np.array([7, -3, 7, 1000, -3, 7, 1000, 1000]),
    "far apart": np.array([-(2**62) - 1, 2**62] * 4),
    "unsigned": np.array([255, 254, 250] * 5, np.uint8),
    "small": np.array([-128, 127, 126] * 5, np.int8),
    "swapped": (np.arange(20) % 3).astype(">i8"),
    "floats": np.arange(20.0) % 3,
    "words": np.array(["b", "a", "c", "a"] * 3),
    "truths": np.arange(12) % 2 == 0,
    "a matrix": np.eye(4, dtype=int)[np.arange(12) % 4],
    "a list": [3, 1, 1, 3, 2, 2, 1],
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_are_learned_as_scikit_learn_learns_them(name):
    y = LABELS[name]
    found, wanted = fitted_binarizer(y), LabelBinarizer().fit(y)
    assert found.__dict__.keys() == wanted.__dict__.keys()
    assert (found.y_type_, found.sparse_input_) == (wanted.y_type_, wanted.sparse_input_)
    assert found.classes_.dtype == wanted.classes_.dtype
    assert np.array_equal(found.classes_, wanted.classes_)
    if np.ndim(y) == 1:
        at = positions(found.classes_, np.asarray(y))
        assert at.dtype == np.int32
        assert np.array_equal(found.classes_[at], y)


def test_positions_of_labels_whose_differences_do_not_fit_their_type():
    for y in (np.repeat(np.arange(-100, 101), 2).astype(np.int8), np.arange(2**64 - 9, 2**64, dtype=np.uint64)):
        classes = np.unique(y)
        assert np.array_equal(positions(classes, y), np.searchsorted(classes, y))


def test_a_default_of_a_subclass_is_checked():
    class Steep(fastnn.MLPClassifier):
        def __init__(self, alpha=-1.0):
            super().__init__(alpha=alpha)

    with pytest.raises(ValueError, match="alpha"):
        Steep().fit(np.zeros((4, 2)), [0, 1, 0, 1])


def test_of_many_classes_scikit_learn_tells_what_it_tells():
    y, told = np.arange(30) // 2 * 2 + np.arange(30) % 2, []
    for fit in (fitted_binarizer, LabelBinarizer().fit):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert len(fit(y).classes_) == 30
        told.append([str(warning.message) for warning in caught])  # its versions differ in whether they warn
    assert told[0] == told[1]


@pytest.mark.parametrize("kind", OURS)
def test_parameters_are_checked_as_scikit_learn_checks_them(kind):
    ours = OURS[kind]
    assert ours._get_param_names() == super(BaseMLP, ours)._get_param_names()
    names, values = ours._get_param_names(), [None, -1, 0.5, "no such thing", (), np.nan, object()]
    for name in names:
        for value in values:
            est = ours(**{name: value})
            told = []
            for check in (est._validate_params, super(BaseMLP, est)._validate_params):
                try:
                    check()
                    told.append("")
                except ValueError as error:
                    told.append(str(error))
            assert told[0] == told[1]
    ours()._validate_params()
    super(BaseMLP, ours())._validate_params()  # the defaults are valid
