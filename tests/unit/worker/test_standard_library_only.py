import ast
import sys
from pathlib import Path

import pytest

import nunatak.worker

FILES = sorted(Path(nunatak.worker.__path__[0]).glob("*.py"))
INSIDE_FUNCTIONS = {"numpy", "pandas"}
NEWER = {"annotationlib", "compression", "tomllib"}
"""What Python 3.9 has not."""
REMOVED = {
    "aifc",
    "asynchat",
    "asyncore",
    "audioop",
    "binhex",
    "cgi",
    "cgitb",
    "chunk",
    "crypt",
    "distutils",
    "formatter",
    "imghdr",
    "imp",
    "lib2to3",
    "macpath",
    "mailcap",
    "msilib",
    "nis",
    "nntplib",
    "ossaudiodev",
    "parser",
    "pipes",
    "smtpd",
    "sndhdr",
    "spwd",
    "sunau",
    "symbol",
    "telnetlib",
    "uu",
    "xdrlib",
}
"""What Python 3.14 has not any more."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_worker_file_is_python_3_9(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 9))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_worker_file_imports_only_what_every_model_has(path: Path) -> None:
    tree = ast.parse(path.read_text())
    at_import = {name for node in tree.body for name in imported(node)}
    anywhere = {name for node in ast.walk(tree) for name in imported(node)}

    assert at_import <= set(sys.stdlib_module_names)
    assert not anywhere & (NEWER | REMOVED)
    assert anywhere <= set(sys.stdlib_module_names) | INSIDE_FUNCTIONS


def imported(node: ast.AST) -> set[str]:
    """The top-level packages that an import statement names; none for our own."""
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return {str(node.module).partition(".")[0]}
    return set()
