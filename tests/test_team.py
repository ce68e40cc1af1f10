"""Teams: members that meet at barriers between equals, in C (``team_check.c``) and as ``train`` uses them.

``test_pool.py`` has the pool below, ``test_threads.py`` the public side.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import kernels_common as common
import numpy as np
import pytest
from kernels_common import hyper_rows, make_data, make_net, same_bits

HERE = Path(__file__).parent
SOURCES = HERE.parent / "kernels" / "c"
CC = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
# How long a member waits before it sleeps and how often it yields: as shipped; asleep at once; yielding all the time.
HABITS = {"as shipped": (), "soon asleep": ("-DSPINS=20",), "often elsewhere": ("-DSPINS=60", "-DYIELD_EVERY=3")}

in_c = pytest.mark.skipif(CC is None or not SOURCES.is_dir() or sys.platform == "win32", reason="needs cc and POSIX")


@pytest.fixture(scope="module", params=HABITS)
def check(request, tmp_path_factory):
    """Return a function that runs team_check with some arguments and returns what it says."""
    program = tmp_path_factory.mktemp("team") / "team_check"
    files = [HERE / "team_check.c", SOURCES / "pool.c", SOURCES / "team.c"]
    line = [CC, "-std=c11", "-O2", f"-I{SOURCES}", *HABITS[request.param], *files, "-o", program, "-lpthread"]
    subprocess.run(line, check=True)

    def run(*arguments, cores=None):
        def stay():
            os.sched_setaffinity(0, cores)

        words = [program, *map(str, arguments)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, preexec_fn=stay if cores else None)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@in_c
def test_phases_begin_when_the_one_before_is_over(check):
    """Two to eight members, delays everywhere, helpers that come late, go early or not at all, ends halfway."""
    said = check(60, 300)
    assert said.startswith("0 wrong")
    assert "most used 1" not in said  # helpers finished chunks


@in_c
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot tie a process to a core")
def test_many_members_on_one_core_come_to_an_end(check):
    core = min(os.sched_getaffinity(0))
    assert check(20, 300, cores={core}).startswith("0 wrong")


@in_c
def test_callers_and_forks_do_not_meet(check):
    """Of three callers one has the team and the others work alone; forks happen in the middle of it."""
    assert check(8, 200, 3, 2).startswith("0 wrong")


# ---- train


@pytest.fixture(scope="module")
def compiled():
    return common.load("cython")


NETS = {
    "slabs": (300, 20, 10, 5),
    "tiles": (20, 40, 5),
    "layers": (200, 700, 160, 5),
}


@pytest.mark.parametrize("shape", NETS)
@pytest.mark.parametrize("clip_norm", [0.0, 1.5])
def test_a_team_ends_where_one_thread_does(compiled, shape, clip_norm):
    """A loss that is not finite ends `train` before the update, although a helper may be a phase ahead."""
    net = make_net(NETS[shape], "relu", "squared_error", l2=(1e-3, *[0.0] * (len(NETS[shape]) - 2)), clip=clip_norm)
    rng = np.random.default_rng(1)
    theta, data = net.theta(rng, np.dtype(np.float32)), make_data(rng, net, np.dtype(np.float32), m=200)
    steps, batch = 24, 48
    order, starts = rng.integers(0, 200, steps * batch), np.arange(0, steps * batch + 1, batch)
    hyper = hyper_rows("momentum", steps, rate=0.1)
    hyper[14:, 0] = 1e30
    one = common.train(compiled, net, "momentum", hyper, theta, data, order, starts)
    assert 15 <= one.finished < steps
    assert np.isfinite(one.theta).any()
    for threads in [2, 3, 5] * 2:
        many = common.train(compiled, net, "momentum", hyper, theta, data, order, starts, threads=threads)
        assert many.finished == one.finished
        assert same_bits(many.theta, one.theta)
        assert same_bits(many.losses[: one.finished], one.losses[: one.finished])


@pytest.mark.parametrize("shape", NETS)
def test_clipping_and_penalties_have_sums_of_their_own(compiled, shape):
    """The penalty is read while other members may already be measuring gradients."""
    layers = len(NETS[shape]) - 1
    net = make_net(NETS[shape], "tanh", "categorical_cross_entropy", l2=(1e-2,) * layers, clip=0.3)
    rng = np.random.default_rng(2)
    theta, data = net.theta(rng, np.dtype(np.float64)), make_data(rng, net, np.dtype(np.float64), m=150)
    starts = np.minimum(np.arange(0, 21) * 37, 730)
    order = rng.integers(0, 150, starts[-1])
    hyper = hyper_rows("adam", 20)
    one = common.train(compiled, net, "adam", hyper, theta, data, order, starts)
    assert (one.losses[:, 1] > 0).all()
    for threads in [2, 3, 8] * 2:
        many = common.train(compiled, net, "adam", hyper, theta, data, order, starts, threads=threads)
        assert same_bits(many.theta, one.theta)
        assert same_bits(many.losses, one.losses)
