"""Documents that users send: bounded before anything is built from them, wherever they are read."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nunatak.errors import InvalidArgument, LimitExceeded, NunatakError
from nunatak.images.errors import DeclarationInvalid
from nunatak.images.requirements.declared import TargetPlatform, read_declared
from nunatak.models.contents.manifest import parse_manifest
from nunatak.models.contents.modelyaml import parse_description
from nunatak.services.documents.deployment import parse_deployment
from nunatak.services.documents.specification import fill_template, parse_specification
from nunatak.untrusted import DEPTH_LIMIT, Bounds, Text, load_json, load_yaml, typed
from support.fuzz import examples

SOURCE = Path(__file__).parents[2] / "src" / "nunatak"
DEEP = {
    "lists": "[" * 50_000,
    "maps": "{a: " * 50_000,
    "blocks": "- " * 50_000,
    "keys": "? " * 50_000,
    "behind a key": "models: " + "[" * 50_000,
}
COSTLY = {
    **DEEP,
    "laughs": "a0: &a0 [x, x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 40)),
    "merges": "a0: &a0 {k: x}\n"
    + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 40)),
    "values": "[" + "a," * 400_000 + "]",
    "directives": "".join(f"%TAG !a{n}! b\n" for n in range(30_000)) + "--- a",
    "digits": "a: 1" + ":1" * 200_000,
    "hexadecimal": "a: 0x" + "f" * 900_000,
    "decimal": "a: " + "9" * 900_000,
    "real": "a: 1" + ":1" * 200_000 + ".5",
    "itself": "a: &a [*a]",
    "unknown": "a: *b",
}
READERS: dict[str, Callable[[str], Any]] = {
    "manifest": parse_manifest,
    "description": parse_description,
    "specification": parse_specification,
    "deployment": lambda text: parse_deployment(text, database="DB", schema="S"),
    "metadata": lambda text: load_json(text, "METADATA"),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", COSTLY)
def test_a_costly_document_is_refused(reader: str, kind: str) -> None:
    with pytest.raises((InvalidArgument, LimitExceeded)):
        READERS[reader](COSTLY[kind])


@pytest.mark.parametrize("kind", DEEP)
@pytest.mark.parametrize("name", ["MANIFEST.yml", "model/model.yaml"])
def test_a_costly_file_of_a_version_is_refused(tmp_path: Path, kind: str, name: str) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "MANIFEST.yml").write_text("runtimes: {python_runtime: {}}")
    (tmp_path / "model" / "model.yaml").write_text("env: {}")
    (tmp_path / name).write_text(DEEP[kind])
    with pytest.raises(DeclarationInvalid, match="nested too deeply"):
        read_declared(tmp_path, TargetPlatform.CPU)


@pytest.mark.parametrize("tag", ["int", "float", "bool", "timestamp", "binary", "omap", "set"])
@pytest.mark.parametrize("value", ["''", "x", "[x]", "{x: y}", "{[a]: b}"])
def test_tags_that_do_not_fit_are_refused(tag: str, value: str) -> None:
    with suppress(InvalidArgument):
        load_yaml(f"a: !!{tag} {value}", "It")


def test_a_template_does_not_grow_without_bound() -> None:
    with pytest.raises(LimitExceeded, match="1000000 characters"):
        fill_template("{{ a }}" * 10_000, {"a": "x" * 10_000})


def test_ordinary_documents_are_read_as_ever() -> None:
    shared = {"name": "A", "type": "FLOAT"}
    document = {"a": [shared, shared], "b": 2**63, "c": -1.5e300, "d": None, "e": {"f": [True]}}
    assert load_yaml(yaml.safe_dump(document), "It") == document
    assert load_yaml("%YAML 1.1\n--- {a: 1}", "It") == {"a": 1}
    assert load_json(json.dumps(document), "It") == document


@pytest.mark.parametrize("load", [load_yaml, load_json])
def test_the_bounds_are_those_that_are_stated(load: Callable[..., Any]) -> None:
    deepest = "[" * DEPTH_LIMIT + "]" * DEPTH_LIMIT
    assert load(deepest, "It")
    with pytest.raises(LimitExceeded, match="It is nested too deeply: at most 64 levels are read"):
        load(f"[{deepest}]", "It")
    with pytest.raises(LimitExceeded, match="It has 11 characters; at most 10 are read"):
        load("[" + " " * 9 + "]", "It", bounds=Bounds(chars=10))


def test_brackets_in_texts_are_no_depth() -> None:
    assert load_json('{"a": "' + "[" * 100 + r"\"[[" + '"}', "It") == {"a": "[" * 100 + '"[['}


@examples(200)
@given(st.text("[]{}\"'\\&*!%:,-?<| \n0a", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for load in (load_yaml, load_json):
        with suppress(NunatakError):
            load(text, "It")


PARSERS = {"yaml.load", "yaml.safe_load", "yaml.full_load", "json.loads", "json.load"}
OWN = {
    "access", "catalog", "cli", "compute", "confinement", "images", "inference", "maintenance",
    "models/contents/files.py", "services/model/vault.py", "sql/services/rows.py", "untrusted.py",
    "warehouse/engine/json_values.py",
    "warehouse/statements/template.py", "warehouse/tables/tables.py",
    "warehouse/tables/view_reads.py", "worker",
}  # fmt: skip
"""Where only what this server, its operator or its engine wrote is read so."""


def test_what_users_send_is_read_in_one_place() -> None:
    found = {
        file.relative_to(SOURCE).as_posix()
        for file in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in PARSERS
    }
    assert "untrusted.py" in found
    assert {place for place in found if not {place, place.partition("/")[0]} & OWN} == set()
    assert "images/requirements/declared.py" not in found


NotEmpty = msgspec.Meta(min_length=1)


class _Container(msgspec.Struct, forbid_unknown_fields=True):
    image: str
    env: dict[str, str | int] = {}
    name: Text = "n"
    part: Literal["a", "b"] = "a"


class _Form(msgspec.Struct):
    containers: list[_Container]
    size: Annotated[int, msgspec.Meta(ge=1)] | None = None
    names: Annotated[list[Annotated[str, NotEmpty]], NotEmpty] | None = None


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "It must be a map, not a list."),
        ({}, "It: 'containers' is missing."),
        ({"containers": 3}, "It: 'containers' must be a list, not a whole number."),
        ({"containers": [None]}, "It: 'containers[0]' must be a map, not null."),
        ({"containers": [{}]}, "It: 'containers[0].image' is missing."),
        ({"containers": [{"image": 1.5}]}, "'containers[0].image' must be a text, not a number."),
        ({"containers": [{"image": "i", "x": 1}]}, "It: 'containers[0].x' is not known here."),
        ({"containers": [{"image": "i", "name": " "}]}, "name' must be a text that is not empty."),
        ({1: 2}, "It: a key must be a text."),
        (
            {"containers": [{"image": "i", "env": {1: "x"}}]},
            "It: a key of 'containers[0].env' must be a text, not a whole number.",
        ),
        ({"containers": [], "names": ["a", ""]}, "'names[1]' must be a text that is not empty."),
        ({"containers": [], "names": []}, "It: 'names' must be a list that is not empty."),
        ({"containers": [{"image": "i", "env": {"a": []}}]}, "must be a whole number or a text,"),
        ({"containers": [{"image": "i", "part": "c"}]}, "'containers[0].part': Invalid enum val"),
        ({"containers": [], "size": 0}, "It: 'size' must be a whole number >= 1."),
    ],
    ids=str,
)
def test_an_entry_that_does_not_fit_is_named(document: object, message: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        typed(document, _Form, "It")
    assert message in refused.value.message


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["containers", "image", "env", "size"]), inner)
        ),
    )
)
def test_whatever_was_loaded_is_typed_or_refused(document: object) -> None:
    with suppress(InvalidArgument):
        assert isinstance(typed(document, _Form, "It"), _Form)
