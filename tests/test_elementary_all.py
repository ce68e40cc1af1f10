"""Every float32 through the compiled elementary functions, and 10^8 float64 around the places where formulas change.

The slow tests (``make slow``, or ``pytest -m slow``) take minutes and check the CPU target in use: run them once for
each ``FASTNN_ISA``.  The tests that always run take a thin slice of the same points.

Oracles.  float32: NumPy's float64 functions, whose error of a few units of float64 is below 10^-7 units here; erf from
the float64 polynomial, which tests/test_elementary.py holds to ``decimal``.  float64: the C library's 80-bit functions
through ``np.longdouble``; `test_the_wide_oracle` shows their error to be below 0.01 units of float64.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal, localcontext

import numpy as np
import pytest

from fastnn.kernels import activations, elementary

cython_kernels = pytest.importorskip("fastnn.kernels.cython_kernels", exc_type=ImportError)

# Largest error in units in the last place of the exact result, any CPU target: the promise of kernels/elementary.py.
BOUNDS = {"exp": 1.5, "expm1": 1.5, "log": 1.0, "log1p": 2.0, "tanh": 2.0, "sigmoid": 2.5, "softplus": 2.5, "erf": 2.0}
BOUNDS_F64 = {**BOUNDS, "sigmoid": 2.0}
CODES = {f.name: (1, f.code) for f in elementary.FUNCTIONS} | {a.name: (0, a.code) for a in activations.ACTIVATIONS}
CHUNK = 1 << 20  # float32: what a thread looks at in one go
SAMPLES = 1_000_000  # float64: the same
WIDE = np.finfo(np.longdouble).nmant >= 63
CALM = {"divide": "ignore", "over": "ignore", "under": "ignore", "invalid": "ignore"}


def compiled(name, x):
    y = np.empty_like(x)
    assert cython_kernels.KERNELS.map_plain(*CODES[name], x, y)
    return y


def exact(name, x):
    """Return the function in the precision of x."""
    if name == "sigmoid":
        e = np.exp(-abs(x))
        return np.where(x < 0, e, x.dtype.type(1)) / (1 + e)
    if name == "softplus":
        return np.maximum(x, 0) + np.log1p(np.exp(-abs(x)))
    return (elementary.erf_f64 if name == "erf" else getattr(np, name))(x)


def worst(name, x):
    """Return the largest error at the points x in ulp, and where; NaN, infinity and the sign of zero must be right."""
    real = x.dtype.type
    info = np.finfo(real)
    wide = np.float64 if real is np.float32 else np.longdouble
    with np.errstate(**CALM):
        y, right = compiled(name, x), exact(name, x.astype(wide))
        top = np.ldexp(wide(1), info.maxexp)  # infinity counts as the next power of two
        got = np.where(np.isinf(y), np.copysign(top, y), y.astype(wide))
        right = np.clip(right, -top, top)
        nan = np.isnan(right)
        assert np.array_equal(np.isnan(y), nan), f"{name}: NaN where there is none, or the reverse"
        signs = nan | (np.signbit(y) == np.signbit(right))
        assert signs.all(), f"{name}({x[~signs][0]!r}) has the wrong sign: {y[~signs][0]!r}"
        _, exponent = np.frexp(right)
        unit = np.ldexp(wide(1), np.maximum(exponent - 1, info.minexp) - info.nmant)
        error = np.where(nan, 0, abs(got - right) / unit)
    at = error.argmax()
    return float(error[at]), x[at].item()


def check(name, chunks, bounds=BOUNDS):
    """Hold the worst error over all chunks, made and judged on all cores, to the bound."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        error, at = max(pool.map(lambda chunk: worst(name, chunk()), chunks))
    print(f"{cython_kernels.info()['target']} {name}: {error:.3f} ULP at {at!r}")
    assert 0 < error <= bounds[name], f"{name}: {error:.3f} ULP at {at!r}"


# ---- float32


def every_float(start, stride=1):
    """Return a maker of the floats with the bits start, start + stride, ..., CHUNK of them or up to the last."""
    return lambda: np.arange(start, min(start + CHUNK * stride, 1 << 32), stride, dtype=np.uint32).view(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("name", BOUNDS)
def test_all_of_float32(name):
    check(name, [every_float(start) for start in range(0, 1 << 32, CHUNK)])


@pytest.mark.parametrize("name", BOUNDS)
def test_a_slice_of_float32(name):
    check(name, [every_float(17, 4099)])


def test_the_slices_are_the_whole():
    pieces = [every_float(start)() for start in (0, (1 << 32) - CHUNK)]
    assert pieces[0][0] == 0
    assert pieces[0].size == pieces[1].size == CHUNK
    assert pieces[1].view(np.uint32)[-1] == 0xFFFFFFFF


# ---- float64

LN2 = math.log(2)
BREAKS = {
    "exp": [0, 1, 709.782712893384, 709.0895657128241, -708.3964185322641, -745.1332191019411, 710, -746],
    "expm1": [0, 2**-54, -(2**-54), 2**-27, -37.42994775023705, -38, 709.782712893384, 710],
    "log": [1, math.sqrt(0.5), math.sqrt(2), 0.75, 1.5, 2.0**-1022, 2.0**-1050, 1e308],
    "log1p": [0, 2**-54, -(2**-54), 2**-27, math.sqrt(0.5) - 1, math.sqrt(2) - 1, -1, -0.5, -0.25, 0.5, 1, 2.0**53,
              2.0**1023],
    "tanh": [0, LN2 / 4, -LN2 / 4, math.log(3) / 2, 2**-28, 19.06154746539849, 19.1],
    "sigmoid": [0, 36.7368005696771, -36.7368005696771, -708.3964185322641, -745.1332191019411, -746],
    "softplus": [0, 36.7368005696771, -36.7368005696771, -708.3964185322641, -745.1332191019411, -746],
}  # fmt: skip
RANGES = {"exp": (-745.5, 709.8), "expm1": (-38, 709.8), "log": (1e-6, 1e6), "log1p": (-1, 1e6), "tanh": (-19.5, 19.5),
          "sigmoid": (-745.5, 40), "softplus": (-745.5, 60)}  # fmt: skip


def around(name, seed, count):
    """Return a maker of points: half at all distances from the breaks and from where the reduction of the argument
    changes its interval, the rest over the working range, near zero and over all exponents."""
    def make():
        rng = np.random.default_rng([seed, *name.encode()])
        low, high = RANGES[name]
        quarter = count // 4
        centres = rng.choice(np.array(BREAKS[name], np.float64), quarter)
        if name in ("log", "log1p"):  # the ends of the 16 intervals of a mantissa, and sqrt(1/2), in every octave
            ends = np.append(np.arange(24, 49) / 32, math.sqrt(0.5))
            edges = np.ldexp(rng.choice(ends, quarter), rng.integers(-40, 60, quarter)) - (name == "log1p")
        else:  # halfway between multiples of ln(2) / 16
            edges = np.clip((np.floor(rng.uniform(low, high, quarter) * (16 / LN2)) + 0.5) * (LN2 / 16), low, high)
        near = np.concatenate([centres, edges])
        near = near * (1 + rng.choice([-1.0, 1.0], near.size) * 2.0 ** rng.uniform(-54, -3, near.size))
        spread = rng.uniform(low, high, quarter)
        small = rng.choice([-1.0, 1.0], quarter // 2) * 2.0 ** rng.uniform(-70, 2, quarter // 2)
        bits = rng.integers(0, 1 << 64, count - near.size - spread.size - small.size, dtype=np.uint64)
        return np.concatenate([near, spread, small, bits.view(np.float64)])

    return make


needs_wide = pytest.mark.skipif(not WIDE, reason="np.longdouble is no wider than double here")


@pytest.mark.slow
@needs_wide
@pytest.mark.parametrize("name", BREAKS)
def test_a_hundred_million_of_float64(name):
    check(name, [around(name, seed, SAMPLES) for seed in range(100)], BOUNDS_F64)


@needs_wide
@pytest.mark.parametrize("name", BREAKS)
def test_some_of_float64(name):
    check(name, [around(name, 0, SAMPLES // 4)], BOUNDS_F64)


def by_decimal(name, v):
    """Return the function of a Decimal, to the context's precision or so."""
    if name == "log":
        return v.ln()
    if name == "log1p":
        return (1 + v).ln()
    e = v.exp()
    if name == "softplus":
        return (1 + e).ln() if v > -40 else e - e * e / 2
    return {"exp": e, "expm1": e - 1, "tanh": (e * e - 1) / (e * e + 1), "sigmoid": e / (1 + e)}[name]


@needs_wide
@pytest.mark.parametrize("name", BREAKS)
def test_the_wide_oracle(name):
    """Compare it with ``decimal``, which rounds exp and ln correctly at any precision."""
    x = around(name, 1, 4000)()
    low, high = RANGES[name]
    x = x[(x > low) & (x < high) & (abs(x) > 1e-15)][:1500]
    with localcontext() as context, np.errstate(**CALM):
        context.prec = 60
        right = exact(name, x.astype(np.longdouble))
        errors = []
        for v, r in zip(x.tolist(), right, strict=True):
            truth = by_decimal(name, Decimal(v))
            high_part = float(r)
            if 1e-300 < abs(high_part) < math.inf:
                got = Decimal(high_part) + Decimal(float(r - np.longdouble(high_part)))
                errors.append(abs(got - truth) / Decimal(math.ulp(high_part)))
    assert len(errors) > 500
    assert max(errors) < 0.01


# ---- that the measure can fail


@pytest.mark.parametrize("wrong", [2.5, math.nan, -1.0])
def test_a_wrong_result_is_seen(monkeypatch, wrong):
    def spoilt(name, x):
        y = np.tanh(x)
        y[5] = np.nan if math.isnan(wrong) else -y[5] if wrong < 0 else y[5] + np.float32(wrong) * np.spacing(y[5])
        return y

    monkeypatch.setitem(globals(), "compiled", spoilt)
    with pytest.raises(AssertionError, match="ULP at|NaN where|wrong sign"):
        check("tanh", [every_float(0x3F000000, 3)])
