"""Start without what would cripple a peer.  Imports nothing that could import NumPy, which reads these variables once.

Either variable makes every OpenBLAS of the process (NumPy's, SciPy's, scikit-learn's, Numba's) run kernels or block
sizes of another processor, at half speed.
"""

from __future__ import annotations

import os
import subprocess
import sys

BLAS_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def overrides() -> list[str]:
    """Return which of BLAS_VARIABLES are set."""
    return [name for name in BLAS_VARIABLES if name in os.environ]


def clean_environment() -> dict[str, str]:
    """Return a copy of the environment without BLAS_VARIABLES."""
    return {name: value for name, value in os.environ.items() if name not in BLAS_VARIABLES}


def start_clean(command: list[str]) -> None:
    """Replace this process by ``command`` without the variables; return where there is nothing to clear.

    Raises
    ------
    RuntimeError
        If NumPy is here already: it has read the variables, and clearing them would change nothing.
    """
    found = overrides()
    if not found:
        return
    if "numpy" in sys.modules:
        raise RuntimeError(
            f"{' and '.join(found)} must be cleared before NumPy is imported; unset them and start anew."
        )
    print(f"{' and '.join(found)} would cripple OpenBLAS: starting again without.", flush=True)
    if os.name == "nt":  # exec would give the terminal back before the end
        raise SystemExit(subprocess.run(command, env=clean_environment(), check=False).returncode)
    os.execve(command[0], command, clean_environment())
