"""How the tree is kept readable: small folders, narrow classes with names of their own, no import
circles, and tests that lie where the modules lie that they test."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from .conftest import SLOW

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "nunatak"
TESTS = ROOT / "tests" / "unit"
FOLDER_MODULES = 15
PUBLIC_METHODS = 12
FILES = sorted(SOURCE.rglob("*.py"))
ARGUMENTS = 6


def module_name(file: Path) -> str:
    """The dotted name under which a file is imported."""
    parts = file.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST, modules: Iterable[str]) -> set[str]:
    """The modules of the project that a file imports, also for types alone."""
    known, found = set(modules), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & known


def circles(graph: Mapping[str, set[str]]) -> list[str]:
    """Those nodes from which a way leads back to themselves."""

    def reaches(start: str) -> bool:
        waiting, seen = list(graph[start]), set(graph[start])
        while waiting:
            for follower in graph[waiting.pop()] - seen:
                seen.add(follower)
                waiting.append(follower)
        return start in seen

    return sorted(node for node in graph if reaches(node))


def methods(node: ast.ClassDef) -> set[str]:
    """The public methods and properties that a class defines itself."""
    return {
        item.name
        for item in node.body
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)
        and not item.name.startswith("_")
    }


def class_names(tree: ast.Module) -> list[str]:
    """The classes of a module, public and private; not those inside of others or of functions."""
    nodes = list(tree.body)
    for node in nodes:  # those of `if TYPE_CHECKING` and the like, too
        if isinstance(node, ast.If | ast.Try):
            nodes += [item for item in ast.iter_child_nodes(node) if isinstance(item, ast.stmt)]
    return [node.name for node in nodes if isinstance(node, ast.ClassDef)]


def base_names(node: ast.ClassDef) -> list[str]:
    """Names of a class's bases, as they are written."""
    plain = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
    return [base.id for base in plain if isinstance(base, ast.Name)]


def public_methods(trees: Mapping[str, ast.AST]) -> dict[str, set[str]]:
    """Methods and properties that classes offer to others, by module and name: also those that
    they inherit from classes of these modules."""
    classes: dict[tuple[str, str], tuple[set[str], list[str]]] = {}
    origins: dict[tuple[str, str], tuple[str, str]] = {}
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                classes[module, node.name] = (methods(node), base_names(node))
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    origins[module, alias.asname or alias.name] = (node.module, alias.name)

    def offered(key: tuple[str, str]) -> set[str]:
        own, bases = classes[key]
        above = [(key[0], base) for base in bases if base != key[1]]
        found = [name if name in classes else origins.get(name) for name in above]
        return own.union(*(offered(name) for name in found if name in classes))

    return {f"{module} {name}": offered((module, name)) for module, name in classes}


def arguments(node: ast.ClassDef) -> int:
    """How many arguments a class's own constructor takes. Records are made by their dataclass:
    they hold what belongs together, and may have as many fields as that has parts."""
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            given = item.args
            return len([*given.posonlyargs, *given.args, *given.kwonlyargs]) - 1
    return 0


def misplaced(test: Path, modules: Mapping[str, list[Path]]) -> bool:
    """Whether a test has the name of modules of its package and lies beside none of them."""
    folder = test.parent.relative_to(TESTS)
    package = folder.parts[0] if folder.parts else ""
    homes = [
        file.parent.relative_to(SOURCE)
        for file in modules.get(test.stem.removeprefix("test_"), [])
        if file.relative_to(SOURCE).parts[0] == package
    ]
    return bool(homes) and folder not in homes


def test_folders_are_small() -> None:
    counts = {
        str(folder.relative_to(SOURCE)): len(
            [file for file in folder.glob("*.py") if file.stem not in ("__init__", "__main__")]
        )
        for folder in {file.parent for file in FILES}
    }

    assert len(counts) > 20
    assert {folder: count for folder, count in counts.items() if count > FOLDER_MODULES} == {}


def test_classes_are_narrow() -> None:
    trees = {module_name(file): ast.parse(file.read_text("utf-8")) for file in FILES}
    counts = {name: len(offered) for name, offered in public_methods(trees).items()}

    assert len(counts) > 300
    assert {name: count for name, count in counts.items() if count > PUBLIC_METHODS} == {}


def test_every_class_has_a_name_of_its_own() -> None:
    homes: dict[str, list[str]] = {}
    for file in FILES:
        for name in class_names(ast.parse(file.read_text("utf-8"))):
            homes.setdefault(name, []).append(module_name(file))

    assert len(homes) > 300
    assert {name: modules for name, modules in homes.items() if len(modules) > 1} == {}


def test_constructors_are_narrow() -> None:
    counts = {
        f"{file.relative_to(SOURCE)} {node.name}": arguments(node)
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
    }

    assert sum(count > 0 for count in counts.values()) > 150
    assert {name: count for name, count in counts.items() if count > ARGUMENTS} == {}


def test_imports_make_no_circles() -> None:
    names = {module_name(file): file for file in FILES}
    graph = {
        name: imported(ast.parse(file.read_text("utf-8")), names) - {name}
        for name, file in names.items()
    }

    assert sum(map(len, graph.values())) > 1000
    assert circles(graph) == []


def test_tests_lie_where_their_modules_lie() -> None:
    modules: dict[str, list[Path]] = {}
    for file in FILES:
        modules.setdefault(file.stem, []).append(file)
    tests = sorted(TESTS.rglob("test_*.py"))
    folders = {test.parent.relative_to(TESTS) for test in tests} - {Path("benchmarks")}

    assert [str(folder) for folder in folders if not (SOURCE / folder).is_dir()] == []
    assert [str(test.relative_to(TESTS)) for test in tests if misplaced(test, modules)] == []


def test_the_slow_modules_of_tests_are_there() -> None:
    assert [name for name in sorted(SLOW) if not (TESTS / name).is_file()] == []


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        ({"a": {"b"}, "b": set()}, []),
        ({"a": {"b"}, "b": {"a"}}, ["a", "b"]),
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}}, ["b", "c"]),
    ],
)
def test_the_measure_finds_circles(graph: dict[str, set[str]], expected: list[str]) -> None:
    assert circles(graph) == expected


def test_the_measure_sees_imports_for_types() -> None:
    text = "if TYPE_CHECKING:\n    from nunatak.a import b\nfrom nunatak.a.c import D\n"

    assert imported(ast.parse(text), ["nunatak.a.b", "nunatak.a.c"]) == {
        "nunatak.a.b",
        "nunatak.a.c",
    }


def test_the_measure_counts_what_is_inherited_once() -> None:
    near = "class A:\n def a(self): ...\n def both(self): ...\n def _inner(self): ...\n"
    far = (
        "from near import A as Base\n"
        "class B(Base, dict[str, int]):\n"
        " @property\n"
        " def b(self): ...\n"
        " def both(self): ...\n"
        "class C(B): ...\n"
    )

    assert public_methods({"near": ast.parse(near), "far": ast.parse(far)}) == {
        "near A": {"a", "both"},
        "far B": {"a", "b", "both"},
        "far C": {"a", "b", "both"},
    }


def test_the_measure_finds_classes_but_no_inner_ones() -> None:
    text = "class A:\n class B: ...\ndef f():\n class C: ...\nif x:\n class _D: ...\n"

    assert class_names(ast.parse(text)) == ["A", "_D"]


def test_the_measure_sees_misplaced_tests() -> None:
    modules = {"bind": [SOURCE / "warehouse" / "parsing" / "bind.py"]}

    assert misplaced(TESTS / "warehouse" / "test_bind.py", modules)
    assert not misplaced(TESTS / "warehouse" / "parsing" / "test_bind.py", modules)
    assert not misplaced(TESTS / "sql" / "test_bind.py", modules)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def __init__(self, a, /, b, *, c=1): ...", 3),
        ("def __init__(self): ...", 0),
        ("a: int\n b: int", 0),
    ],
)
def test_the_measure_counts_arguments(text: str, expected: int) -> None:
    [node] = ast.parse(f"class C:\n {text}").body

    assert isinstance(node, ast.ClassDef)
    assert arguments(node) == expected
