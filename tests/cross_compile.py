"""Compile the C kernels for the platforms that the wheels are built for, without their machines.

    python tests/cross_compile.py

Needs ``pip install ziglang``, whose clang brings every platform's headers.  Prints one line per platform; exits with 1
where the compiler says anything at all.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

SOURCES = Path(__file__).parent.parent / "kernels" / "c"
PLATFORMS = (
    "aarch64-macos", "aarch64-linux-gnu", "aarch64-linux-musl", "x86_64-linux-gnu", "x86_64-linux-musl",
    "x86_64-windows-gnu",
)  # fmt: skip
FLAGS = ["-std=c11", "-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-fvisibility=hidden",
         "-Wall", "-Wextra", "-Werror"]  # fmt: skip
CPUS = {"v2": ["-march=x86_64_v2"], "v3": ["-march=x86_64_v3"], "v4": ["-march=x86_64_v4", "-mprefer-vector-width=512"]}


def jobs(platform):
    """Return {what: arguments} of every compilation for a platform."""
    targets = CPUS if platform.startswith("x86_64") else {"baseline": []}
    once = [path for path in sorted(SOURCES.glob("*.c")) if path.name != "kernels.dispatch.c"]
    kernels = {t: [SOURCES / "kernels.dispatch.c", f"-DFNN_TARGET={t}", *march] for t, march in targets.items()}
    return kernels | {path.name: [path, *(f"-DFNN_HAVE_{target}" for target in targets)] for path in once}


def compiles(platform, arguments):
    """Compile one file; print what the compiler says and return whether it was silent."""
    with tempfile.TemporaryDirectory() as folder:
        line = [sys.executable, "-m", "ziglang", "cc", "-target", platform, *FLAGS, "-c", *arguments]
        done = subprocess.run([*line, "-o", Path(folder) / "out.o"], capture_output=True, text=True)
    said = (done.stdout + done.stderr).strip()
    if said:
        print(said)
    return done.returncode == 0 and not said


def main():
    """Compile everything; return the exit status."""
    failed = 0
    for platform in PLATFORMS:
        results = {what: compiles(platform, arguments) for what, arguments in jobs(platform).items()}
        failed += not all(results.values())
        print(f"{platform}: " + ", ".join(f"{what} {'ok' if good else 'FAILED'}" for what, good in results.items()))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
