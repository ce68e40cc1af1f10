"""One peer in one process: takes orders on stdin, answers on stdout, says everything else on stderr.

    python -P benchmarks/peers/worker.py NAME THREADS CPU,CPU,...

The processors are chosen before anything is imported: JAX takes as many threads as it may use processors, once.
"""

from __future__ import annotations

import os
import pickle
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def serve(name: str, threads: int) -> None:
    """Answer (method, arguments) with ("ok", result), ("unavailable", why) or ("error", what), until stdin ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not come between two answers
    orders = sys.stdin.buffer

    def answer(kind: str, what: object) -> None:
        pickle.dump((kind, what), answers)
        answers.flush()

    import importlib

    from benchmarks.peers import PEERS
    from benchmarks.peers.base import Unavailable

    module, settings = PEERS[name]
    try:
        peer = importlib.import_module(module).PEER(threads, **settings)
    except Unavailable as reason:
        answer("unavailable", str(reason))
        return
    answer("ok", None)
    while True:
        try:
            method, arguments = pickle.load(orders)
        except EOFError:
            return
        try:
            answer("ok", getattr(peer, method)(*arguments))
        except Unavailable as reason:
            answer("unavailable", str(reason))
        except Exception as error:
            import traceback

            traceback.print_exc()
            answer("error", f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    if sys.argv[3] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(cpu) for cpu in sys.argv[3].split(",")})
    sys.path.append(ROOT)  # behind what is installed
    serve(sys.argv[1], int(sys.argv[2]))
