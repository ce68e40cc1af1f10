"""The elementary functions: Python text, Numba and C, all held to one table of bounds.

Oracles: for float32 the float64 functions of NumPy and ``math``; for float64 the standard library's ``decimal``, which
rounds exp and ln correctly at any precision, and ``np.longdouble`` where it is wider than a double.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import math
import platform
import shutil
import subprocess
import sys
from decimal import Decimal, localcontext
from pathlib import Path

import numpy as np
import pytest

from fastnn.kernels import elementary

# Largest error in units in the last place of the exact result, for every implementation; float64's below.
BOUNDS = {
    "exp": 1.5,
    "expm1": 1.5,
    "log": 1.0,
    "log1p": 2.0,
    "tanh": 2.0,
    "sigmoid": 2.5,
    "softplus": 2.5,
    "erf": 2.0,
}
BOUNDS_F64 = {**BOUNDS, "sigmoid": 2.0}
DTYPES = {"f32": np.float32, "f64": np.float64}
# Where results are neither 0 nor inf nor saturated, for float32 and for float64.
RANGES = {
    "exp": {"f32": (-103.9, 88.7), "f64": (-745.1, 709.7)},
    "expm1": {"f32": (-18.0, 88.7), "f64": (-38.0, 709.7)},
    "log": {"f32": (1e-3, 30.0), "f64": (1e-3, 30.0)},
    "log1p": {"f32": (-0.999, 30.0), "f64": (-0.999, 30.0)},
    "tanh": {"f32": (-9.2, 9.2), "f64": (-19.5, 19.5)},
    "sigmoid": {"f32": (-103.5, 20.0), "f64": (-745.0, 40.0)},
    "softplus": {"f32": (-103.5, 90.0), "f64": (-745.0, 710.0)},
    "erf": {"f32": (-4.1, 4.1), "f64": (-6.1, 6.1)},
}
# Where a formula changes its piece, its octave or its answer; 200 neighbours on either side are tried.
LN2 = math.log(2)
BREAKS = {
    "exp": [0, LN2 / 2, -LN2 / 2, 1.5 * LN2, 1, 88.72284, 88.02969, -87.33655, -103.97208, 709.78271289338397,
            709.0895657128241, -708.3964185322641, -745.1332191019411],
    "expm1": [0, 2**-25, 2**-54, LN2 / 2, -LN2 / 2, 1.5 * LN2, -1.5 * LN2, -17.33, -18, -37.43, -38, 88.72284,
              709.78271289338397],
    "log": [1, math.sqrt(0.5), math.sqrt(2), 2, 0.5, 2**-126, 2**-127, 2.0**-1022],
    "log1p": [0, 2**-25, -(2**-25), 2**-54, math.sqrt(0.5) - 1, math.sqrt(2) - 1, -1, -0.5, 1, 2**24, 2**53, 2.0**127],
    "tanh": [0, LN2 / 4, -LN2 / 4, 0.75 * LN2, math.log(3) / 2, 9.01, 9.1, 19.06, 19.1],
    "sigmoid": [0, LN2 / 2, -LN2 / 2, 16.6, 36.7, -87.33655, -103.97208, -708.3964185322641, -745.1332191019411],
    "softplus": [0, LN2 / 2, -LN2 / 2, 16.6, 36.7, -87.33655, -103.97208, -708.3964185322641, -745.1332191019411],
    "erf": [0, 1, -1, 3.83, 3.92, 4, 5.86, 5.92, 6],
}  # fmt: skip
CASES = [(name, dtype) for name in BOUNDS for dtype in DTYPES]
INF = math.inf

# --- implementations: text, numba, c-<target> ---

C_FLAGS = ["-std=c11", "-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-fPIC", "-shared"]
X86 = platform.machine().lower() in {"x86_64", "amd64"}
C_TARGETS = (
    {
        "v2": ["-march=x86-64-v2"],
        "v3": ["-march=x86-64-v3"],
        "v4": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
    }
    if X86
    else {"baseline": []}
)
C_PROBE = """
int level(void)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("popcnt")) return 1;
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi2")) return 2;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512cd")
        || !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl")) return 3;
    return 4;
}
"""


def c_source():
    """Return C with one loop per function and dtype, each on a line of its own."""
    lines = [f'#include "{(Path(__file__).parents[1] / "kernels" / "c" / "elementary.h").as_posix()}"']
    for name, dtype in CASES:
        ctype = {"f32": "float", "f64": "double"}[dtype]
        body = f"for (long i = 0; i < n; i++) y[i] = {name}_{dtype}(x[i]);"
        lines.append(
            f"void loop_{name}_{dtype}(const {ctype} *restrict x, {ctype} *restrict y, const long n) {{ {body} }}"
        )
    return "\n".join(lines) + "\n"


def compiler():
    found = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if found is None:
        pytest.skip("no C compiler (cc, gcc or clang) on the path")
    return found


def compile_c(source, directory, flags):
    """Compile source into a shared library in directory; return its path and what the compiler said."""
    directory.mkdir(parents=True, exist_ok=True)
    text, library = directory / "text.c", directory / "library.so"
    text.write_text(source, encoding="utf-8")
    done = subprocess.run(
        [compiler(), *C_FLAGS, *flags, str(text), "-o", str(library)], capture_output=True, text=True, check=False
    )
    if done.returncode and "march" in done.stderr:
        pytest.skip(f"the compiler does not know {' '.join(flags)}")
    assert done.returncode == 0, done.stderr
    return library, done.stderr


def cpu_level(directory):
    """Return the x86-64 level of this CPU, 1 to 4."""
    library, _ = compile_c(C_PROBE, directory / "probe", [])
    return ctypes.CDLL(str(library)).level()


def evaluate_text(name, dtype, x):
    with np.errstate(all="ignore"):
        return np.asarray(getattr(elementary, f"{name}_{dtype}")(x))


@functools.cache
def numba_loops():
    """Jit a loop around every twin, from a private copy of the module, so that no other overload is disturbed."""
    numba = pytest.importorskip("numba", reason="numba is not installed")
    spec = importlib.util.spec_from_file_location("elementary_for_numba", elementary.__file__)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)

    @numba.extending.overload(module.select)
    def select(condition, a, b):
        return lambda condition, a, b: a if condition else b

    for function in module.SCALARS:
        numba.extending.register_jitable(forceinline=True)(function)

    def make(function):
        @numba.njit(error_model="numpy")
        def loop(x, y):
            for i in range(x.size):
                y[i] = function(x[i])

        return loop

    return {(name, dtype): make(getattr(module, f"{name}_{dtype}")) for name, dtype in CASES}


def evaluate_numba(name, dtype, x):
    y = np.empty_like(x)
    numba_loops()[name, dtype](x, y)
    return y


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Return a function that gives the library of a target, compiled once."""
    directory = tmp_path_factory.mktemp("elementary")

    @functools.cache
    def library(target):
        if X86 and (level := cpu_level(directory)) < int(target[1:]):
            pytest.skip(f"this CPU is x86-64-v{level}")
        path, _ = compile_c(c_source(), directory / target, C_TARGETS[target])
        return ctypes.CDLL(str(path))

    return library


@pytest.fixture(scope="module", params=["text", "numba", *(f"c-{target}" for target in C_TARGETS)])
def implementation(request, build):
    """Return an implementation: a function of a name, a dtype and an array."""
    if request.param == "text":
        return evaluate_text
    if request.param == "numba":
        numba_loops()
        return evaluate_numba
    library = build(request.param[2:])

    def evaluate_c(name, dtype, x):
        x = np.ascontiguousarray(x)
        y = np.empty_like(x)
        loop = getattr(library, f"loop_{name}_{dtype}")
        loop.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_long]
        loop.restype = None
        loop(x.ctypes.data, y.ctypes.data, x.size)
        return y

    return evaluate_c


# --- points and oracles ---


def in_domain(name, x):
    low = {"log": 0.0, "log1p": -1.0}.get(name, -INF)
    return x[np.isfinite(x) & (x > low)]


@functools.cache
def points(name, dtype):
    """Return arguments: around the breaks, over the working range, near zero, and over all exponents."""
    rng = np.random.default_rng([20, len(name), ord(name[0])])
    real = DTYPES[dtype]
    integer = np.dtype(f"u{np.dtype(real).itemsize}")
    centres = np.array(BREAKS[name], dtype=real)
    bits = centres.view(integer)[:, None] + np.arange(-200, 201).astype(integer)  # wraps past 0 into NaN: dropped
    around = bits.ravel().view(real)
    low, high = RANGES[name][dtype]
    x = [
        around,
        rng.uniform(low, high, 30_000).astype(real),
        rng.uniform(max(low, -3), min(high, 3), 30_000).astype(real),
        rng.integers(0, np.iinfo(integer).max, 20_000, dtype=integer, endpoint=True).view(real),
        (rng.choice([-1.0, 1.0], 5_000) * 10.0 ** rng.uniform(-12, 1, 5_000)).astype(real),
    ]
    with np.errstate(invalid="ignore"):
        return in_domain(name, np.concatenate(x))


def exact_wide(name, x):
    """Return the function in the precision of x, from NumPy."""
    with np.errstate(all="ignore"):
        if name == "sigmoid":
            e = np.exp(-abs(x))
            return np.where(x < 0, e, 1) / (1 + e)
        if name == "softplus":
            return np.maximum(x, 0) + np.log1p(np.exp(-abs(x)))
        if name == "erf":
            return np.array([math.erf(v) for v in x.tolist()])
        return getattr(np, name)(x)


@functools.cache
def oracle_wide(name, dtype):
    """Return points and values in a wider type: float64 for float32, longdouble for float64; None if there is none."""
    x = points(name, dtype)
    if dtype == "f32":
        return x, exact_wide(name, x.astype(np.float64))
    if name == "erf" or np.finfo(np.longdouble).nmant < 60:
        return None
    return x, exact_wide(name, x.astype(np.longdouble))


def exact_decimal(name, v):
    """Return the function of a Decimal, to the context's precision or so."""
    if name == "exp":
        return v.exp()
    if name == "expm1":
        return v.exp() - 1
    if name == "log":
        return v.ln()
    if name == "log1p":
        return (1 + v).ln()
    if name == "tanh":
        return ((2 * v).exp() - 1) / ((2 * v).exp() + 1)
    if name == "sigmoid":
        return v.exp() / (1 + v.exp())
    if name == "softplus":
        e = v.exp()
        return (1 + e).ln() if v > -40 else e - e * e / 2
    term = total = v  # erf: the Taylor series
    k = 0
    while abs(term) > abs(total) * Decimal("1e-40"):
        k += 1
        term = -term * v * v / k
        total += term / (2 * k + 1)
    return total * Decimal("1.1283791670955125738961589031215451716881012586579977136881714434212849368830")


@functools.cache
def oracle_decimal(name):
    """Return float64 points of moderate size with their values as pairs of doubles, high + low."""
    x = points(name, "f64")
    low, high = RANGES[name]["f64"]
    x = x[(x != 0) & (abs(x) > 1e-18) & (x > low) & (x < min(high, 700))]
    x = np.random.default_rng(8).choice(x, 1500, replace=False)
    high_part, low_part = np.empty_like(x), np.empty_like(x)
    with localcontext() as context:
        context.prec = 70
        for i, v in enumerate(x.tolist()):
            y = exact_decimal(name, Decimal(v))
            high_part[i] = float(y)
            low_part[i] = float(y - Decimal(high_part[i]))
    return x, high_part, low_part


def unit(exact, real):
    """Return one unit in the last place of real at the value exact."""
    info = np.finfo(real)
    _, exponent = np.frexp(exact)
    return np.ldexp(np.ones_like(exact), np.maximum(exponent - 1, info.minexp) - info.nmant)


def ulp_error(y, exact, low=0):
    """Return |y - (exact + low)| in units in the last place; infinity counts as the next power of two."""
    real = y.dtype.type
    wide = exact.dtype.type
    top = np.ldexp(wide(1), np.finfo(real).maxexp) if wide is not real else wide(INF)
    limited = np.clip(exact, -top, top)
    y = np.where(np.isinf(y), np.copysign(top, y), y.astype(wide))
    with np.errstate(invalid="ignore"):
        error = abs((y - limited) - low) / unit(limited, real)
    return np.where(y == limited, abs(low) / unit(limited, real), error)


# --- the table of bounds ---


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_error_is_within_the_bound(implementation, name, dtype):
    oracle = oracle_wide(name, dtype)
    if oracle is None:
        pytest.skip("no wider NumPy oracle for this function here; decimal is the other test")
    x, exact = oracle
    assert x.size > 50_000 or name in {"log", "log1p"}
    assert np.unique(exact).size > 20_000  # the oracle is no constant
    y = implementation(name, dtype, x)
    assert y.dtype == DTYPES[dtype]
    error = ulp_error(y, exact)
    worst = np.argmax(error)
    assert error[worst] <= (BOUNDS if dtype == "f32" else BOUNDS_F64)[name], f"{error[worst]:.3f} ULP at {x[worst]!r}"


@pytest.mark.parametrize("name", BOUNDS)
def test_error_of_float64_against_decimal(implementation, name):
    x, exact, low = oracle_decimal(name)
    assert np.unique(exact).size > 500
    error = ulp_error(implementation(name, "f64", x), exact, low)
    worst = np.argmax(error)
    assert error[worst] <= BOUNDS_F64[name], f"{error[worst]:.3f} ULP at {x[worst]!r}"


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_the_measure_sees_a_wrong_result(name, dtype):
    x = points(name, dtype)
    x = x[(abs(x) > 0.1) & (abs(x) < 3) & (x != 1)][:1000]
    exact = exact_wide(name, x.astype(np.float64 if dtype == "f32" else np.longdouble))
    y = exact.astype(DTYPES[dtype])
    off = y + 4 * np.spacing(y)
    assert ulp_error(y, exact).max() <= 0.5 + (exact.dtype == y.dtype)
    assert ulp_error(off, exact).min() > BOUNDS[name]


# --- values known by hand ---

SUBNORMAL = {"f32": 2.0**-149, "f64": 2.0**-1074}
SPECIAL = [
    ("exp", 0.0, 1.0), ("exp", -0.0, 1.0), ("exp", INF, INF), ("exp", -INF, 0.0), ("exp", 1e4, INF), ("exp", -1e4, 0.0),
    ("exp", "subnormal", 1.0), ("exp", "max", INF), ("exp", "-max", 0.0),
    ("expm1", 0.0, 0.0), ("expm1", -0.0, -0.0), ("expm1", INF, INF), ("expm1", -INF, -1.0), ("expm1", 1e4, INF),
    ("expm1", -50.0, -1.0), ("expm1", "subnormal", "subnormal"), ("expm1", "-subnormal", "-subnormal"),
    ("log", 1.0, 0.0), ("log", 0.0, -INF), ("log", -0.0, -INF), ("log", INF, INF), ("log", -1.0, math.nan),
    ("log", -INF, math.nan), ("log", "-subnormal", math.nan),
    ("log1p", 0.0, 0.0), ("log1p", -0.0, -0.0), ("log1p", -1.0, -INF), ("log1p", INF, INF), ("log1p", -1.5, math.nan),
    ("log1p", -INF, math.nan), ("log1p", "subnormal", "subnormal"), ("log1p", "-subnormal", "-subnormal"),
    ("tanh", 0.0, 0.0), ("tanh", -0.0, -0.0), ("tanh", INF, 1.0), ("tanh", -INF, -1.0), ("tanh", 30.0, 1.0),
    ("tanh", "subnormal", "subnormal"), ("tanh", "-subnormal", "-subnormal"), ("tanh", "max", 1.0),
    ("sigmoid", 0.0, 0.5), ("sigmoid", -0.0, 0.5), ("sigmoid", INF, 1.0), ("sigmoid", -INF, 0.0),
    ("sigmoid", 50.0, 1.0), ("sigmoid", "-max", 0.0), ("sigmoid", "max", 1.0),
    ("softplus", INF, INF), ("softplus", -INF, 0.0), ("softplus", "max", "max"), ("softplus", "-max", 0.0),
    ("softplus", 64.0, 64.0),
    ("erf", 0.0, 0.0), ("erf", -0.0, -0.0), ("erf", INF, 1.0), ("erf", -INF, -1.0), ("erf", 7.0, 1.0),
    ("erf", -7.0, -1.0), ("erf", "subnormal", "subnormal"), ("erf", "max", 1.0),
    *[(name, math.nan, math.nan) for name in BOUNDS],
]  # fmt: skip


def resolve(value, dtype):
    if not isinstance(value, str):
        return value
    size = {"max": float(np.finfo(DTYPES[dtype]).max), "subnormal": SUBNORMAL[dtype]}[value.lstrip("-")]
    return -size if value.startswith("-") else size


@pytest.mark.parametrize("dtype", DTYPES)
def test_special_values(implementation, dtype):
    for name, argument, expected in SPECIAL:
        for length in (1, 37):  # one alone, and one in every lane and in the remainder
            x = np.full(length, resolve(argument, dtype), dtype=DTYPES[dtype])
            y = implementation(name, dtype, x)
            want = np.full(length, resolve(expected, dtype), dtype=DTYPES[dtype])
            assert np.array_equal(y, want, equal_nan=True), (name, argument, y[0], want[0])
            if not math.isnan(want[0]):
                assert np.array_equal(np.signbit(y), np.signbit(want)), (name, argument, y[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_known_from_tables(implementation, dtype):
    known = {
        "exp": (1.0, 2.718281828459045),
        "expm1": (-1.0, -0.6321205588285577),
        "log": (10.0, 2.302585092994046),
        "log1p": (1.0, 0.6931471805599453),
        "tanh": (0.5, 0.46211715726000975),
        "sigmoid": (-2.0, 0.11920292202211755),
        "softplus": (0.0, 0.6931471805599453),
        "erf": (0.5, 0.5204998778130465),
    }
    for name, (argument, expected) in known.items():
        y = implementation(name, dtype, np.array([argument], dtype=DTYPES[dtype]))
        assert y[0] == pytest.approx(expected, rel=float(4 * np.finfo(DTYPES[dtype]).eps)), name


@pytest.mark.parametrize("dtype", DTYPES)
def test_exp_overflows_and_underflows_where_it_must(implementation, dtype):
    real = DTYPES[dtype]
    info = np.finfo(real)
    edge = real(np.log(np.longdouble(info.max)))
    x = np.array([np.nextafter(edge, real(0)), edge + 64 * np.spacing(edge)], dtype=real)
    assert np.isfinite(implementation("exp", dtype, x)).tolist() == [True, False]
    # every subnormal power of two comes out: none is flushed
    k = np.arange(info.minexp - info.nmant, info.minexp)
    y = implementation("exp", dtype, (k * LN2).astype(real))
    assert (y > 0).all()
    assert (np.diff(y) > 0).all()


# --- shape of the curves ---


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_rising_but_for_rounding(implementation, name, dtype):
    x = np.sort(points(name, dtype))
    y = implementation(name, dtype, x)
    assert np.unique(y).size > 10_000
    with np.errstate(invalid="ignore"):
        fall = y[:-1] - y[1:]
    y_finite = np.isfinite(y[:-1]) & np.isfinite(y[1:])
    assert (fall[y_finite] <= (BOUNDS[name] + 1) * np.spacing(abs(y[:-1][y_finite]))).all()
    assert (y[:-1] <= y[1:])[~y_finite].all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_ranges_and_symmetry(implementation, dtype):
    for name in ("tanh", "erf"):
        x = points(name, dtype)
        y = implementation(name, dtype, x)
        assert y.min() == -1
        assert y.max() == 1
        assert np.array_equal(implementation(name, dtype, -x), -y)
    y = implementation("sigmoid", dtype, points("sigmoid", dtype))
    assert y.min() == 0
    assert y.max() == 1
    assert implementation("exp", dtype, points("exp", dtype)).min() == 0
    assert implementation("softplus", dtype, points("softplus", dtype)).min() == 0
    assert implementation("expm1", dtype, points("expm1", dtype)).min() == -1


# --- the twins ---


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_twins_agree(implementation, request, name, dtype):
    x = points(name, dtype)
    y, text = implementation(name, dtype, x), evaluate_text(name, dtype, x)
    if request.node.callspec.params["implementation"] in {"numba", "c-v2"}:  # no fused multiply-add: the same bits
        assert np.array_equal(y, text)
        return
    same = y == text
    y, text = y[~same], text[~same]
    assert np.isfinite(y).all() or name in {"exp", "expm1"}
    finite = np.isfinite(y) & np.isfinite(text)
    assert (~finite).sum() <= 2  # one side of the overflow edge
    assert (abs(y[finite] - text[finite]) <= 2 * np.spacing(np.minimum(abs(y), abs(text))[finite])).all()


@pytest.mark.parametrize("name", BOUNDS)
def test_numba_stays_in_single_precision(name):
    loop = numba_loops()[name, "f32"]
    evaluate_numba(name, "f32", np.ones(3, dtype=np.float32))
    assert "double" not in loop.inspect_llvm(loop.signatures[0])


@pytest.mark.skipif(sys.platform != "linux", reason="the linker's options are GNU's")
def test_c_needs_no_library(tmp_path):
    compile_c(c_source(), tmp_path, ["-nostdlib", "-Wl,--no-undefined"])


def test_c_loops_vectorise(tmp_path):
    version = subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=True).stdout
    if "Free Software Foundation" not in version:
        pytest.skip("the report on vectorised loops is GCC's")
    _, said = compile_c(c_source(), tmp_path, [*next(iter(C_TARGETS.values())), "-fopt-info-vec-optimized"])
    vectorised = {int(line.split(":")[1]) for line in said.splitlines() if "loop vectorized" in line}
    missing = [case for number, case in enumerate(CASES, start=2) if number not in vectorised]
    assert not missing, f"not vectorised: {missing}"


# --- the names at array level ---


@pytest.mark.parametrize("name", ["exp", "expm1", "log", "log1p", "tanh"])
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_array_names_are_numpys(name, real):
    x = np.linspace(0.1, 2, 12, dtype=real).reshape(3, 4)
    y = getattr(elementary, name)(x)
    assert y.dtype == real
    assert np.array_equal(y, getattr(np, name)(x))


@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_erf_of_arrays(real):
    x = np.linspace(-7, 7, 60, dtype=real).reshape(6, 10)
    x.flags.writeable = False
    for view in (x, x.T, x[::2, ::3], x[:0]):
        y = elementary.erf(view)
        assert y.dtype == real
        assert y.shape == view.shape
        expected = np.array([math.erf(v) for v in view.ravel().tolist()]).reshape(view.shape)
        np.testing.assert_allclose(y, expected, rtol=4 * np.finfo(real).eps)
    assert elementary.erf([0, 1]).dtype == np.float64
    assert float(elementary.erf(0.5)) == pytest.approx(math.erf(0.5), rel=1e-15)
    assert elementary.erf(real(0.5)).dtype == real


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_text_is_silent_in_range(name, dtype):
    low, high = RANGES[name][dtype]
    x = np.linspace(low, high, 1001).astype(DTYPES[dtype])
    with np.errstate(all="raise", under="ignore"):
        getattr(elementary, f"{name}_{dtype}")(x)


def test_erf_never_warns():
    with np.errstate(all="raise", under="ignore"):
        for real in DTYPES.values():
            elementary.erf(np.array([np.nan, np.inf, -np.inf, np.finfo(real).max, 0, 1e-40], dtype=real))


def test_select_takes_a_where_it_holds():
    assert elementary.select(np.array([True, False]), 1, np.array([2, 3])).tolist() == [1, 3]
