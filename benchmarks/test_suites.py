"""Every case of the chosen suites: same answer first, then the rounds, then the records."""

from __future__ import annotations

import gc

from benchmarks.measure import Rounds, WrongAnswer
from benchmarks.record import failed, records_of


def test_case(suite_of_case, case, benchmark, ledger):
    contest = case.prepare()
    rounds = Rounds(contest, ledger.mode.shortened(suite_of_case.share))
    try:
        differences = rounds.check()
    except WrongAnswer as error:  # told in the report too: the other cases' records are worth keeping
        ledger.add(failed(suite_of_case.name, case.name, contest, str(error), case.facts))
        raise
    count = rounds.calibrate()
    benchmark.group = suite_of_case.name
    benchmark.pedantic(rounds.play, rounds=count, iterations=1)
    records = records_of(suite_of_case.name, case.name, rounds, case.facts)
    benchmark.extra_info["seconds"] = {record.competitor: record.seconds for record in records}
    benchmark.extra_info["ratio"] = {record.competitor: record.ratio for record in records}
    benchmark.extra_info["largest difference"] = max(differences.values(), default=0.0)
    ledger.add(records)
    print(f"{suite_of_case.name:>8}  {case.name}: {len(rounds.samples)} competitors, {count} rounds", flush=True)
    del contest, rounds
    gc.collect()
