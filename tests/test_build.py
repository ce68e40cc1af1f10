"""The build: which targets, which flags, what the extension is and refuses to be."""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

cython_kernels = pytest.importorskip("fastnn.kernels.cython_kernels")
ROOT = Path(__file__).parent.parent
KNOWN = ("v4", "v3", "v2", "baseline")


@functools.cache
def read_setup():
    """Return setup.py as a module; skip where the tests run without the sources."""
    path = ROOT / "setup.py"
    if not path.exists():
        pytest.skip("no setup.py beside the tests")
    pytest.importorskip("setuptools")
    spec = importlib.util.spec_from_file_location("fastnn_setup", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_python(code, **environment):
    """Run code in a fresh interpreter, elsewhere than the repository root."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        cwd=Path(cython_kernels.__file__).anchor,
        capture_output=True,
        text=True,
        timeout=120,
    )


# ---- targets and flags


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("linux-x86_64", ["v2", "v3", "v4"]),
        ("macosx-11.0-x86_64", ["v2", "v3", "v4"]),
        ("win-amd64", ["v2", "v3", "v4"]),
        ("linux-aarch64", ["baseline"]),
        ("macosx-11.0-arm64", ["baseline"]),
        ("macosx-10.13-universal2", ["baseline"]),
        ("win-arm64", ["baseline"]),
        ("win32", ["baseline"]),
        ("linux-i686", ["baseline"]),
        ("linux-riscv64", ["baseline"]),
    ],
)
def test_targets_of_a_platform(platform, expected):
    assert read_setup().targets_for(platform, is_64_bit=True) == expected


def test_a_32_bit_python_on_a_64_bit_kernel_is_not_x86_64():
    assert read_setup().targets_for("linux-x86_64", is_64_bit=False) == ["baseline"]


def test_every_target_has_flags_for_every_compiler():
    module = read_setup()
    assert set(module.GNU_TARGETS) == set(module.MSVC_TARGETS) == set(KNOWN)


def test_flags_never_relax_arithmetic():
    module = read_setup()
    flags = module.GNU_FLAGS + module.MSVC_FLAGS + sum(module.GNU_TARGETS.values(), [])
    assert module.without_fast_math(flags) == flags
    assert "-march=native" not in flags
    assert {"-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"} <= set(module.GNU_FLAGS)


@pytest.mark.parametrize("flag", ["-ffast-math", "-Ofast", "-ffinite-math-only", "/fp:fast"])
def test_fast_math_is_taken_out_of_commands(flag):
    command = ["gcc", "-O2", flag, "-shared", "-fno-fast-math"]
    assert read_setup().without_fast_math(command) == ["gcc", "-O2", "-shared", "-fno-fast-math"]


def test_a_missing_compiler_is_named_with_what_to_install():
    text = read_setup().NO_COMPILER.format(error="no gcc")
    assert "no gcc" in text
    assert "build-essential" in text
    assert "xcode-select" in text


# ---- the extension


def test_info_says_what_runs():
    info = cython_kernels.info()
    assert set(info) == {"target", "targets", "vector_bytes", "pool_threads", "pool_most_used"}
    assert info["target"] in info["targets"]
    assert set(info["targets"]) <= set(KNOWN)
    assert info["vector_bytes"] in (16, 32, 64)


@pytest.mark.parametrize("target", cython_kernels.info()["targets"])
def test_the_environment_chooses_the_target(target):
    code = "from fastnn.kernels import cython_kernels as k; print(k.info()['target'], k.KERNELS.name)"
    done = run_python(code, FASTNN_ISA=target)
    assert done.stdout == f"{target} cython\n", done.stderr


def test_without_the_environment_the_best_target_runs():
    code = "from fastnn.kernels import cython_kernels as k; print(k.info()['target'])"
    assert run_python(code, FASTNN_ISA="").stdout.strip() == cython_kernels.info()["targets"][0]


@pytest.mark.parametrize("name", ["v5", "avx2", "native", "V3 "])
def test_an_unknown_target_is_an_import_error_that_lists_the_known(name):
    code = (
        "try:\n    import fastnn.kernels.cython_kernels\n"
        "except ImportError as error:\n    print(type(error).__name__, error)"
    )
    done = run_python(code, FASTNN_ISA=name)
    assert done.stdout.startswith("ImportError FASTNN_ISA="), done.stderr
    assert name.strip() in done.stdout
    assert ", ".join(cython_kernels.info()["targets"]) in done.stdout


def test_the_kernels_import_without_the_other_backends():
    code = (
        "import sys; from fastnn.kernels import cython_kernels; "
        "print(sorted({'numba', 'scipy', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    assert run_python(code).stdout.strip() == "[]"


def test_importing_leaves_denormals_alone():
    """-ffast-math at link time would flip them to zero for the whole process."""
    code = (
        "import numpy as np; from fastnn.kernels import cython_kernels; "
        "print(float(np.float32(1e-38) * np.float32(1e-3)) > 0)"
    )
    assert run_python(code).stdout.strip() == "True"


def test_importing_does_not_take_the_gil_back():
    """A free-threaded interpreter keeps the GIL off where every module says that it can do without."""
    if not hasattr(sys, "_is_gil_enabled"):
        code = "import fastnn.kernels.cython_kernels; print(False)"
    else:
        code = (
            "import sys, numpy; before = sys._is_gil_enabled(); import fastnn.kernels.cython_kernels; "
            "print(sys._is_gil_enabled() and not before)"
        )
    assert run_python(code).stdout.strip() == "False"


def test_the_extension_is_small():
    assert Path(cython_kernels.__file__).stat().st_size < 2_000_000


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads an ELF file")
def test_the_extension_links_no_runtime_but_the_system_s():
    text = Path(cython_kernels.__file__).read_bytes()
    needed = set(re.findall(rb"\b(lib(?:gomp|omp|iomp5|openblas|blas|mkl\w*|stdc\+\+)[\w.+-]*\.so)", text))
    assert needed == set()


# ---- the distribution


def test_version_is_written_once():
    path = ROOT / "fastnn" / "_version.py"
    if not path.exists():
        pytest.skip("no sources beside the tests")
    (assignment,) = (node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign))
    assert importlib.metadata.version("fastnn-kernels") == assignment.value.value


def test_a_plain_install_needs_three_packages():
    requires = importlib.metadata.requires("fastnn-kernels")
    plain = {re.match(r"[\w-]+", line)[0] for line in requires if "extra ==" not in line}
    assert plain == {"numpy", "safetensors", "tqdm"}


def test_extras_are_the_documented_ones():
    extras = set(importlib.metadata.metadata("fastnn-kernels").get_all("Provides-Extra"))
    documented = {"numba", "sklearn", "plot", "interactive", "graph", "data", "demo", "bench", "docs", "test", "all"}
    assert extras == documented


def test_the_command_line_has_its_entry_point():
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="fastnn")
    assert entry.value == "fastnn.cli:main"


@pytest.mark.parametrize("wheel", sorted((ROOT / "dist").glob("*.whl")), ids=lambda path: path.name)
def test_a_built_wheel_holds_what_it_should(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.stat().st_size < 2_000_000
    assert not [name for name in names if name.endswith((".c", ".h", ".pyx", ".pxi", ".o"))]
    assert {"fastnn/py.typed", "fastnn/kernels/README.md", "fastnn/kernels/numpy_kernels.py"} <= set(names)
    assert [name for name in names if name.startswith("fastnn/kernels/cython_kernels.") and not name.endswith(".pyi")]
    assert [name for name in names if name.endswith("licenses/LICENSE")]
    assert not [name for name in names if name.startswith(("tests", "kernels/", "benchmarks"))]
