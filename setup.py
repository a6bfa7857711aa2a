"""Builds the compiled core, `ingest/source/core`, where that can be done. All else is in pyproject.toml.

Without a C compiler, or Python's headers, or Cython, the package is one for every Python, and works all the same.
"""

import sys
import tempfile
from distutils.ccompiler import new_compiler
from distutils.errors import CompileError, DistutilsPlatformError
from distutils.sysconfig import customize_compiler, get_python_inc
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

try:
    from Cython.Build import cythonize
except ImportError:
    cythonize = None

CORE = "ingest.source.core"
MODULES = ("slices", "lean", "encoder", "json", "raw", "counting")
FLAGS = ["-O3", "-g0", "-Wno-maybe-uninitialized"]  # of a `Value`, what its kind does not have is never read


def source(name: str) -> str:
    return f"{CORE.replace('.', '/')}/{name}.pyx"


def missing() -> str:
    """What the core cannot be built for want of; empty when it can be."""
    if cythonize is None:
        return "Cython"
    compiler = new_compiler()
    customize_compiler(compiler)
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder, "probe.c")
        probe.write_text("#include <Python.h>\n", encoding="ascii")
        try:
            compiler.compile([str(probe)], output_dir=folder, include_dirs=[get_python_inc()])
        except (CompileError, DistutilsPlatformError):
            return "a C compiler with Python's headers (on Debian: gcc, libc6-dev and python3-dev)"
    return ""


class BuildCore(build_ext):
    def run(self) -> None:
        # Not by setuptools' own hook, which takes a module for one without a package: ingest/source has no __init__.py.
        plain = [Extension(f"{CORE}.{name}", [source(name)]) for name in MODULES]
        made = cythonize(plain, build_dir="build/cython", quiet=True)
        for extension, translated in zip(self.extensions, made, strict=True):
            extension.sources = translated.sources
        super().run()


why = missing()
if why:
    print(f"ingest is built without its compiled core, which needs {why}.", file=sys.stderr)
setup(
    ext_modules=[]
    if why
    else [
        # Optional: an odd compiler must not stand in the way of the Python code.
        Extension(f"{CORE}.{name}", [source(name)], optional=True, extra_compile_args=FLAGS)
        for name in MODULES
    ],
    cmdclass={"build_ext": BuildCore},
)
