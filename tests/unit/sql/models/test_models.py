"""Statements about models, as the official clients send them and people type them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.errors import (
    InvalidArgument,
    ObjectExists,
    ObjectInUse,
    ObjectNotFound,
    PrivilegeMissing,
    StageUnreadable,
    SyntaxInvalid,
    VersionExists,
)
from support.model_statements import Bench, parse
from support.model_versions import (
    EXPLAIN,
    PARAMS,
    PREDICT,
    description,
    manifest,
    memory_home,
    name,
    write_version,
)

DETAILS = {"SHOW_MODEL_DETAILS_IN_SHOW_VERSIONS_IN_MODEL": True}


@pytest.fixture
def bench() -> Iterator[Bench]:
    with memory_home() as home:
        opened = Bench(home)
        write_version(opened.stage / "model")
        yield opened
        opened.close()


@pytest.fixture
def model(bench: Bench) -> Bench:
    """A bench with model DB.S.M, version V1."""
    bench.rows("CREATE MODEL DB.S.M WITH VERSION V1 FROM @DB.S.STG/model")
    return bench


def test_what_log_model_sends_for_a_new_model(bench: Bench) -> None:
    assert bench.rows("SHOW MODELS LIKE 'M' IN SCHEMA DB.S") == []
    text = bench.status("CREATE MODEL DB.S.M WITH VERSION V1 FROM @DB.S.STG/model")
    assert text == "Model M successfully created."
    (version,) = bench.rows("SHOW VERSIONS LIKE 'V1' IN MODEL DB.S.M", parameters=DETAILS)
    assert version["model_spec"] == (bench.stage / "model/model/model.yaml").read_text()
    (function,) = bench.rows("SHOW FUNCTIONS IN MODEL DB.S.M VERSION V1")
    assert (function["name"], function["return_type"]) == ("PREDICT", "OBJECT")
    bench.status("ALTER MODEL DB.S.M MODIFY VERSION V1 SET COMMENT=$$it's new$$")
    metadata = {"metrics": {"rmse": 0.5}, "snowpark_ml_schema_version": "2024-01-01"}
    bench.status(f"ALTER MODEL DB.S.M MODIFY VERSION V1 SET METADATA=$${json.dumps(metadata)}$$")
    (version,) = bench.rows("SHOW VERSIONS LIKE 'V1' IN MODEL DB.S.M")
    assert (version["comment"], json.loads(version["metadata"])) == ("it's new", metadata)


def test_show_models(model: Bench) -> None:
    model.status("ALTER MODEL M ADD VERSION V2 FROM @DB.S.STG/model")
    model.status("ALTER MODEL M VERSION V2 SET ALIAS = PROD")
    model.status("COMMENT ON MODEL DB.S.M IS $$about$$")
    (row,) = model.rows("SHOW MODELS")
    assert row.pop("created_on") is not None
    assert json.loads(row.pop("versions")) == ["V1", "V2"]
    assert json.loads(row.pop("aliases")) == {
        "DEFAULT": "V1",
        "FIRST": "V1",
        "LAST": "V2",
        "PROD": "V2",
    }
    assert row == {
        "name": "M",
        "model_type": "USER_MODEL",
        "database_name": "DB",
        "schema_name": "S",
        "comment": "about",
        "owner": "ACCOUNTADMIN",
        "default_version_name": "V1",
    }


@pytest.mark.parametrize(
    ("scope", "found"),
    [
        ("", ["A_B", "AXB", "M"]),
        ("IN ACCOUNT", ["Q", "A_B", "AXB", "M"]),
        ("IN DATABASE DB", ["Q", "A_B", "AXB", "M"]),
        ("IN SCHEMA OTHER", ["Q"]),
        ("IN DB.OTHER", ["Q"]),
        ("LIKE 'a%' IN SCHEMA DB.S", ["A_B", "AXB"]),
        ("LIKE 'A_B' IN SCHEMA DB.S", ["A_B"]),
        ("STARTS WITH 'A' LIMIT 1", ["AXB"]),
    ],
)
def test_where_show_models_looks(model: Bench, scope: str, found: list[str]) -> None:
    for title in ("A_B", "AXB", "OTHER.Q"):
        model.status(f"CREATE MODEL {title} FROM MODEL M")
    rows = model.rows(f"SHOW MODELS {scope}")
    assert sorted(row["name"] for row in rows) == sorted(found)


def test_show_versions(model: Bench) -> None:
    used = model.models.version(name("M"))
    model.usage.used[used.id] = ["DB.S.SVC"]
    (row,) = model.rows("SHOW VERSIONS IN MODEL M")
    assert row["created_on"] is not None
    assert row["is_default_version"] == "true"
    assert (row["database_name"], row["schema_name"], row["model_name"]) == ("DB", "S", "M")
    assert row["size"] == used.size_bytes > 0
    decoded = {
        key: json.loads(row[key])
        for key in (
            "aliases",
            "functions",
            "metadata",
            "user_data",
            "model_attributes",
            "environment",
            "runnable_in",
            "inference_services",
        )
    }
    assert decoded == {
        "aliases": ["DEFAULT", "FIRST", "LAST"],
        "functions": ["PREDICT"],
        "metadata": {},
        "user_data": {},
        "model_attributes": {
            "framework": "sklearn",
            "task": "TABULAR_REGRESSION",
            "client": "snowflake-ml-python 2.6.0",
        },
        "environment": {
            "python_version": "3.11",
            "cuda_version": "12.4",
            "snowpark_ml_version": "2.6.0",
        },
        "runnable_in": ["WAREHOUSE", "SNOWPARK_CONTAINER_SERVICES"],
        "inference_services": ["DB.S.SVC"],
    }
    assert "model_spec" not in row


def test_the_reason_why_a_platform_is_missing_can_be_read(bench: Bench) -> None:
    document = manifest(target_platforms=["SNOWPARK_CONTAINER_SERVICES"])
    write_version(bench.stage / "spcs", manifest_document=document)
    bench.status("CREATE MODEL N FROM @DB.S.STG/spcs")
    (row,) = bench.rows("SHOW VERSIONS IN MODEL N")
    assert json.loads(row["runnable_in"]) == ["SNOWPARK_CONTAINER_SERVICES"]
    assert row["runnable_in_reason"] == "WAREHOUSE: not wanted"
    described = {item["property"]: item["value"] for item in bench.rows("DESC MODEL N")}
    assert described["runnable_in_reason"] == "WAREHOUSE: not wanted"
    assert described["function PREDICT"] == "(SL DOUBLE, SW DOUBLE) RETURNS OBJECT"


def test_show_functions(bench: Bench) -> None:
    methods = [{**PREDICT, "params": PARAMS}, EXPLAIN]
    write_version(
        bench.stage / "more",
        manifest_document=manifest(methods),
        model_document=description(signatures={}),
    )
    bench.status("CREATE MODEL N FROM @DB.S.STG/more")
    predict, explain = bench.rows("SHOW FUNCTIONS IN MODEL N")
    assert (predict["min_num_arguments"], predict["max_num_arguments"]) == (2, 4)
    assert json.loads(predict["arguments"])[2:] == [
        {"name": "TEMPERATURE", "type": "DOUBLE", "default": "0.5"},
        {"name": "STYLE", "type": "STRING", "default": "'a\\'b'"},
    ]
    assert explain["return_type"] == 'TABLE (TOTAL DOUBLE, "note" STRING)'
    assert explain["language"] == "PYTHON"
    (one,) = bench.rows("SHOW FUNCTIONS LIKE 'exp%' IN MODEL N VERSION FIRST")
    assert (one["name"], one["version_name"]) == ("EXPLAIN", "V1")


def test_a_live_version_as_the_client_makes_it(bench: Bench) -> None:
    bench.status("CREATE MODEL DB.S.PENDING_1_MODEL WITH LIVE VERSION LIVE_1_VERSION")
    (row,) = bench.rows("SHOW VERSIONS IN MODEL PENDING_1_MODEL", parameters=DETAILS)
    assert (row["functions"], row["runnable_in"], row["model_spec"]) == ("[]", "[]", "")
    assert "COMMIT VERSION" in row["runnable_in_reason"]
    commit = (
        "ALTER MODEL DB.S.PENDING_1_MODEL COMMIT VERSION LIVE_1_VERSION "
        "RENAME TO DB.S.M RENAME VERSION TO V1"
    )
    with pytest.raises(StageUnreadable):
        bench.rows(commit)
    live = bench.models.version(name("PENDING_1_MODEL"))
    for file in (bench.stage / "model").rglob("*"):
        if file.is_file():
            path = file.relative_to(bench.stage / "model").as_posix()
            waiting = bench.models.live.upload_path(live, path)
            bench.models.live.put_file(live, path, Path(shutil.copy(file, waiting)))
    bench.status(commit)
    (row,) = bench.rows("SHOW VERSIONS LIKE 'V1' IN MODEL M")
    assert json.loads(row["functions"]) == ["PREDICT"]
    bench.status("ALTER MODEL M ADD LIVE VERSION V2")
    assert bench.models.version(name("M"), "V2").is_live


def test_copies_of_versions(model: Bench) -> None:
    model.status("CREATE MODEL N WITH VERSION W1 FROM MODEL DB.S.M VERSION V1")
    model.status("ALTER MODEL N ADD VERSION W2 FROM MODEL M VERSION DEFAULT")
    digests = {item.digest for item in model.models.get(name("N")).versions}
    assert digests == {model.models.version(name("M")).digest}


def test_or_replace_and_if_not_exists(model: Bench) -> None:
    create = "MODEL M WITH VERSION V9 FROM @DB.S.STG/model"
    with pytest.raises(ObjectExists, match="already exists"):
        model.rows(f"CREATE {create}")
    exists = "M already exists, statement succeeded."
    assert model.status(create.replace("MODEL M", "CREATE MODEL IF NOT EXISTS M")) == exists
    assert model.models.version(name("M")).name == "V1"
    model.status(f"CREATE OR REPLACE {create}")
    assert model.models.version(name("M")).name == "V9"
    with pytest.raises(InvalidArgument, match="exclude each other"):
        model.rows("CREATE OR REPLACE MODEL IF NOT EXISTS M FROM @STG")


def test_a_stage_without_a_manifest(bench: Bench) -> None:
    (bench.stage / "model/MANIFEST.yml").unlink()
    with pytest.raises(StageUnreadable, match=r"Unable to read file MANIFEST\.yml"):
        bench.rows("CREATE MODEL M WITH VERSION V1 FROM @DB.S.STG/model")
    assert bench.rows("SHOW MODELS") == []


def test_aliases_and_default_version(model: Bench) -> None:
    model.status("ALTER MODEL M ADD VERSION V2 FROM @DB.S.STG/model")
    model.status("ALTER MODEL M VERSION V1 SET ALIAS = PROD")
    model.status("ALTER MODEL M MODIFY VERSION LAST SET ALIAS = 'prod'")
    model.status("ALTER MODEL M SET DEFAULT_VERSION = PROD COMMENT = 'c'")
    rows = {
        row["name"]: json.loads(row["aliases"]) for row in model.rows("SHOW VERSIONS IN MODEL M")
    }
    assert rows == {"V1": ["FIRST"], "V2": ["PROD", "DEFAULT", "LAST"]}
    model.status("ALTER MODEL M VERSION PROD UNSET ALIAS")
    model.status("ALTER MODEL M SET DEFAULT_VERSION = 'V1'")
    model.status("ALTER MODEL M DROP VERSION V2")
    with pytest.raises(InvalidArgument, match="default version"):
        model.rows("ALTER MODEL M DROP VERSION V1")
    with pytest.raises(VersionExists, match="already exists"):
        model.rows("ALTER MODEL M ADD VERSION V1 FROM @DB.S.STG/model")


def test_names_in_quotes(model: Bench) -> None:
    model.status('ALTER MODEL M VERSION V1 RENAME TO "v 1"')
    model.status('ALTER MODEL M RENAME TO OTHER."my model"')
    (row,) = model.rows("SHOW VERSIONS LIKE 'v 1' IN MODEL DB.OTHER.\"my model\"")
    assert row["model_name"] == "my model"
    with pytest.raises(ObjectNotFound, match="does not exist or not authorized"):
        model.rows("SHOW VERSIONS IN MODEL M")


def test_drop(model: Bench) -> None:
    version = model.models.version(name("M"))
    model.usage.used[version.id] = ["DB.S.SVC"]
    with pytest.raises(ObjectInUse, match=r"DB\.S\.SVC"):
        model.rows("DROP MODEL M")
    model.usage.used.clear()
    assert model.status("DROP MODEL M") == "M successfully dropped."
    with pytest.raises(ObjectNotFound):
        model.rows("DROP MODEL M")
    assert "already dropped" in model.status("DROP MODEL IF EXISTS M")
    assert model.status("COMMENT IF EXISTS ON MODEL M IS 'x'")


@pytest.mark.parametrize(
    "action",
    [
        "ADD VERSION V2 FROM @STG/model",
        "ADD LIVE VERSION V2",
        "COMMIT VERSION V1 RENAME TO N",
        "DROP VERSION V1",
        "MODIFY VERSION V1 SET ALIAS = A",
        "VERSION V1 UNSET ALIAS",
        "VERSION V1 RENAME TO V2",
        "SET DEFAULT_VERSION = V1",
        "SET TAG T = 'a'",
        "UNSET TAG T",
        "RENAME TO N",
    ],
)
def test_no_action_is_missed_where_there_is_no_model(bench: Bench, action: str) -> None:
    bench.rows("CREATE TAG T")
    assert bench.status(f"ALTER MODEL IF EXISTS M {action}") == "Statement executed successfully."
    with pytest.raises(ObjectNotFound, match=r"'DB\.S\.M'"):
        bench.rows(f"ALTER MODEL M {action}")
    assert bench.rows("SHOW MODELS") == []


@pytest.mark.parametrize(
    "text",
    [
        "CREATE MODEL M",
        "CREATE MODEL M WITH VERSION V1",
        "CREATE MODEL M WITH LIVE VERSION V1 FROM @STG",
        "ALTER MODEL M",
        "ALTER MODEL M SET",
        "ALTER MODEL M SET COLOR = 'red'",
        "ALTER MODEL M MODIFY VERSION V1 SET COMMENT='a' COMMENT='b'",
        "ALTER MODEL M ADD VERSION V1",
        "ALTER MODEL M SET TAG t",
        "SHOW VERSIONS",
        "SHOW FUNCTIONS IN MODEL",
        "DROP MODEL M CASCADE",
    ],
)
def test_what_is_no_statement_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(SyntaxInvalid, match="syntax error"):
        parse(text)


@pytest.mark.parametrize("metadata", ["", "[1]", "{", '"text"'])
def test_metadata_must_be_an_object(model: Bench, metadata: str) -> None:
    with pytest.raises(InvalidArgument, match=r"METADATA .*JSON"):
        model.rows(f"ALTER MODEL M MODIFY VERSION V1 SET METADATA=$${metadata}$$")


CHANGES = [
    "ALTER MODEL M SET COMMENT = 'x'",
    "ALTER MODEL M ADD VERSION V2 FROM @DB.S.STG/model",
    "ALTER MODEL M RENAME TO N",
    "COMMENT ON MODEL M IS 'x'",
    "DROP MODEL M",
    "CREATE OR REPLACE MODEL M FROM @DB.S.STG/model",
]
READS = [
    "SHOW VERSIONS IN MODEL M",
    "SHOW FUNCTIONS IN MODEL M",
    "DESCRIBE MODEL M",
]


def grant(bench: Bench, privilege: str, kind: str = "MODEL", on: str = "DB.S.M") -> None:
    bench.parts.access.grants.grant([privilege], kind, on, role="ANALYST", by="ACCOUNTADMIN")


def test_a_role_without_privileges_sees_and_does_nothing(model: Bench) -> None:
    model.session.role = "ANALYST"
    for text in (*CHANGES, *READS):
        with pytest.raises((ObjectNotFound, PrivilegeMissing)):
            model.rows(text)
    assert model.rows("SHOW MODELS") == []


def test_usage_lets_look_and_ownership_lets_change(model: Bench) -> None:
    grant(model, "USAGE")
    model.session.role = "ANALYST"
    for text in READS:
        assert model.rows(text)
    assert [row["name"] for row in model.rows("SHOW MODELS")] == ["M"]
    for text in CHANGES:
        with pytest.raises(PrivilegeMissing):
            model.rows(text)
    grant(model, "OWNERSHIP")
    assert model.status("ALTER MODEL M SET COMMENT = 'mine'")
    with pytest.raises(ObjectNotFound, match="STG"):
        model.rows("ALTER MODEL M ADD VERSION V2 FROM @DB.S.STG/model")
    with pytest.raises(PrivilegeMissing, match="CREATE MODEL"):
        model.rows("ALTER MODEL M RENAME TO N")
    grant(model, "CREATE MODEL", "SCHEMA", "DB.S")
    assert model.status("ALTER MODEL M RENAME TO N")


def test_copying_needs_read(model: Bench) -> None:
    grant(model, "USAGE")
    grant(model, "CREATE MODEL", "SCHEMA", "DB.S")
    model.session.role = "ANALYST"
    with pytest.raises(PrivilegeMissing, match="READ"):
        model.rows("CREATE MODEL N FROM MODEL M")
    grant(model, "READ")
    assert model.status("CREATE MODEL N FROM MODEL M")
    (row,) = model.rows("SHOW MODELS LIKE 'N'")
    assert row["owner"] == "ANALYST"
