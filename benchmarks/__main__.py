"""``python -m benchmarks`` (or ``python benchmarks``): the guard first, before anything imports NumPy."""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if not __package__:  # run as a folder: make its siblings importable, behind what is installed
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != os.path.join(ROOT, "benchmarks")]
    sys.path.append(ROOT)

from benchmarks import guard  # noqa: E402

if __name__ == "__main__":
    guard.start_clean([sys.executable, "-P", os.path.join(ROOT, "benchmarks"), *sys.argv[1:]])
    from benchmarks.command import main

    sys.exit(main())
