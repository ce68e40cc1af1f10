"""What all tests share: the backends and dtypes they run on, a clean environment, Hypothesis without deadlines."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))  # the helpers beside this file, whatever pytest's import mode is

import kernels_common as common  # noqa: E402

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job; its children would not feel Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)

if importlib.util.find_spec("sklearn") is None:
    collect_ignore_glob = ["test_estimators_*.py"]

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(autouse=True)
def fastnn_environment():
    """Restore every FASTNN_* variable after a test."""

    def mine():
        return {name: value for name, value in os.environ.items() if name.startswith("FASTNN_")}

    before = mine()
    yield
    for name in mine():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="session", params=common.BACKENDS)
def backend(request):
    """Every backend in turn; one that cannot be imported is skipped, or an error where it is required."""
    return common.load(request.param)


@pytest.fixture(scope="session", params=common.DTYPES, ids=lambda dtype: dtype.name)
def dtype(request):
    """Both of theta's dtypes."""
    return request.param
