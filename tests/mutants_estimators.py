"""Break the estimators on purpose, one text at a time, and see that the parity tests turn red each time.

    python tests/mutants_estimators.py [--fast] [--only TEXT]

Works on a copy of the package in a temporary folder.  One line per mutant: what caught it, or SURVIVED.  Exit status 1
if one survives, if the tests fail unbroken, or if a text to be replaced is not found exactly once.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
TESTS = ("test_estimators_parity.py", "estimators_common.py")


class Mutant(NamedTuple):
    """A text of fastnn/estimators/FILE and what it becomes."""

    name: str
    file: str
    old: str
    new: str


MUTANTS = (
    Mutant("alpha unscaled", "base.py", "l2_over_norm=True", "l2_over_norm=False"),
    Mutant("eps moved", "solvers.py", "table[:, EPSILON] = self._epsilons(n, total)",
           "table[:, EPSILON] = self.epsilon"),
    Mutant("eps of the first steps again", "solvers.py", "epsilons[self.steps - start :][:n]", "epsilons[:n]"),
    Mutant("Nesterov dropped", "solvers.py", 'return "nesterov" if nesterov else "momentum"', 'return "momentum"'),
    Mutant("bias skipped", "parameters.py", "        fill(b, bound)\n", "        fill(b.copy(), bound)\n"),
    Mutant("uniform from zero up", "draws.py", "        out -= bound\n", ""),
    Mutant("another seed", "draws.py", "made.seed(int(seed))", "made.seed(int(seed) + 1)"),
    Mutant("shuffle order off by one", "stochastic.py", "                    shuffle(order)\n",
           "                    shuffle(order[1:])\n"),
    Mutant("shuffles not one after the other", "stochastic.py", "                    shuffle(order)\n",
           "                    order.sort()\n                    shuffle(order)\n"),
    Mutant("biases drawn first", "parameters.py", "        fill(W, bound)\n        fill(b, bound)\n",
           "        fill(b, bound)\n        fill(W, bound)\n"),
    Mutant("one bound for all", "parameters.py", "GLOROT_LOGISTIC = 6.0, 2.0", "GLOROT_LOGISTIC = 6.0, 6.0"),
    Mutant("rate scaled by epochs", "stochastic.py", "est.t_ += len(run.order)", "est.t_ += 1"),
    Mutant("rate not lowered", "solvers.py", "self._rate /= 5.0", "self._rate /= 1.0"),
    Mutant("stops one epoch early", "stochastic.py", "est._no_improvement_count > est.n_iter_no_change",
           "est._no_improvement_count >= est.n_iter_no_change"),
    Mutant("loss summed over outputs", "printed.py", 'n_outputs if loss == "squared_error" else 1', "1"),
    Mutant("deviance without its constant", "printed.py", 'if loss == "poisson":', "if False:"),
    Mutant("unclipped probabilities", "printed.py", "return float(-np.log(np.finfo(dtype).eps))", "return 0.0"),
    Mutant("batches weighed by sample weight", "printed.py", "(losses.T * counts)", "(losses.T * counts[::-1])"),
    Mutant("split not stratified", "classifier.py", "return T.astype(bool) if self.n_outputs_ == 1 else None",
           "return None"),
    Mutant("best weights not kept", "stochastic.py", "est._best_theta = self.state.network.theta.copy()",
           "est._best_theta = None"),
    Mutant("solver fresh in partial_fit", "base.py", "(incremental or self.resume) and old.fits",
           "self.resume and old.fits"),
)  # fmt: skip


def replaced(text, old, new, where):
    if text.count(old) != 1:
        raise SystemExit(f"{where}: found {text.count(old)} times, expected once:\n{old}")
    return text.replace(old, new)


def run_tests(folder):
    """Return None if the parity tests pass, else what failed first."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "--tb=line", "-W", "error", "-p", "no:cacheprovider", "tests"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode == 0:
        return None
    found = re.search(r"^FAILED (?:tests/)?(\S+)", done.stdout, re.MULTILINE)
    if not found:
        raise SystemExit(f"pytest itself failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return found.group(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fast", action="store_true", help="check every text, run two mutants")
    parser.add_argument("--only", metavar="TEXT", default="", help="mutants whose name contains TEXT")
    options = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if options.only in mutant.name][: 2 if options.fast else None]
    survivors = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = folder / "fastnn"
        shutil.copytree(ROOT / "fastnn", package, ignore=shutil.ignore_patterns("__pycache__"))
        os.symlink(ROOT / "kernels", package / "kernels", target_is_directory=True)
        (folder / "tests").mkdir()
        for test in TESTS:
            shutil.copy(ROOT / "tests" / test, folder / "tests")
        (folder / "tests" / "conftest.py").write_text("import sys\nsys.path.insert(0, 'tests')\n")
        rooms = package / "estimators"
        for mutant in MUTANTS:
            replaced((rooms / mutant.file).read_text(encoding="utf-8"), mutant.old, mutant.new, mutant.file)
        if not options.fast and (failed := run_tests(folder)):
            raise SystemExit(f"the tests fail unbroken, at {failed}")
        for mutant in chosen:
            path = rooms / mutant.file
            text = path.read_text(encoding="utf-8")
            path.write_text(replaced(text, mutant.old, mutant.new, mutant.file), encoding="utf-8")
            caught = run_tests(folder)
            path.write_text(text, encoding="utf-8")
            print(f"{mutant.name:34} {f'caught by {caught}' if caught else 'SURVIVED'}", flush=True)
            if caught is None:
                survivors.append(mutant.name)
    print(f"{len(survivors)} survived" + "".join(f"\n  {name}" for name in survivors))
    return int(bool(survivors))


if __name__ == "__main__":
    sys.exit(main())
