"""Build the one compiled extension: the same C file once per CPU target, chosen from at import.

``fastnn.kernels.cython_kernels`` is the Cython door plus ``kernels/c/kernels.dispatch.c``, compiled once for each name
in `targets_for` with its symbols suffixed, plus ``select.c``, ``pool.c`` and ``team.c``.  Everything else about the
distribution is in ``pyproject.toml``.
"""

import copy
import os
import re
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError, CompileError, ExecError

SOURCES = "kernels/c"

# One entry per copy of kernels.dispatch.c: the flags that let the compiler use the target's instructions.
GNU_TARGETS = {
    "v2": ["-march=x86-64-v2"],
    "v3": ["-march=x86-64-v3"],
    "v4": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
    "baseline": [],
}
MSVC_TARGETS = {"v2": [], "v3": ["/arch:AVX2"], "v4": ["/arch:AVX512"], "baseline": []}

# No -ffast-math: it would change what NaN and infinity do, and GCC 12 links in code that flips denormals to zero for
# the whole process.  No -march=native: the wheel runs elsewhere.
GNU_FLAGS = [
    "-O3",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=fast",
    "-fvisibility=hidden",
    "-std=c11",
    "-g0",
]
MSVC_FLAGS = ["/O2", "/std:c11", "/fp:precise"]

DIRECTIVES = {
    "language_level": "3",
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    "freethreading_compatible": True,
}

NO_COMPILER = """
fastnn-kernels is a compiled package, and this machine has no working C compiler ({error}).
Install a wheel (pip install --only-binary :all: fastnn-kernels), or a compiler and the headers of this Python:
    Debian, Ubuntu   apt install build-essential python3-dev
    Fedora           dnf install gcc python3-devel
    Alpine           apk add build-base python3-dev
    macOS            xcode-select --install
    Windows          the "Desktop development with C++" workload of the Visual Studio Build Tools
"""


def targets_for(platform: str, is_64_bit: bool = sys.maxsize > 2**32) -> list[str]:
    """Return the CPU targets to compile for a platform as ``sysconfig.get_platform()`` names it.

    A universal macOS build compiles for two processors at once, so it gets the baseline of each.
    """
    machine = platform.lower().replace("-", "_")
    if is_64_bit and machine.endswith(("x86_64", "amd64")):
        return ["v2", "v3", "v4"]
    return ["baseline"]


def without_fast_math(command: list[str]) -> list[str]:
    """Return a compiler or linker command without the flags that would relax arithmetic (CFLAGS may bring them)."""
    relaxed = re.compile(
        r"-(ffast-math|Ofast|funsafe-math-optimizations|ffinite-math-only|fassociative-math|freciprocal-math"
        r"|fno-signed-zeros|fcx-limited-range|ffp-model=fast|mdaz-ftz)|/fp:fast"
    )
    return [word for word in command if not relaxed.fullmatch(word)]


class BuildKernels(build_ext):
    """Compile the dispatched file once per target, and link the objects into the extension."""

    def build_extensions(self):
        import numpy
        from Cython.Build import cythonize

        translations = os.path.join(self.build_temp, "cython")  # not in the tree, which two builds may share
        for ext in self.extensions:
            (translated,) = cythonize([copy.copy(ext)], build_dir=translations, compiler_directives=DIRECTIVES)
            ext.sources = translated.sources
            ext.include_dirs = [numpy.get_include(), SOURCES]
        for name in ("compiler", "compiler_so", "compiler_cxx", "compiler_so_cxx", "linker_so", "linker_exe"):
            command = getattr(self.compiler, name, None)
            if isinstance(command, list):
                setattr(self.compiler, name, without_fast_math(command))
        try:
            super().build_extensions()
        except (CCompilerError, ExecError, CompileError, FileNotFoundError) as error:
            if self.compiler_works():
                raise
            raise BaseError(NO_COMPILER.format(error=error)) from error

    def build_extension(self, ext):
        msvc = self.compiler.compiler_type == "msvc"
        flags = MSVC_FLAGS if msvc else GNU_FLAGS
        names = targets_for(self.plat_name or sysconfig.get_platform())
        self.compile_targets(ext, names, flags, MSVC_TARGETS if msvc else GNU_TARGETS)
        ext.extra_compile_args = flags
        if not msvc and sys.platform.startswith("linux"):
            ext.extra_link_args = ["-Wl,--strip-all"]
        if not msvc and sys.platform != "win32":
            ext.libraries = ["m", "pthread"]
        super().build_extension(ext)

    def compile_targets(self, ext, names, flags, target_flags):
        """Compile the targets' copies and select.c side by side, and add their objects to ext."""
        include = [SOURCES]
        dispatch, select = f"{SOURCES}/kernels.dispatch.c", f"{SOURCES}/select.c"
        built = [(f"FNN_HAVE_{name}", None) for name in names]
        jobs = [(dispatch, name, [("FNN_TARGET", name)], flags + target_flags[name]) for name in names]
        jobs.append((select, "select", built, flags))

        def compile_one(job):
            source, folder, macros, arguments = job
            return self.compiler.compile(
                [source],
                output_dir=os.path.join(self.build_temp, folder),
                macros=macros,
                include_dirs=include,
                extra_postargs=arguments,
                depends=ext.depends,
            )

        if hasattr(self.compiler, "initialize") and not getattr(self.compiler, "initialized", True):
            self.compiler.initialize()  # MSVC looks for itself here; once, not in two threads
        with ThreadPoolExecutor(max_workers=self.parallel if type(self.parallel) is int else os.cpu_count()) as pool:
            ext.extra_objects = [path for objects in pool.map(compile_one, jobs) for path in objects]

    def compiler_works(self):
        """Tell a missing or broken compiler from an error in the sources: compile an empty function."""
        probe = os.path.join(self.build_temp, "probe.c")
        try:
            os.makedirs(self.build_temp, exist_ok=True)
            with open(probe, "w") as file:
                file.write("#include <Python.h>\nint fnn_probe(void) { return 0; }\n")
            self.compiler.compile([probe], include_dirs=self.include_dirs, output_dir=os.path.dirname(probe))
        except (CCompilerError, ExecError, CompileError, OSError):
            return False
        return True


def describe_extension() -> Extension:
    """Return the extension as its sources; the objects of the targets join it when it is built."""
    headers = [f"{SOURCES}/{name}" for name in sorted(os.listdir(SOURCES))]
    rooms = [f"kernels/{name}" for name in sorted(os.listdir("kernels")) if name.endswith((".pxi", ".pxd"))]
    return Extension(
        "fastnn.kernels.cython_kernels",
        ["kernels/cython_kernels.pyx", f"{SOURCES}/pool.c", f"{SOURCES}/team.c"],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
        depends=headers + rooms,
    )


if __name__ == "__main__":
    setup(
        packages=["fastnn", *(f"fastnn.{name}" for name in find_packages("fastnn")), "fastnn.kernels"],
        package_dir={"fastnn.kernels": "kernels"},
        ext_modules=[describe_extension()],
        cmdclass={"build_ext": BuildKernels},
    )
