"""Methods as SQL, Python and HTTP callers see them."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from nunatak.errors import InvalidArgument, InvalidIdentifier
from nunatak.inference.core.signature import field_of
from nunatak.models.contents.content import VersionContent, read_content
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
    ("name", "identifier", "told"),
    [("sl", "SL", None), ("SL", "SL", None), ("sl", "sl", "sl"), ('"sl"', "sl", "sl")],
)
def test_an_instance_is_told_of_identifiers_that_a_name_alone_does_not_mean(
    tmp_path: Path, name: str, identifier: str, told: str | None
) -> None:
    signature = {
        "inputs": [feature(name)],
        "outputs": [feature("y")],
        "params": [{"name": name + "2", "dtype": "DOUBLE", "default_value": 0.5}],
    }
    entry = {
        **PREDICT,
        "inputs": [{"name": identifier, "type": "DOUBLE"}],
        "params": [{"name": identifier + "2", "type": "DOUBLE", "default": "0.5"}],
    }
    found = content(tmp_path, [entry], {"predict": signature}).method("PREDICT").instance_entry()
    assert [item.get("identifier") for item in found["inputs"]] == [told]
    assert [item.get("identifier") for item in found["params"]] == [told and told + "2"]


@pytest.mark.parametrize(
    ("dtype", "limits"),
    [
        ("INT8", (-128, 127)),
        ("INT16", (-(2**15), 2**15 - 1)),
        ("INT32", (-(2**31), 2**31 - 1)),
        ("INT64", None),
        ("UINT8", (0, 255)),
        ("UINT16", (0, 2**16 - 1)),
        ("UINT32", (0, 2**32 - 1)),
        ("UINT64", (0, 2**63 - 1)),
        ("DOUBLE", None),
    ],
)
def test_an_instance_is_told_what_whole_numbers_python_takes(
    tmp_path: Path, dtype: str, limits: tuple[int, int] | None
) -> None:
    signature = {
        "inputs": [{"name": "x", "type": dtype}],
        "outputs": [feature("y")],
        "params": [{"name": "p", "dtype": dtype, "default_value": 1}],
    }
    entry = {
        **PREDICT,
        "inputs": [{"name": "X", "type": "BIGINT"}],
        "params": [{"name": "P", "type": "BIGINT", "default": "1"}],
    }
    method = content(tmp_path, [entry], {"predict": signature}).method("PREDICT")
    found = method.instance_entry()
    assert [found[kind][0].get("limits") for kind in ("inputs", "params")] == [limits, limits]
    listed = {"name": "x", "type": dtype, "shape": [-1]}
    other = content(tmp_path / "lists", [entry], {"predict": signature | {"inputs": [listed]}})
    assert "limits" not in other.method("PREDICT").instance_entry()["inputs"][0]


def with_params(
    folder: Path, params: list[dict[str, Any]], described: list[dict[str, Any]]
) -> VersionContent:
    signature = {"inputs": [feature("sl"), feature("sw")], "outputs": [feature("y")]}
    return content(
        folder, [{**PREDICT, "params": params}], {"predict": signature | {"params": described}}
    )


GROUP = {
    "name": "g",
    "specs": [
        {"name": "t", "dtype": "DOUBLE", "default_value": 1.0},
        {"name": "n", "dtype": "INT64", "default_value": 2},
        {"name": "s", "dtype": "STRING", "default_value": "\\d"},
        {"name": "l", "dtype": "DOUBLE", "shape": [-1], "default_value": [1]},
        {"name": "h", "specs": [{"name": "x", "dtype": "FLOAT", "default_value": None}]},
    ],
}
GROUP_SQL = (
    "OBJECT_CONSTRUCT_KEEP_NULL('t', 1.0, 'n', 2, 's', '\\d', 'l', [1], 'h', "
    "OBJECT_CONSTRUCT_KEEP_NULL('x', NULL))"
)
GROUP_VALUE = {"t": 1.0, "n": 2, "s": "\\d", "l": [1], "h": {"x": None}}
GROUP_REALS = {"t": True, "l": True, "h": {"x": True}}


def test_a_group_of_parameters_is_an_object_with_a_default(tmp_path: Path) -> None:
    found = with_params(
        tmp_path, [{"name": "G", "type": "OBJECT", "default": GROUP_SQL}], [GROUP]
    ).method("PREDICT")
    assert found.defaults == (GROUP_VALUE,)
    assert found.instance_entry()["params"] == [
        {"name": "g", "type": "OBJECT", "reals": GROUP_REALS, "default": json.dumps(GROUP_VALUE)}
    ]


@pytest.mark.parametrize(
    ("shape", "text", "value"),
    [
        ([-1], "[]", []),
        ([2], "[{'x': 1.0}, {'x': 1.0}]", [{"x": 1.0}] * 2),
        ([2, -1], "[[], []]", [[], []]),
    ],
)
def test_a_group_may_have_a_shape(
    tmp_path: Path, shape: list[int], text: str, value: list[Any]
) -> None:
    group = {
        "name": "g",
        "shape": shape,
        "specs": [{"name": "x", "dtype": "DOUBLE", "default_value": 1.0}],
    }
    found = with_params(tmp_path, [{"name": "G", "type": "ARRAY", "default": text}], [group])
    assert found.method("PREDICT").defaults == (value,)


def test_a_shape_of_very_many_values_is_refused(tmp_path: Path) -> None:
    for shape in ([10**9], [200, 200], "many", [1.5]):
        group = {"name": "g", "shape": shape, "specs": [{"name": "x", "dtype": "DOUBLE"}]}
        with pytest.raises(InvalidArgument, match=r"'params\[0\]\.shape' is not valid"):
            with_params(tmp_path, [{"name": "G", "type": "ARRAY", "default": "[]"}], [group])


DEFAULTS: list[tuple[str, str, dict[str, Any], str]] = [
    ("BINARY", "X'64'", {"dtype": "BYTES", "default_value": b"d"}, "X'64'"),
    ("BINARY", "X'64'", {"dtype": "BYTES"}, "X'64'"),
    ("DOUBLE", "1", {"dtype": "DOUBLE"}, "1.0"),
    ("STRING", "'\\d'", {"dtype": "STRING", "default_value": "\\d"}, "'\\d'"),
    ("STRING", "'it\\'s'", {"dtype": "STRING"}, "'it''s'"),
    ("DOUBLE", "NULL", {"dtype": "DOUBLE"}, "NULL"),
    ("ARRAY", "[True, None]", {"dtype": "BOOL", "shape": [-1]}, "[true, null]"),
    (
        "TIMESTAMP_NTZ",
        "'2024-01-31 16:00:00'::TIMESTAMP_NTZ",
        {"dtype": "TIMESTAMP_NTZ", "default_value": datetime.fromisoformat("2024-01-31T16:00")},
        "'2024-01-31 16:00:00'",
    ),
    (
        "TIMESTAMP_NTZ",
        "'2024-01-31 16:00:00'::TIMESTAMP_NTZ",
        {"dtype": "TIMESTAMP_NTZ"},
        "'2024-01-31 16:00:00'",
    ),
]


@pytest.mark.parametrize(("kind", "text", "described", "told"), DEFAULTS)
def test_defaults_are_read_as_sql(
    tmp_path: Path, kind: str, text: str, described: dict[str, Any], told: str
) -> None:
    found = with_params(
        tmp_path, [{"name": "P", "type": kind, "default": text}], [{"name": "p", **described}]
    )
    found.check()
    entry = found.method("PREDICT").instance_entry()
    assert entry["params"][0]["default"] == told
    assert field_of(entry["params"][0]).name == "p"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("OBJECT", "OBJECT_CONSTRUCT_KEEP_NULL('it's', 1)"),
        ("ARRAY", "[datetime.datetime(2024, 1, 1)]"),
        ("DOUBLE", "plain"),
        ("DOUBLE", "'x'"),
        ("BINARY", "'xyz'"),
        ("TIMESTAMP_NTZ", "CURRENT_TIMESTAMP()"),
    ],
)
def test_a_default_that_cannot_be_read_is_refused_when_the_version_is_made(
    tmp_path: Path, kind: str, text: str
) -> None:
    found = with_params(tmp_path, [{"name": "P", "type": kind, "default": text}], [])
    with pytest.raises(InvalidArgument, match="default of parameter P of method PREDICT"):
        found.check()


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


def test_usage_says_how_to_call(tmp_path: Path) -> None:
    named = {**PREDICT, "inputs": [{"name": "a b", "type": "DOUBLE"}], "params": PARAMS[:1]}
    found = content(tmp_path, [named], {}).method("PREDICT")
    assert found.usage == '("a b" DOUBLE, TEMPERATURE DOUBLE DEFAULT 0.5) RETURNS OBJECT'
    many = [{"name": f"C{index}", "type": "DOUBLE"} for index in range(30)]
    found = content(tmp_path, [{**PREDICT, "inputs": many}], {}).method("PREDICT")
    assert found.usage.endswith(", C19 DOUBLE, … 10 more) RETURNS OBJECT")
