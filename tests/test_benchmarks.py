"""The benchmarks: measuring, records, the guard, the README's places; and every suite once at toy size."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
if not (ROOT / "benchmarks" / "__init__.py").is_file():
    pytest.skip("the benchmarks are in a checkout only", allow_module_level=True)
pytest.importorskip("pytest_benchmark")
pytest.importorskip("threadpoolctl")
sys.path.append(str(ROOT))

from benchmarks import charts, cores, environment, guard, measure, record, report, suite, tables  # noqa: E402
from benchmarks.measure import Absent, Competitor, Contest, Mode, Rounds  # noqa: E402
from benchmarks.record import Record, Report  # noqa: E402
from fastnn.cli import info  # noqa: E402
from fastnn.cli import main as fastnn_main  # noqa: E402

QUICK = Mode(toy=True, sample_seconds=1e-4, case_seconds=0.01, rounds=(3, 3))


def played(contest, mode=QUICK):
    rounds = Rounds(contest, mode)
    rounds.check()
    for _ in range(rounds.calibrate()):
        rounds.play()
    return rounds


def made_report(**seconds):
    rounds = played(Contest([Competitor("a", lambda: 1), Competitor("b", lambda: 1)], "a", 0.0,
                            [Absent("c", "skipped", "no c here")]))  # fmt: skip
    for name, values in seconds.items():
        rounds.samples[name] = values
    return Report("loops", "toy", environment.header(), record.records_of("loops", "one", rounds, {"n": 3}))


# ---- measuring


@pytest.mark.parametrize("n", [1, 2, 5, 6, 7, 10, 25, 100])
def test_interval_holds_the_median_as_often_as_it_says(n):
    found = measure.median_interval(range(n))
    low, high = int(found.low), int(found.high)
    assert high == n - 1 - low
    # the exact probability that the median lies between two order statistics, from the binomial distribution
    half = [np.prod([(n - i) / (i + 1) for i in range(k)]) / 2.0**n for k in range(n + 1)]
    covered = sum(half[low + 1 : n - low])
    assert found.confidence == pytest.approx(covered, abs=1e-12)
    if n >= 6:
        assert covered >= 0.95
        assert sum(half[low + 2 : n - low - 1]) < 0.95  # the next shorter one does not
    else:
        assert (low, high) == (0, n - 1)


def test_interval_covers_in_practice():
    draw = random.Random(1)
    inside = 0
    for _ in range(1000):
        found = measure.median_interval([draw.gauss(3.0, 1.0) for _ in range(15)])
        inside += found.low <= 3.0 <= found.high
    assert 940 <= inside <= 995


def test_a_ratio_survives_a_drift_that_absolute_times_do_not():
    drift = [1 + 0.5 * i for i in range(20)]
    found = measure.paired_ratio([2 * d for d in drift], drift)
    assert (found.median, found.low, found.high) == (2.0, 2.0, 2.0)
    with pytest.raises(ValueError, match="same rounds"):
        measure.paired_ratio([1.0], [1.0, 2.0])


def busy():
    return sum(range(2000))


def test_equal_competitors_come_out_at_one():
    for _ in range(20):  # an interval of 95 % misses now and then, and a busy machine more often
        contest = Contest([Competitor("one", busy), Competitor("other", busy)], "one", 0.0)
        rounds = played(contest, Mode(sample_seconds=0.002, case_seconds=0.2, rounds=(25, 25)))
        found = measure.paired_ratio(rounds.samples["one"], rounds.samples["other"])
        if found.low <= 1.0 <= found.high:
            return
    pytest.fail(f"equal work was told apart twenty times; the last time {found}")


def test_equal_competitors_on_a_drifting_machine_come_out_at_one():
    draw, now = random.Random(3), [1.0]

    def drifting(calls):
        now[0] *= 1.01
        return calls * now[0] * draw.uniform(0.99, 1.01)

    contest = Contest([Competitor(name, lambda: 0, clock=drifting) for name in ("one", "other")], "one", None)
    rounds = played(contest, Mode(sample_seconds=0, rounds=(41, 41)))
    found = measure.paired_ratio(rounds.samples["one"], rounds.samples["other"])
    assert max(rounds.samples["one"]) > 2 * min(rounds.samples["one"])
    assert found.low <= 1.0 <= found.high
    assert found.high - found.low < 0.05


def test_a_slower_competitor_is_seen_to_be_slower():
    rounds = played(Contest([Competitor("fast", busy), Competitor("slow", lambda: [busy() for _ in range(4)][0])],
                            "fast", 0.0), Mode(sample_seconds=0.001, case_seconds=0.1, rounds=(9, 9)))  # fmt: skip
    assert measure.paired_ratio(rounds.samples["slow"], rounds.samples["fast"]).median > 2.5


def test_untimed_calls_warm_everybody_up_before_each_sample():
    done = []

    def clock(calls):
        done.append(calls)
        return calls * 0.03  # as long as it says; more than WARM_BELOW

    def cold(calls):
        done.append(calls)
        return calls * 0.3

    competitors = [Competitor("quick", lambda: 0, before=partial(done.append, 0), clock=clock),
                   Competitor("long", lambda: 0, clock=cold)]  # fmt: skip
    rounds = Rounds(Contest(competitors, "quick", None, sample_seconds=0.1, warm_seconds=0.2), Mode())
    rounds.check()
    rounds.calibrate()
    done.clear()
    rounds.play()
    assert rounds.samples == {"quick": [0.03], "long": [0.3]}
    assert done in ([0, 7, 4, 1, 1], [1, 1, 0, 7, 4])


def test_rounds_are_interleaved_in_random_order():
    calls = []
    names = "abcd"
    rounds = Rounds(Contest([Competitor(c, lambda c=c: calls.append(c), once=True) for c in names], "a", None), QUICK)
    rounds.check()
    rounds.calibrate()
    calls.clear()
    for _ in range(30):
        rounds.play()
    orders = ["".join(calls[i : i + 4]) for i in range(0, 120, 4)]
    assert all(sorted(order) == list(names) for order in orders)
    assert len(set(orders)) > 8


def test_a_wrong_answer_is_never_timed():
    timed = []
    contest = Contest([Competitor("right", lambda: np.ones(3)),
                       Competitor("wrong", lambda: np.ones(3) * 1.01, clock=timed.append)], "right", 1e-3)  # fmt: skip
    with pytest.raises(measure.WrongAnswer, match=r"wrong and right disagree: relative difference 1\.0e-02"):
        Rounds(contest, QUICK).check()
    assert timed == []


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [(1.0, 1.0, 0.0), (0.5, 0.0, 0.5), ((1.0, (2.0,)), (1.0, (1.0,)), 1.0), (np.ones(2), np.ones(3), np.inf),
     ([1.0], [1.0, 2.0], np.inf), (np.nan, 1.0, np.inf), (np.full(4, 1.1), np.ones(4), 0.1),
     ([0.0, 1.0], np.array([1e-3, 1.0]), 1e-3),
     ([[1, 2], [3, 4]], np.array([[1, 2], [3, 4]]), 0.0), ((1.0, [2.0]), [np.array(1.0), np.ones(1)], 1.0),
     ([1.0, np.ones(2)], (1.0, np.full(2, 2.0)), 0.5)],
)  # fmt: skip
def test_difference_of_answers(answer, reference, expected):
    assert measure.difference(answer, reference) == pytest.approx(expected)


def test_an_answer_in_a_reused_buffer_is_compared_as_it_was():
    buffer = np.zeros(2)

    def write(value):
        buffer[:] = value
        return buffer

    contest = Contest([Competitor("one", lambda: write(1.0)), Competitor("two", lambda: write(2.0))], "one", 0.1)
    with pytest.raises(measure.WrongAnswer):
        Rounds(contest, QUICK).check()


def test_before_runs_before_every_sample_and_is_not_timed():
    state = []

    def work():
        assert state.pop() == "fresh"

    one = Competitor("one", work, before=lambda: (time.sleep(0.005), state.append("fresh")), once=True)
    rounds = played(Contest([one], "one", None))
    assert state == []
    assert rounds.calls == {"one": 1}
    assert max(rounds.samples["one"]) < 0.005


def test_a_competitor_may_time_itself():
    one = Competitor("one", lambda: None, clock=lambda calls: 0.5 * calls)
    assert set(played(Contest([one], "one", None)).samples["one"]) == {0.5}


def test_a_barrier_is_timed_and_shown_where_it_was():
    pytest.importorskip("fastnn.kernels.cython_kernels")
    contest = Contest([Competitor("a", lambda: 1), *cores.Cores(2, toy=True).barriers()], "a", 0.0)
    rounds = played(contest)
    assert all(0 < seconds < 1 for seconds in rounds.samples[cores.BARRIER])
    rounds.samples[cores.BARRIER] = [6e-8, 5e-8, 2.5e-7]
    table = tables.Table("t", "", ["case", "x"], [["one", "1"], ["two", "2"]], "Note.")
    with_one = Report("train", "toy", {}, record.records_of("train", "one", rounds))
    shown = cores.with_barriers(with_one, table)
    assert [*shown.head] == ["case", "x", cores.BARRIER]
    assert [row[-1] for row in shown.rows] == ["60.0 ns [50.0 ns, 250 ns]", "-"]
    assert shown.note.startswith("Note. The barrier is one between all threads")
    assert cores.with_barriers(made_report(), table) is table


def test_what_is_timed_waits_for_cores_that_share_a_cache_but_not_for_ever(monkeypatch):
    naps, now, here = [], [0.0], cores.Cores(2, toy=False)

    def sleep(seconds):
        naps.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(cores, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    here.clock = lambda threads, calls, samples: samples.fill(6e-8 if len(naps) >= enough else 2.5e-7)
    enough = 3
    here.wait()
    assert len(naps) == 3
    here.wait()
    assert len(naps) == 3  # near as they are
    enough = 10**9
    here.wait()
    assert (len(naps) - 3) * cores.NAP == cores.PATIENCE
    tired = len(naps)
    here.wait()
    assert len(naps) == tired  # nothing more is hoped for
    enough = 0
    here.wait()
    enough = len(naps) + 5
    here.wait()
    assert len(naps) == tired + 5  # until they have been near again


def test_there_is_no_barrier_without_the_compiled_backend(monkeypatch):
    monkeypatch.setitem(sys.modules, "fastnn.kernels.cython_kernels", None)
    monkeypatch.delattr("fastnn.kernels.cython_kernels", raising=False)
    cores.Cores(2, toy=False).wait()  # for nothing
    assert cores.Cores(2, toy=True).barriers() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([Competitor("a", busy), Competitor("a", busy)], "a", 0.0), "unique"),
        (([Competitor("a", busy)], "b", 0), "none"),
    ],
)
def test_contests_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        Contest(*arguments)
    with pytest.raises(ValueError, match="must be"):
        Absent("x", "missing", "?")


# ---- records and reports


def test_a_report_is_written_whole_and_read_back(tmp_path):
    made = made_report(a=[2.0, 4.0, 6.0], b=[1.0, 2.0, 2.0])
    path = tmp_path / "loops.json"
    made.write(path)
    again = Report.read(path)
    assert again == made
    assert again.get("one", "b").ratio["median"] == 2.0
    assert again.get("one", "b").seconds == {"median": 2.0, "min": 1.0, "lower": 1.5, "upper": 2.0}
    assert again.get("one", "c").status == "skipped"
    assert again.ratio("one", "b", "a").high == 3.0
    assert again.ratio("one", "c", "a") is None
    assert [found.competitor for found in again.select(n=3, status="ran")] == ["a", "b"]
    before = path.read_bytes()
    made.header["oops"] = float("nan")
    with pytest.raises(ValueError, match="JSON"):
        made.write(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["loops.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "suite": "x", "records": 3}'])
def test_what_is_no_report_is_refused(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="is not a benchmark report"):
        Report.read(path)


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"status": "fine"}, "status"), ({"status": "ran"}, "only what ran"), ({"status": "skipped"}, "without a reason")],
)
def test_records_are_checked(fields, message):
    with pytest.raises(ValueError, match=message):
        Record("s", "c", "x", **fields)


def test_tables_show_what_ran_and_why_the_rest_did_not():
    made = made_report(a=[2e-3] * 3, b=[1e-3] * 3)
    (table,) = tables.by_case(made)
    lines = table.as_text().splitlines()
    assert lines[1].split("  ")[-1] == "times as fast as a"
    assert "2.00x [2.00, 2.00]" in lines[4]
    assert lines[5].split() == ["c", "1", "skipped", "no", "c", "here"]
    assert table.as_markdown().splitlines()[1] == "| :-- | --: | --: | --: | --: |"
    assert "Toy sizes" in tables.about(made)
    assert f"fastnn {made.header['fastnn']}" in tables.about(made)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.0, "1.00 s"), (0.9996, "1.00 s"), (0.0123, "12.3 ms"), (4.56e-7, "456 ns"), (12345.0, "12,345 s")],
)
def test_durations(value, expected):
    assert tables.duration(value) == expected


# ---- where it runs


def test_the_guard_knows_the_variables_that_info_warns_of():
    assert guard.BLAS_VARIABLES == info.BLAS_VARIABLES


def test_the_guard_imports_no_numpy_and_refuses_to_come_late(monkeypatch):
    code = "import sys; sys.path.append(sys.argv[1]); import benchmarks.guard; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", code, ROOT], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    monkeypatch.setenv("OPENBLAS_L2_SIZE", "1024")
    assert "OPENBLAS_L2_SIZE" not in guard.clean_environment()
    with pytest.raises(RuntimeError, match="before NumPy is imported"):
        guard.start_clean(["never"])


def test_the_header_says_where_and_with_what():
    found = environment.header()
    assert found["versions"]["numpy"] == np.__version__
    assert found["cpu"]
    assert found["threads"] >= 1
    assert "filepath" not in json.dumps(found)
    json.dumps(found, allow_nan=False)


def test_blas_threads_are_set():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    before = {entry["filepath"]: entry["num_threads"] for entry in threadpoolctl.threadpool_info()}
    environment.forget_blas()
    try:
        environment.set_blas_threads(1)
        found = [entry["num_threads"] for entry in threadpoolctl.threadpool_info() if entry["user_api"] == "blas"]
        assert set(found) <= {1}
    finally:
        environment.set_blas_threads(max(before.values(), default=1))


# ---- the house


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").rglob("*.py")), ids=lambda path: path.stem)
def test_rooms_are_short(path):
    assert len(path.read_text().splitlines()) <= 400


def test_the_package_does_not_know_its_benchmarks():
    wrong = [path for path in (ROOT / "fastnn").rglob("*.py") if "import benchmarks" in path.read_text()
             or "from benchmarks" in path.read_text()]  # fmt: skip
    assert not wrong


def test_the_seam_is_asked_whole():
    from benchmarks import seam
    from fastnn.kernels.numpy_kernels import KERNELS

    asked = set()

    class Asked:
        def __getattr__(self, name):
            asked.add(name)
            return getattr(KERNELS, name)

    for question in (*seam.pieces(True), *seam.programs(True)):
        call = question.prepare()(Asked(), 1)
        call.rest()
        first, second = call.answer(), call.answer()
        assert measure.difference(first, second) == 0, question.case
        assert any(part.any() for part in measure.parts(first)), question.case
    doors = {"name", "map_plain", "frozen", "stepper", "shuffle"}
    assert asked == {field.name for field in dataclasses.fields(KERNELS)} - doors


def test_an_import_is_compared_without_the_interpreter():
    from benchmarks import imports

    samples = {imports.PYTHON: (1.0,) * 7, imports.NUMPY: (5.0,) * 7, imports.FASTNN: (5.2,) * 7}
    records = [
        Record("import", imports.CASE, name, seconds={"median": found[0], "min": found[0]}, samples=found,
               facts={"bytes": {"wheel": None, "package": 2_000_000}})
        for name, found in samples.items()
    ]  # fmt: skip
    time_, sizes = imports.tables(Report("import", "full", {}, records))
    assert time_.rows[2][3].startswith("1.04x")
    assert "1.05x" in time_.rows[2][3]
    assert [row[1] for row in sizes.rows] == ["none", "2.00 MB"]
    assert imports.sizes()["package"] > 1e6


# ---- the command


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Run a suite at toy size, once per module, as a user would, with a variable set that must not get through."""
    done = {}

    def run(name):
        if name not in done:
            folder = tmp_path_factory.mktemp(name)
            command = [sys.executable, "-m", "fastnn", "bench", name, "--toy", f"--out={folder}"]
            environ = {**os.environ, "OPENBLAS_CORETYPE": "Haswell"}
            told = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environ, timeout=600)
            assert told.returncode == 0, told.stdout + told.stderr
            done[name] = folder, told.stdout
        return done[name]

    return run


@pytest.mark.parametrize("name", suite.SUITES)
def test_every_suite_runs_at_toy_size(toy, name):
    folder, told = toy(name)
    found = Report.read(folder / f"{name}.json")
    one = suite.load(name)
    assert (found.suite, found.mode) == (name, "toy")
    assert not set(guard.BLAS_VARIABLES) & set(found.header["variables"])
    for case in found.cases():
        records = list(found.select(case=case))
        assert [entry for entry in records if entry.status == "ran"], f"nothing ran in {case}"
        names = [entry.competitor for entry in records]
        assert len(set(names)) == len(names), f"{case}: one name, two records"
    for table in one.tables(found):
        assert table.as_text() in told
        assert table.rows
    for chart in one.charts(found):
        assert (folder / f"{name}-{chart.name}.png").stat().st_size > 5000
        assert chart.alt


def test_a_wrong_answer_fails_the_run_and_is_in_the_report(tmp_path):
    code = """if True:
        import sys
        sys.path.append(sys.argv[1])
        from benchmarks import command
        from benchmarks.loops import work
        work.TOLERANCE["sigmoid"] = 0.0
        sys.exit(command.main(["loops", "--toy", "--case", "s", "--out", sys.argv[2]]))
    """
    environ = guard.clean_environment()
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, ROOT, tmp_path], capture_output=True, text=True, env=environ
    )
    assert done.returncode == 1, done.stdout
    found = Report.read(tmp_path / "loops.json")
    assert {entry.status for entry in found.select(operation="sigmoid")} == {"not run"}
    assert all("disagree" in entry.reason for entry in found.select(operation="sigmoid"))
    assert "ran" in {entry.status for entry in found.select(operation="dense")}
    assert "disagree" in done.stdout


def test_outside_a_checkout_the_command_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fastnn.cli.bench.__file__", str(tmp_path / "a" / "fastnn" / "cli" / "bench.py"))
    assert fastnn_main(["bench", "loops"]) == 2
    assert "part of a checkout and not of the wheel" in capsys.readouterr().err


def test_a_missing_extra_is_named(monkeypatch, capsys):
    monkeypatch.setattr("fastnn.cli.bench.NEEDED", ("no_such_package",))
    assert fastnn_main(["bench", "loops"]) == 2
    assert 'pip install "fastnn-kernels[bench]"' in capsys.readouterr().err


def test_an_unknown_suite_is_named_with_the_known(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "fastnn", "bench", "lops"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 2
    assert "there is no benchmark 'lops'; there are: loops" in done.stderr


# ---- README


def test_places_are_filled_and_nothing_else_is_touched():
    text = "a\n<!-- benchmark: loops/speed -->\nold\n<!-- end -->\nb\n<!-- benchmark: loops/about -->\n<!-- end -->\n"
    found = report.render(text, lambda name: {"speed": f"new {name}", "about": "here"})
    assert found == text.replace("old", "new loops").replace("about -->\n", "about -->\nhere\n")
    assert report.render(found, lambda name: {"speed": f"new {name}", "about": "here"}) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [("<!-- benchmark: loops/nothing -->\n<!-- end -->", "it has: speed"),
     ("<!-- benchmark: loops/speed -->\n", "must be"), ("<!-- benchmark: loops -->\n<!-- end -->", "must be")],
)  # fmt: skip
def test_a_wrong_place_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        report.render(text, lambda name: {"speed": "new"})


def test_the_readme_is_what_the_committed_reports_render():
    text = (ROOT / "README.md").read_text()
    assert report.render(text) == text


# ---- charts


@pytest.mark.parametrize("kind", ["lines", "bars"])
def test_charts_are_drawn_and_told_apart_in_grey(tmp_path, kind):
    pytest.importorskip("matplotlib")
    names = [f"series {i}" for i in range(9)]
    looks = charts.styles(names)
    assert len({(look.dash, look.mark) for look in looks.values()}) == 9
    assert len({look.hatch for look in looks.values()}) == 9
    path = tmp_path / "x.png"
    if kind == "lines":
        series = {name: [(1.0, i + 1.0), (10.0, 2.0 * i + 1)] for i, name in enumerate(names)}
        charts.loglog(path, {"one": series}, looks, "x", "y", "title")
    else:
        groups = {"one": {name: (i + 1.0, str(i)) for i, name in enumerate(names)}, "two": {names[0]: "not run"}}
        charts.bars(path, groups, looks, "y", "title", log=True, line=(2.0, "limit"))
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("groups", [1, 2, 5])
def test_a_legend_stays_within_its_chart(monkeypatch, tmp_path, groups):
    pytest.importorskip("matplotlib")
    names = ["fastnn cython", "fastnn numba", "fastnn numpy", "NumPy by hand", "scikit-learn", "PyTorch compiled"]
    drawn = []

    def look_at(made, path):
        made.draw_without_rendering()
        drawn.append((made.legends[0].get_window_extent(), made.bbox))

    monkeypatch.setattr(charts, "save", look_at)
    group = {name: (i + 1.0, str(i)) for i, name in enumerate(names)}
    charts.bars(tmp_path / "x.png", {str(i): group for i in range(groups)}, charts.styles(names), "y", "title")
    legend, page = drawn[0]
    assert page.x0 <= legend.x0 < legend.x1 <= page.x1
