"""scikit-learn's estimators and ours in their place: fits, one row, and a grid search.

Both sides are called as a user calls them, checks included; they do the same number of iterations, and must give the
same losses before anything is timed.  Every fit is timed with each number of threads on either side; the tables show
each side's best.
"""

from __future__ import annotations

import itertools
import math
import time
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import fastnn

from .contests import label, thread_counts
from .cores import Cores, with_barriers
from .fits import CONFIGURATIONS, ENDLESS, Fit, made, named, random_fit
from .measure import Competitor, Contest, Mode, stopwatch
from .record import Record, Report
from .suite import Case, Suite
from .tables import Table, duration, significant, speed

SKLEARN, FASTNN = "scikit-learn", "fastnn"
TOLERANCE = {"float32": 2e-3, "float64": 1e-6}  # of the losses of all iterations, in the norm
LBFGS_TOLERANCE = 1e-2  # rounding decides where a line search ends, and the next one starts there
WARM_SECONDS = 0.1  # of fits before each sample, for both sides: they have slept
PREDICTOR = "fastnn predictor"
ROWS_ASKED = {FASTNN: 3.0, PREDICTOR: 80.0}
SEARCH = "grid search over 24 candidates"
SEARCH_ASKED, SEARCH_ITERATIONS, SEARCH_ROUNDS = 5.0, 300, 2
GRID = {
    "hidden_layer_sizes": [(32,), (64,), (100,)], "alpha": [1e-4, 1e-2], "learning_rate_init": [1e-3, 1e-2],
    "batch_size": [50, 200],
}  # fmt: skip


def estimator(side: str, kind: str) -> Any:
    """Return a class of scikit-learn's or its namesake of ours."""
    import sklearn.neural_network

    return getattr(sklearn.neural_network if side == SKLEARN else fastnn, kind)


def own(side: str, threads: int) -> dict[str, int]:
    """Return how an estimator is told its number of threads; scikit-learn's has those of the BLAS."""
    return {} if side == SKLEARN else {"num_threads": threads}


def settle(cores: Cores) -> None:
    """Wait for cores that share a cache, then until idle threads of OpenBLAS sleep.

    They spin for 2^28 ticks, on a core that the next one needs.
    """
    cores.wait()
    if not cores.toy:
        time.sleep(0.2)


# ---- fits


def fit_contest(fit: Fit, cores: Cores, seconds: float = 0.2, rounds: int | None = None) -> Contest:
    """Return both sides of a fit at every number of threads, in samples of so many seconds."""
    X, y = made(fit)

    def run(side: str, threads: int) -> Any:
        est = estimator(side, fit.kind)(random_state=0, **ENDLESS, **fit.settings, **own(side, threads)).fit(X, y)
        return np.array([est.loss_]) if fit.settings.get("solver") == "lbfgs" else np.array(est.loss_curve_)

    before = partial(settle, cores)
    competitors = [
        Competitor(label(side, threads), partial(run, side, threads), threads, before, facts={"side": side})
        for side in (SKLEARN, FASTNN) for threads in thread_counts(cores.toy)
    ]  # fmt: skip
    competitors += cores.barriers(before)
    lbfgs = fit.settings.get("solver") == "lbfgs"
    tolerance = LBFGS_TOLERANCE if lbfgs else TOLERANCE[fit.dtype]
    return Contest(
        competitors, competitors[0].name, tolerance, rounds=rounds, sample_seconds=seconds, warm_seconds=WARM_SECONDS
    )  # fmt: skip


# ---- one row


def row_contest(sizes: tuple[int, ...], dtype: str, toy: bool) -> Contest:
    """Return predict_proba for one row on either side, and the predictor, which takes it as a vector."""
    X, y = made(Fit("", ("classes", 300, sizes[0], sizes[-1]), dtype))
    theirs = estimator(SKLEARN, "MLPClassifier")(sizes[1:-1], max_iter=1, random_state=0).fit(X, y)
    ours = fastnn.from_sklearn(theirs)
    row, one, call = X[:1], X[0], ours.predictor(method="predict_proba")
    present = [
        Competitor(label(SKLEARN, threads), partial(theirs.predict_proba, row), threads, facts={"side": SKLEARN})
        for threads in thread_counts(toy)
    ]  # fmt: skip
    present.append(Competitor(FASTNN, partial(ours.predict_proba, row), facts={"side": FASTNN}))
    bare = partial(stopwatch, partial(call, one))  # the answer's extra axis is for the comparison only
    present.append(Competitor(PREDICTOR, lambda: call(one)[None], clock=bare, facts={"side": PREDICTOR}))
    return Contest(present, present[0].name, 1e-9 if dtype == "float64" else 1e-4)


# ---- a grid search


def search(side: str, jobs: int, threads: int, iterations: int, toy: bool) -> Any:
    """Run the grid search and return the mean scores of all candidates."""
    from sklearn.model_selection import GridSearchCV

    X, y = made(Fit("", ("digits", 120 if toy else 1_797, 64, 10), "float64"))
    grid = {name: values[:1] if toy and name != "alpha" else values for name, values in GRID.items()}
    est = estimator(side, "MLPClassifier")(random_state=0, max_iter=iterations, **ENDLESS)
    if jobs == 1:
        est.set_params(**own(side, threads))
    found = GridSearchCV(est, grid, cv=2 if toy else 3, n_jobs=jobs, refit=False)
    with warnings.catch_warnings():  # every fit would tell that it took all its iterations; workers follow suit
        warnings.simplefilter("ignore")
        return found.fit(X, y).cv_results_["mean_test_score"]


def search_contest(cores: Cores) -> Contest:
    """Return both sides with one process and all threads (scikit-learn also with one), and with a process for each.

    The answer compared is that of a short search, which also starts the worker processes.
    """
    toy, most = cores.toy, cores.threads
    present = []
    ways = [(SKLEARN, 1, 1), (SKLEARN, 1, most), (SKLEARN, most, 1), (FASTNN, 1, most), (FASTNN, most, 1)]
    for side, jobs, threads in dict.fromkeys(ways):  # some are the same on a single processor
        run = partial(search, side, jobs, threads)
        clock = partial(stopwatch, partial(run, 2 if toy else SEARCH_ITERATIONS, toy))
        present.append(Competitor(
            label(f"{side}, n_jobs={jobs}", threads), partial(run, 2 if toy else 5, toy), threads,
            partial(settle, cores), once=True, rehearsed=True, clock=clock, facts={"side": side, "jobs": jobs},
        ))  # fmt: skip
    return Contest(present, present[0].name, 1e-2, rounds=SEARCH_ROUNDS)


# ---- the suite


def cases(mode: Mode) -> Iterator[Case]:
    """Yield the fits with goals, one row, the random configurations and the grid search."""
    cores = Cores(thread_counts(mode.toy)[-1], mode.toy)
    for fit in named(mode.toy):
        facts = {"part": "fits", "dtype": fit.dtype, "asked": fit.asked}
        yield Case(f"{fit.name}, {fit.dtype}", partial(fit_contest, fit, cores), facts)
    for sizes, dtype in itertools.product(((8, 64, 64, 4), (784, 16, 16, 10)), TOLERANCE):
        name = f"one row, {'-'.join(map(str, sizes))}, {dtype}"
        yield Case(name, partial(row_contest, sizes, dtype, mode.toy), {"part": "row", "dtype": dtype})
    for index in range(2 if mode.toy else CONFIGURATIONS):
        fit = random_fit(index, mode.toy)
        facts = {"part": "random", "dtype": fit.dtype, "asked": fit.asked}
        yield Case(f"{fit.name}, {fit.dtype}", partial(fit_contest, fit, cores, 0.1, 2 if mode.toy else 7), facts)
    yield Case(SEARCH, partial(search_contest, cores), {"part": "search", "asked": SEARCH_ASKED})


def best(report: Report, case: str, side: str, **wanted: Any) -> Record | None:
    """Return the record of a side's best number of threads."""
    found = [one for one in report.select(case=case, status="ran", side=side, **wanted) if one.seconds]
    return min(found, key=lambda one: one.seconds["median"]) if found else None  # type: ignore[index]


def line(report: Report, case: str, fast: Record | None, slow: Record | None, asked: float) -> list[str]:
    """Return a row: both times with their threads, the ratio, the goal."""
    if fast is None or slow is None or fast.seconds is None or slow.seconds is None:
        return [case, "-", "", "-", "", "-", significant(asked)]
    ratio = report.ratio(case, fast.competitor, slow.competitor)
    return [
        case, duration(slow.seconds["median"]), str(slow.threads), duration(fast.seconds["median"]), str(fast.threads),
        speed(ratio) if ratio else "-", significant(asked),
    ]  # fmt: skip


HEAD = ["", SKLEARN, "threads", FASTNN, "threads", "times as fast", "goal"]
NOTE = "Whole calls, checks included. Medians of paired ratios with their 95 % interval; each side at its best thread "
NOTE += "count."


def gain(report: Report, case: str) -> float:
    """Return how many times as fast a fit is; infinity where a side did not run."""
    fast, slow = best(report, case, FASTNN), best(report, case, SKLEARN)
    ratio = report.ratio(case, fast.competitor, slow.competitor) if fast and slow else None
    return ratio.median if ratio else math.inf


def fit_table(report: Report, name: str, title: str, part: str, most: int | None = None) -> Table:
    """Return the fits of a part; where there are more than `most`, those that gain least."""
    names = list(dict.fromkeys(record.case for record in report.select(part=part)))
    if most is not None:
        names = sorted(names, key=partial(gain, report))[:most]
    rows = []
    for case in names:
        asked = next(report.select(case=case)).facts["asked"]
        rows.append(line(report, case, best(report, case, FASTNN), best(report, case, SKLEARN), asked))
    return with_barriers(report, Table(name, title, HEAD, rows, NOTE))


def row_table(report: Report) -> Table:
    """Return the predictions of one row."""
    rows = []
    for case in dict.fromkeys(record.case for record in report.select(part="row")):
        for side, words in ((FASTNN, "predict_proba"), (PREDICTOR, "predictor")):
            made = line(report, case, best(report, case, side), best(report, case, SKLEARN), ROWS_ASKED[side])
            rows.append([f"{made[0]}, {words}", *made[1:]])
    return Table("row", "Drop-in: predict_proba for one row", HEAD, rows, NOTE)


def search_table(report: Report) -> Table:
    """Return the grid search: one process against one, several against several."""
    rows = []
    for jobs in sorted({record.facts["jobs"] for record in report.select(case=SEARCH)}):
        fast, slow = best(report, SEARCH, FASTNN, jobs=jobs), best(report, SEARCH, SKLEARN, jobs=jobs)
        made = line(report, SEARCH, fast, slow, SEARCH_ASKED)
        rows.append([f"n_jobs={jobs}", *made[1:]])
    note = f"3 folds of the digits, {SEARCH_ITERATIONS} iterations a fit; the worker processes are warm. " + NOTE
    return Table("search", f"Drop-in: {SEARCH}", HEAD, rows, note)


def tables(report: Report) -> list[Table]:
    """Return all tables."""
    found = [
        fit_table(report, "fits", "Drop-in: fits", "fits"),
        row_table(report),
        fit_table(report, "random", "Drop-in: random configurations", "random"),
        fit_table(report, "least", "Drop-in: the random configurations that gain least", "random", 5),
        search_table(report),
    ]
    return [table for table in found if table.rows]


SUITE = Suite("dropin", "scikit-learn's estimators and ours in their place", cases, tables, share=1.5)
