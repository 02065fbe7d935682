"""PyPI's counterparts of conda packages, while no conda channel is configured.

Most conda packages carry the name of the PyPI project. This table holds the others: packages
with a different name, packages that only choose a build variant (nothing to install), and
packages that are no Python package at all (an error that says so).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from packaging.utils import canonicalize_name


class Stand(StrEnum):
    """The way in which a conda package is met on PyPI."""

    SAME = "same"
    """A PyPI project of the same name."""
    RENAMED = "renamed"
    """A PyPI project of another name."""
    NOT_NEEDED = "not needed"
    """Chooses a build variant or is part of every environment: nothing to install."""
    MISSING = "missing"
    """Not a Python package: no counterpart."""


@dataclass(frozen=True, slots=True)
class Counterpart:
    """The counterpart of a conda package; `pypi` is the project's name, empty when there is none,
    and `extra` the extra of it that conda's package holds."""

    stand: Stand
    pypi: str
    extra: str = ""


RENAMED: dict[str, str] = {
    "antlr-python-runtime": "antlr4-python3-runtime",
    "brotli-python": "brotli",
    "brotlipy": "brotli",
    "dask-core": "dask",
    "faiss": "faiss-cpu",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "numpy-base": "numpy",
    "opencv": "opencv-python-headless",
    "py-opencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "py-xgboost-gpu": "xgboost",
    "pyqt": "pyqt5",
    "pytables": "tables",
    "python-blosc": "blosc",
    "python-duckdb": "duckdb",
    "python-flatbuffers": "flatbuffers",
    "python-graphviz": "graphviz",
    "python-kaleido": "kaleido",
    "python-lmdb": "lmdb",
    "python-sentencepiece": "sentencepiece",
    "python-tzdata": "tzdata",
    "python-xxhash": "xxhash",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "pytorch_geometric": "torch-geometric",
    "tensorflow-base": "tensorflow",
    "tensorflow-gpu": "tensorflow",
}
"""conda name to PyPI name, where a project is known by another name on PyPI."""

EXTRAS: dict[str, str] = {
    "snowflake-connector-python": "pandas",
    "snowflake-snowpark-python": "pandas",
}
"""Conda packages that hold what on PyPI is an extra of the project of the same name."""

NOT_NEEDED: frozenset[str] = frozenset(
    {
        "_libgcc_mutex",
        "_openmp_mutex",
        "_py-xgboost-mutex",
        "_pytorch_select",
        "blas",
        "ca-certificates",
        "cpuonly",
        "cuda",
        "cuda-version",
        "pip",
        "pytorch-cuda",
        "pytorch-mutex",
        "python_abi",
        "tensorflow-mutex",
    }
)
"""Packages that choose a build, or that every environment has: left out, and said so."""

MISSING: frozenset[str] = frozenset(
    {
        "arrow-cpp",
        "boost-cpp",
        "c-compiler",
        "compilers",
        "cudatoolkit",
        "cudnn",
        "cxx-compiler",
        "ffmpeg",
        "fftw",
        "gcc",
        "gcc_linux-64",
        "gdal",
        "geos",
        "gfortran",
        "git",
        "graphviz",
        "gxx",
        "gxx_linux-64",
        "hdf5",
        "julia",
        "libarrow",
        "libblas",
        "libgcc",
        "libgcc-ng",
        "libgomp",
        "liblapack",
        "libopenblas",
        "libopencv",
        "libstdcxx-ng",
        "libxgboost",
        "llvm-openmp",
        "make",
        "nccl",
        "nodejs",
        "openblas",
        "openjdk",
        "openmpi",
        "openssl",
        "perl",
        "proj",
        "r-base",
        "sqlite",
        "tesseract",
        "unixodbc",
        "zlib",
    }
)
"""Libraries and programs that are no Python package."""


def counterpart(conda_name: str) -> Counterpart:
    """Counterpart of `conda_name` on PyPI; names compare without case."""
    name = conda_name.lower()
    if name in NOT_NEEDED:
        return Counterpart(Stand.NOT_NEEDED, "")
    if name in MISSING or name.startswith("r-"):
        return Counterpart(Stand.MISSING, "")
    if name in RENAMED:
        return Counterpart(Stand.RENAMED, RENAMED[name])
    return Counterpart(Stand.SAME, canonicalize_name(name), EXTRAS.get(name, ""))
