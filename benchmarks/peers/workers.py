"""The processes that the peers live in: started when needed, and stopped in their tracks while another is timed.

Idle threads of OpenMP, MKL and ONNX Runtime spin for a while before they sleep, on the very processors that the next
peer is timed on; so a worker that is not at work is suspended (SIGSTOP), where the system has that.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from .. import guard
from . import PEERS
from .base import Unavailable

WORKER = Path(__file__).with_name("worker.py")
#: Read once, at start, by OpenMP and by every BLAS.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS", "NPROC",
)  # fmt: skip
CAN_SUSPEND = hasattr(signal, "SIGSTOP")


def processors() -> list[int]:
    """Return the processors that this process may use; empty where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


class Worker:
    """A peer in its process.

    Parameters
    ----------
    name : str
        Of `PEERS`.
    threads : int
        It is kept on as many processors, always the same ones.

    Raises
    ------
    Unavailable
        If the peer's library, or what it needs, is not installed.
    RuntimeError
        If it fails; the message ends with what it printed last.
    """

    def __init__(self, name: str, threads: int) -> None:
        self.name, self.threads = name, threads
        cpus = processors()[-threads:]
        environment = {**guard.clean_environment(), **{variable: str(threads) for variable in THREAD_VARIABLES}}
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(WORKER), name, str(threads), ",".join(map(str, cpus))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, env=environment,
        )  # fmt: skip
        atexit.register(self.close)
        self.suspended = False
        try:
            self._receive()
        except BaseException:
            self.close()
            raise
        self._suspend()

    def ask(self, method: str, *arguments: Any) -> Any:
        """Return what a method of the peer gives."""
        self._resume()
        try:
            assert self.process.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # its end is told below, with what it said
                pickle.dump((method, arguments), self.process.stdin)
                self.process.stdin.flush()
            return self._receive()
        finally:
            self._suspend()

    def _receive(self) -> Any:
        try:
            assert self.process.stdout is not None
            kind, what = pickle.load(self.process.stdout)
        except EOFError:
            kind, what = "error", f"its process ended with status {self.process.wait()}"
        if kind == "unavailable":
            raise Unavailable(what)
        if kind == "error":
            raise RuntimeError(f"{self.name} with {self.threads} threads failed: {what}\n{self._last_words()}")
        return what

    def _last_words(self) -> str:
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")[-2000:]

    def _suspend(self) -> None:
        if CAN_SUSPEND and not self.suspended and self.process.poll() is None:
            self.process.send_signal(signal.SIGSTOP)
            self.suspended = True

    def _resume(self) -> None:
        if self.suspended:
            self.process.send_signal(signal.SIGCONT)
            self.suspended = False

    def close(self) -> None:
        """End the process."""
        atexit.unregister(self.close)
        self._resume()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()


class Crew:
    """The workers of a suite, one per peer and number of threads, each started when first asked for."""

    def __init__(self) -> None:
        self._workers: dict[tuple[str, int], Worker] = {}
        self._absent: dict[str, str] = {}

    def get(self, name: str, threads: int) -> Worker:
        """Return the worker; raise `Unavailable` without trying again where it was before."""
        if name in self._absent:
            raise Unavailable(self._absent[name])
        if (name, threads) not in self._workers:
            try:
                self._workers[name, threads] = Worker(name, threads)
            except Unavailable as reason:
                self._absent[name] = str(reason)
                raise
        return self._workers[name, threads]

    def close(self) -> None:
        """End all processes."""
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()


__all__ = ["PEERS", "Crew", "Unavailable", "Worker", "processors"]
