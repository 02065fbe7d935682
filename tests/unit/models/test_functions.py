"""Methods as SQL, Python and HTTP callers see them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nunatak.errors import InvalidIdentifier
from nunatak.models.content import VersionContent, read_content
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
