"""Break the kernels on purpose, one text at a time, and see that the tests turn red each time.

    python tests/mutants.py [--backend numpy|numba|cython] [--fast] [--only TEXT]

Works on a copy of the tree in a temporary folder.  One line per mutant: what caught it, or SURVIVED.  Exit status 1 if
one survives, if the tests fail unbroken, or if a text to be replaced is not found exactly once, so that the list cannot
rot.  ``--fast`` checks every text but runs only the first two mutants of each backend.  Mutants of C and Cython need a
compiler, and are skipped with a message where there is none.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

from mutations import MUTANTS, QUICK_BUILD

ROOT = Path(__file__).resolve().parent.parent
TESTS = ("test_team.py", "test_formulas.py", "test_programs.py", "test_gradients.py", "test_agreement.py",
         "test_pieces.py", "test_surface_kernel.py", "test_quick_doors.py", "test_orders_of_work.py")  # fmt: skip
# What is tried before all of TESTS where compiling is slow: training needs one program and meets most mistakes.
FIRST = {"numba": ("tests/test_programs.py", "-k", "test_train and not composition")}
HELPERS = ("conftest.py", "kernels_common.py", "kernels_oracle.py", "golden_curve.py", "team_check.c")
BACKENDS = ("numpy", "numba", "cython")
TIMEOUT = 1800  # seconds for one run of the tests; a mutant that hangs is caught too


class Copy:
    """The copied tree: kernels under their installed name, and the tests."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.kernels = self.folder / "kernels"
        ignore = shutil.ignore_patterns("__pycache__", "*.so", "*.pyd", "*.nbi", "*.nbc")
        shutil.copytree(ROOT / "kernels", self.kernels, ignore=ignore)
        (self.folder / "tests").mkdir()
        for name in (*TESTS, *HELPERS):
            shutil.copy(ROOT / "tests" / name, self.folder / "tests")
        shutil.copytree(ROOT / "tests" / "golden", self.folder / "tests" / "golden")
        package = self.folder / "site" / "fastnn"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()  # the kernels never import fastnn: an empty one will do
        os.symlink(self.kernels, package / "kernels", target_is_directory=True)
        self.prepare_build()
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(package.parent),
            "PYTHONDONTWRITEBYTECODE": "1",
            "NUMBA_CACHE_DIR": str(self.folder / "numba"),
            "CI": "1",  # Hypothesis without randomness
        }
        self.environment.pop("FASTNN_ISA", None)  # one target is built, whichever was asked for

    def prepare_build(self):
        """Put down what setup.py needs, itself made quick."""
        shutil.copy(ROOT / "pyproject.toml", self.folder)
        for name in ("README.md", "LICENSE"):
            (self.folder / name).touch()
        (self.folder / "fastnn").mkdir()
        text = (ROOT / "setup.py").read_text(encoding="utf-8")
        for old, new in QUICK_BUILD:
            text = replaced(text, old, new, "setup.py")
        (self.folder / "setup.py").write_text(text, encoding="utf-8")

    def run_tests(self, backend, selection=None):
        """Return None if the tests pass, else what failed first."""
        environment = {**self.environment, "FASTNN_TEST_BACKENDS": backend, "FASTNN_TEST_REQUIRE_BACKENDS": backend}
        command = [sys.executable, "-m", "pytest", "--import-mode=importlib", "-x", "-q", "--tb=line", "-W", "error"]
        command += ["-p", "no:cacheprovider", *(selection or [f"tests/{name}" for name in TESTS])]
        try:
            done = subprocess.run(
                command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired:
            return f"time: not done after {TIMEOUT} s"
        if done.returncode == 0:
            return None
        found = re.search(r"^FAILED (?:tests/)?(\S+)", done.stdout, re.MULTILINE)  # an import error is no catch
        if found:
            return found.group(1)
        if done.returncode < 0:
            return f"crash: signal {-done.returncode}"
        raise SystemExit(f"pytest itself failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")

    def build(self):
        """Compile the extension for one CPU target; return an error message or None."""
        done = subprocess.run(
            [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
            cwd=self.folder, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return None if done.returncode == 0 else done.stdout[-1500:] + done.stderr[-1500:]


def replaced(text, old, new, where):
    if text.count(old) != 1:
        raise SystemExit(f"{where}: found {text.count(old)} times, expected once:\n{old}")
    return text.replace(old, new)


def has_compiler():
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    return shutil.which(compiler) is not None


def run_mutants(copy, backend, mutants):
    """Print one line per mutant of a backend; return the names of the survivors."""
    survivors = []
    compiled = backend == "cython"
    if compiled and (error := copy.build()):
        raise SystemExit(f"the unbroken kernels do not build:\n{error}")
    if failed := copy.run_tests(backend):
        raise SystemExit(f"{backend}: the tests fail unbroken, at {failed}")
    for mutant in mutants:
        path, started = copy.kernels / mutant.file, time.monotonic()
        text = path.read_text(encoding="utf-8")
        path.write_text(replaced(text, mutant.old, mutant.new, mutant.file), encoding="utf-8")
        try:
            if compiled and (error := copy.build()):
                raise SystemExit(f"{mutant.name} does not compile:\n{error}")
            caught = (backend in FIRST and copy.run_tests(backend, FIRST[backend])) or copy.run_tests(backend)
        finally:
            path.write_text(text, encoding="utf-8")
        if caught is None:
            survivors.append(mutant.name)
        verdict = f"caught by {caught}" if caught else "SURVIVED"
        print(
            f"{backend:7} {mutant.file:20} {mutant.name:44} {verdict} ({time.monotonic() - started:.0f} s)", flush=True
        )
    return survivors


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backend", choices=BACKENDS, action="append")
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--only", metavar="TEXT", default="", help="mutants whose name contains TEXT")
    options = parser.parse_args()
    for mutant in MUTANTS:  # all texts first, whatever is run
        replaced((ROOT / "kernels" / mutant.file).read_text(encoding="utf-8"), mutant.old, mutant.new, mutant.file)
    survivors = []
    for backend in options.backend or BACKENDS:
        mutants = [mutant for mutant in MUTANTS if mutant.backend == backend and options.only in mutant.name]
        mutants = mutants[:2] if options.fast else mutants
        if backend == "cython" and not has_compiler():
            print(f"cython: {len(mutants)} mutants skipped, there is no C compiler")
        elif mutants:
            with tempfile.TemporaryDirectory() as folder:
                survivors += run_mutants(Copy(folder), backend, mutants)
    print(f"{len(survivors)} survived" + "".join(f"\n  {name}" for name in survivors))
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
