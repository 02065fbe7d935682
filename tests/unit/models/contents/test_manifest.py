"""Manifests and descriptions: what is read, and what is refused with which words."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nunatak.errors import InvalidArgument, LimitExceeded, NunatakError, StageUnreadable
from nunatak.models.contents import yaml_documents as documents
from nunatak.models.contents.manifest import MethodKind, parse_manifest, read_manifest
from nunatak.models.contents.modelyaml import parse_description, read_description
from nunatak.models.contents.yaml_documents import is_inside
from support.model_versions import EXPLAIN, PARAMS, PREDICT, description, feature, manifest


def parse(document: dict[str, Any]) -> Any:
    return parse_manifest(yaml.safe_dump(document))


def test_reads_methods_runtimes_and_lineage() -> None:
    found = parse(
        manifest(
            [{**PREDICT, "params": PARAMS, "volatility": "immutable"}, EXPLAIN],
            lineage_sources=[{"type": "DATASET", "entity": "DB.S.DS", "version": "V1"}],
            target_platforms=["SNOWPARK_CONTAINER_SERVICES"],
            user_data={"a": 1},
            unknown={"from": "a newer client"},
        )
    )
    predict, explain = found.methods
    assert [(item.name, item.type, item.default) for item in predict.params] == [
        ("TEMPERATURE", "DOUBLE", "0.5"),
        ("STYLE", "STRING", "'a\\'b'"),
    ]
    assert (predict.target, predict.module_path) == ("predict", "functions/predict.py")
    assert (predict.volatility, predict.runtime) == ("IMMUTABLE", "python_runtime")
    assert explain.kind is MethodKind.TABLE_FUNCTION
    assert found.runtimes["python_runtime"].pip_file.endswith("requirements.txt")
    assert found.lineage_sources[0].version == "V1"
    assert found.target_platforms == ("SNOWPARK_CONTAINER_SERVICES",)
    assert found.user_data == {"a": 1}


@pytest.mark.parametrize("name", ["PREDICT", "predict", "_P1$", "PRÄDIKAT", "A" * 255])
def test_names_of_methods_are_those_of_python(name: str) -> None:
    assert parse(manifest([{**PREDICT, "name": name}])).methods[0].name == name


def test_a_missing_manifest_has_the_words_that_clients_retry_on(tmp_path: Path) -> None:
    with pytest.raises(StageUnreadable, match=r"Unable to read file MANIFEST\.yml"):
        read_manifest(tmp_path)


def test_a_manifest_that_is_no_text_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "MANIFEST.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StageUnreadable):
        read_manifest(tmp_path)


def test_a_large_manifest_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "DOCUMENT_LIMIT_BYTES", 10)
    (tmp_path / "MANIFEST.yml").write_text("manifest_version: '1.0'")
    with pytest.raises(LimitExceeded, match="at most 10"):
        read_manifest(tmp_path)


METHOD_NAMES = [
    'PRED"; DROP',
    "A B",
    "a/b",
    "a-b",
    "../x",
    "1A",
    "$A",
    "A\n",
    "",
    "A.B",
    "A'",
    "?x=1",
]
BAD = [
    *[({"methods": [{**PREDICT, "name": name}]}, r"'methods\[0\]\.name'") for name in METHOD_NAMES],
    ({"methods": [PREDICT, {**PREDICT, "name": "Predict"}]}, "differ only in case"),
    ({"manifest_version": "2.0"}, "manifest_version 2.0"),
    ({"manifest_version": None}, "'manifest_version'"),
    ({"methods": []}, "'methods'"),
    ({"methods": "PREDICT"}, "'methods'"),
    ({"methods": [PREDICT, PREDICT]}, "'PREDICT' is there twice"),
    ({"methods": [{**PREDICT, "runtime": "other"}]}, r"'methods\[0\]\.runtime'"),
    ({"methods": [{**PREDICT, "handler": "os"}]}, r"'methods\[0\]\.handler'"),
    ({"methods": [{**PREDICT, "handler": "../../x.y"}]}, r"'methods\[0\]\.handler'"),
    ({"methods": [{**PREDICT, "type": "PROCEDURE"}]}, r"'methods\[0\]\.type'"),
    ({"methods": [{**PREDICT, "inputs": [{"name": "A", "type": "WIDGET"}]}]}, "SQL data type"),
    (
        {"methods": [{**PREDICT, "inputs": [{"type": "DOUBLE"}]}]},
        r"'methods\[0\]\.inputs\[0\]\.name' is missing",
    ),
    ({"methods": [{**PREDICT, "params": [PARAMS[0], PARAMS[0]]}]}, "'TEMPERATURE' is there twice"),
    ({"methods": [{**PREDICT, "outputs": []}]}, "one output"),
    ({"methods": [{**EXPLAIN, "outputs": [{"type": "OBJECT"}]}]}, "named columns"),
    ({"methods": [{**PREDICT, "volatility": "SOMETIMES"}]}, r"'methods\[0\]\.volatility'"),
    ({"runtimes": {}}, "runtimes"),
    (
        {"runtimes": {"python_runtime": {"language": "JAVA", "version": "17"}}},
        r"'runtimes\.python_runtime\.language'",
    ),
    (
        {"runtimes": {"python_runtime": {"version": "3.11", "imports": ["../x"]}}},
        r"'runtimes\.python_runtime\.imports\[0\]'",
    ),
    (
        {"runtimes": {"python_runtime": {"version": "3.11", "dependencies": {"pip": "/etc/x"}}}},
        r"'runtimes\.python_runtime\.dependencies\.pip'",
    ),
    ({"target_platforms": ["MOON"]}, "'target_platforms'"),
    ({"user_files": ["a/../../b"]}, r"'user_files\[0\]'"),
]


@pytest.mark.parametrize(("change", "words"), BAD)
def test_what_is_wrong_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        parse(manifest() | change)


@pytest.mark.parametrize("text", ["", "- a", "a: [", "!!python/object/apply:os.getcwd []", "\t"])
def test_text_that_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"MANIFEST\.yml"):
        parse_manifest(text)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(key=st.sampled_from(sorted(manifest())), value=_values)
def test_no_document_breaks_the_reader(key: str, value: Any) -> None:
    with suppress(NunatakError):
        parse(manifest() | {key: value})


@given(key=st.sampled_from(sorted(PREDICT)), value=_values)
def test_no_method_breaks_the_reader(key: str, value: Any) -> None:
    with suppress(NunatakError):
        parse(manifest([PREDICT | {key: value}]))


@given(st.text(alphabet="ab./\\\0", max_size=12))
def test_a_path_inside_never_leaves(path: str) -> None:
    root = Path("/root/folder")
    if is_inside(path):
        assert (root / path).resolve().is_relative_to(root)


def test_reads_a_description() -> None:
    found = parse_description(
        yaml.safe_dump(
            description(
                function_properties={"predict": {"PARTITIONED": True}},
                signatures={
                    "predict": {
                        "inputs": [
                            feature("a", "FLOAT"),
                            feature("b", "INT64", shape=[2]),
                            {"name": "g", "specs": [feature("x")]},
                        ],
                        "outputs": [feature("out", "UINT8", nullable=False)],
                        "params": [{"name": "t", "dtype": "DOUBLE", "default_value": 0.5}],
                    }
                },
            )
        )
    )
    signature = found.signatures["predict"]
    assert [(item.name, item.type) for item in signature.inputs] == [
        ("a", "FLOAT"),
        ("b", "ARRAY"),
        ("g", "OBJECT"),
    ]
    assert [(item.type, item.nullable) for item in signature.outputs] == [("SMALLINT", False)]
    assert [(item.name, item.type) for item in signature.params] == [("t", "DOUBLE")]
    assert signature.sample_input_path is None
    assert found.partitioned == {"predict"}
    assert found.attributes == {
        "framework": "sklearn",
        "task": "TABULAR_REGRESSION",
        "client": "snowflake-ml-python 2.6.0",
    }
    assert found.environment == {
        "python_version": "3.11",
        "cuda_version": "12.4",
        "snowpark_ml_version": "2.6.0",
    }


def test_a_version_may_have_no_description(tmp_path: Path) -> None:
    found = read_description(tmp_path)
    assert (found.text, found.task, dict(found.signatures)) == ("", "UNKNOWN", {})


@pytest.mark.parametrize("key", ["model_type", "task"])
def test_a_description_may_leave_texts_empty(key: str) -> None:
    found = parse_description(yaml.safe_dump(description() | {key: ""}))
    assert found.attributes["framework" if key == "model_type" else "task"] == ""


@pytest.mark.parametrize("key", ["python_version", "snowpark_ml_version"])
def test_a_description_may_not_tell_of_its_environment(key: str) -> None:
    environment = description()["env"]
    found = parse_description(yaml.safe_dump(description(env={**environment, key: ""})))
    assert key not in found.environment
    assert len(found.environment) == 2


def test_an_unknown_type_in_a_signature_is_named() -> None:
    document = description(signatures={"predict": {"inputs": [feature("a", "WIDGET")]}})
    with pytest.raises(InvalidArgument, match=r"signatures\.predict: 'inputs\[0\]\.type'"):
        parse_description(yaml.safe_dump(document))


@pytest.mark.parametrize(
    ("signature", "words"),
    [
        ({"inputs": [{"type": "INT64"}]}, r"signatures\.predict: 'inputs\[0\]\.name' is missing"),
        ({"inputs": [{"name": "a"}]}, r"signatures\.predict: 'inputs\[0\]\.type' is missing"),
        ({"params": [{"name": "a"}]}, r"'params\[0\]\.dtype' is missing"),
        (
            {"inputs": [{"name": "g", "specs": [feature("a"), {"name": "b"}]}]},
            r"'inputs\[0\]\.specs\[1\]\.type' is missing",
        ),
        ({"inputs": {"a": 1}}, r"'inputs' must be a list, not a map"),
        ({"sample_input_file_path": "../x"}, "'sample_input_file_path' is not valid"),
        ([1], r"signatures\.predict must be a map, not a list"),
    ],
    ids=str,
)
def test_what_is_wrong_in_a_signature_is_named(signature: object, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        parse_description(yaml.safe_dump(description(signatures={"predict": signature})))


@given(key=st.sampled_from(sorted(description())), value=_values)
def test_no_description_breaks_the_reader(key: str, value: Any) -> None:
    with suppress(NunatakError):
        parse_description(yaml.safe_dump(description() | {key: value}))
