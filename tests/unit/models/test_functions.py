"""Methods as SQL, Python and HTTP callers see them, and how a call's values find their place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.errors import InvalidArgument, InvalidIdentifier
from nunatak.models.binding import bind_call, usage
from nunatak.models.content import VersionContent, read_content
from nunatak.models.functions import Method
from nunatak.models.manifest import Argument, MethodKind
from support.model_versions import (
    EXPLAIN,
    PARAMS,
    PREDICT,
    description,
    feature,
    manifest,
    write_version,
)


def content(
    folder: Path, methods: list[dict[str, Any]], signatures: dict[str, Any], **more: Any
) -> VersionContent:
    write_version(
        folder,
        manifest_document=manifest(methods),
        model_document=description(signatures=signatures, **more),
    )
    return read_content(folder)


def test_a_method_carries_the_signature_s_names_and_sql_s_types(tmp_path: Path) -> None:
    signature = {
        "inputs": [feature("sl"), feature("sw", nullable=False)],
        "outputs": [feature("output_feature_0", "INT64", nullable=False)],
        "params": [{"name": "temperature", "dtype": "DOUBLE", "default_value": 0.5}],
        "sample_input_file_path": "sample_input_data.json",
    }
    found = content(tmp_path, [{**PREDICT, "params": PARAMS[:1]}], {"predict": signature}).method(
        "PREDICT"
    )
    assert found.instance_entry() == {
        "name": "PREDICT",
        "handler": "functions.predict.infer",
        "kind": "FUNCTION",
        "inputs": [{"name": "sl", "type": "DOUBLE"}, {"name": "sw", "type": "DOUBLE"}],
        "params": [{"name": "temperature", "type": "DOUBLE", "default": "0.5"}],
        "outputs": [{"name": "output_feature_0", "type": "BIGINT", "nullable": False}],
        "wide": False,
        "path": "predict",
        "max_batch_size": 128,
    }
    assert (found.return_type, found.returns_object, found.required_arguments) == (
        "OBJECT",
        True,
        2,
    )
    assert found.sample_input_path == "model/sample_input_data.json"
    assert (tmp_path / found.sample_input_path).is_file()


@pytest.mark.parametrize(
    ("target", "path"),
    [("predict_proba", "predict-proba"), ("__call__", "--call--"), ("predict", "predict")],
)
def test_paths_have_dashes(tmp_path: Path, target: str, path: str) -> None:
    entry = {**PREDICT, "name": target.upper(), "handler": f"functions.{target}.infer"}
    (found,) = content(tmp_path, [entry], {}).methods
    assert found.path == path


def test_a_wide_method_is_one_object_in_sql_and_columns_for_the_model(tmp_path: Path) -> None:
    wide = {**PREDICT, "inputs": [{"name": "INPUT", "type": "OBJECT"}]}
    signature = {
        "inputs": [feature(f"C{index}", "FLOAT") for index in range(501)],
        "outputs": [feature("y")],
    }
    found = content(tmp_path, [wide], {"predict": signature}).method("PREDICT")
    assert found.is_wide
    assert [item.name for item in found.arguments] == ["INPUT"]
    assert (len(found.inputs), found.inputs[500].name, found.inputs[500].type) == (
        501,
        "C500",
        "FLOAT",
    )


def test_one_object_input_is_not_wide(tmp_path: Path) -> None:
    entry = {**PREDICT, "inputs": [{"name": "INPUT", "type": "OBJECT"}]}
    signature = {"inputs": [feature("input", "OBJECT")], "outputs": [feature("y")]}
    assert not content(tmp_path, [entry], {"predict": signature}).method("PREDICT").is_wide


def test_table_functions_and_native_types(tmp_path: Path) -> None:
    native = {**PREDICT, "outputs": [{"type": "double"}]}
    signatures = {
        "explain": {
            "inputs": [feature("sl")],
            "outputs": [feature("total"), feature("note", "STRING")],
        },
    }
    found = content(
        tmp_path,
        [native, EXPLAIN],
        signatures,
        function_properties={"explain": {"PARTITIONED": True}},
    )
    predict, explain = found.methods
    assert (predict.return_type, predict.returns_object) == ("DOUBLE", False)
    assert explain.is_table_function
    assert explain.is_partitioned
    assert not predict.is_partitioned
    assert explain.return_type == 'TABLE (TOTAL DOUBLE, "note" STRING)'
    assert [(item.name, item.type) for item in explain.outputs] == [
        ("total", "DOUBLE"),
        ("note", "STRING"),
    ]


def test_without_a_signature_the_manifest_tells_all(tmp_path: Path) -> None:
    found = content(tmp_path, [PREDICT], {}).method("PREDICT")
    assert [item.name for item in found.inputs] == ["SL", "SW"]
    assert [(item.name, item.type) for item in found.outputs] == [("predict", "OBJECT")]


def test_an_unknown_method_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    found = content(tmp_path, [PREDICT, EXPLAIN], {})
    with pytest.raises(InvalidIdentifier, match="no method PREDICTED; it has PREDICT, EXPLAIN"):
        found.method("PREDICTED")


def method(inputs: int = 2, params: int = 2) -> Method:
    arguments = [Argument(f"I{index}", "DOUBLE") for index in range(inputs)]
    arguments += [Argument(f"P{index}", "DOUBLE", str(index)) for index in range(params)]
    return Method(
        name="F",
        target="f",
        handler="functions.f.infer",
        kind=MethodKind.FUNCTION,
        arguments=tuple(arguments),
        inputs=(),
        params=(),
        outputs=(),
        return_type="OBJECT",
        volatility=None,
        is_wide=False,
        is_partitioned=False,
        max_batch_size=None,
        sample_input_path=None,
    )


def bound(*arguments: tuple[str | None, str]) -> list[str]:
    """The values in order; an argument that takes its default shows that in brackets."""
    return [
        str(item.value) if item.is_given else f"[{item.argument.default}]"
        for item in bind_call(method(), arguments)
    ]


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        ([(None, "a"), (None, "b")], ["a", "b", "[0]", "[1]"]),
        ([(None, "a"), (None, "b"), (None, "c")], ["a", "b", "c", "[1]"]),
        ([("I1", "b"), ("I0", "a"), ("P1", "d")], ["a", "b", "[0]", "d"]),
        ([(None, "a"), (None, "b"), ("P1", "d")], ["a", "b", "[0]", "d"]),
        ([(None, "a"), ("i1", "b")], ["a", "b", "[0]", "[1]"]),
    ],
)
def test_values_find_their_arguments(
    arguments: list[tuple[str | None, str]], values: list[str]
) -> None:
    assert bound(*arguments) == values


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], r"'I0' \(DOUBLE\) is missing.*\(I0 DOUBLE, I1 DOUBLE, P0 DOUBLE DEFAULT 0"),
        ([(None, "a"), ("P0", "c")], "'I1'"),
        ([(None, "a"), ("I0", "b")], "'I0' is given twice"),
        ([("I0", "a"), ("I0", "b")], "'I0' is given twice"),
        ([("I0", "a"), (None, "b")], "value 2 has no name"),
        ([("X", "a")], "no argument 'X'"),
        ([(None, "a")] * 5, "at most 4"),
    ],
)
def test_what_does_not_fit_is_named(arguments: list[tuple[str | None, str]], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        bind_call(method(), arguments)


@given(
    positional=st.integers(0, 5),
    named=st.lists(st.sampled_from(["I0", "I1", "P0", "P1", "X"]), max_size=5),
)
def test_a_call_is_bound_in_full_or_refused(positional: int, named: list[str]) -> None:
    names = ["I0", "I1", "P0", "P1"]
    given_names = [*names[:positional], *named]
    arguments = [(None, name) for name in names[:positional]] if positional <= 4 else []
    is_right = (
        positional <= 4
        and len(set(given_names)) == len(given_names)
        and "X" not in named
        and {"I0", "I1"} <= set(given_names)
    )
    if positional > 4:
        arguments = [(None, str(index)) for index in range(positional)]
    try:
        found = bind_call(method(), [*arguments, *((name, name) for name in named)])
    except InvalidArgument:
        assert not is_right
        return
    assert is_right
    assert [item.argument.name for item in found] == names
    assert all(item.value == item.argument.name for item in found if item.is_given)


def test_usage_of_a_wide_method_is_cut() -> None:
    assert usage(method(inputs=30, params=0)).endswith(", … 10 more)")
