"""Tags of models, and what the clients ask about the platform."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from nunatak.catalog import tags
from nunatak.errors import (
    InvalidArgument,
    LimitExceeded,
    ObjectExists,
    ObjectNotFound,
    Unsupported,
)
from nunatak.sql.language.functions import find_function, functions_in_queries
from nunatak.sql.models.system import (
    dgql,
    ml_platform_capabilities,
    package_rows,
    packages,
)
from nunatak.warehouse.core.results import Result
from support.model_statements import Bench
from support.model_versions import memory_home, write_version
from support.places import let_use


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A bench with model DB.S.M and tag DB.OTHER.T."""
    with memory_home() as home:
        opened = Bench(home)
        write_version(opened.stage / "model")
        opened.rows("CREATE MODEL M FROM @STG/model")
        opened.rows("CREATE TAG OTHER.T")
        yield opened
        opened.close()


def references(bench: Bench, arguments: list[object]) -> Result:
    return functions_in_queries(bench.injector).table_functions["TAG_REFERENCES"](
        bench.session, arguments
    )


def value(bench: Bench, tag: str = "DB.OTHER.T") -> str | None:
    found: str | None = find_function("SYSTEM$GET_TAG").call(
        bench.context(), [tag, "DB.S.M", "MODULE"], bench.injector
    )
    return found


def test_what_the_client_sends(bench: Bench) -> None:
    assert value(bench) is None
    bench.status("ALTER MODEL DB.S.M SET TAG DB.OTHER.T = $$it's$$")
    assert value(bench) == "it's"
    result = references(bench, ["DB.S.M", "MODULE"])
    (row,) = [row for batch in result.batches for row in batch.to_pylist()]
    assert list(row) == [field.name for field in result.fields]
    assert {key: item for key, item in row.items() if key.startswith("TAG_")} == {
        "TAG_DATABASE": "DB",
        "TAG_SCHEMA": "OTHER",
        "TAG_NAME": "T",
        "TAG_VALUE": "it's",
    }
    bench.status("ALTER MODEL DB.S.M UNSET TAG DB.OTHER.T")
    assert value(bench) is None


def test_several_tags_in_one_statement(bench: Bench) -> None:
    bench.status("CREATE TAG U COMMENT = 'about'")
    bench.status("ALTER MODEL M SET TAG OTHER.T = 'a', U = 'b'")
    assert (value(bench), value(bench, "U")) == ("a", "b")
    bench.status("ALTER MODEL M UNSET TAG OTHER.T, U")
    assert (value(bench), value(bench, "U")) == (None, None)


def test_tags_follow_renames_and_end_with_the_tag(bench: Bench) -> None:
    bench.status("ALTER MODEL M SET TAG OTHER.T = 'a'")
    bench.status("ALTER TAG OTHER.T RENAME TO DB.S.T2")
    assert value(bench, "T2") == "a"
    bench.status("CREATE OR REPLACE TAG T2")
    assert value(bench, "T2") is None
    bench.status("ALTER MODEL M SET TAG T2 = 'b'")
    assert bench.status("DROP TAG T2") == "T2 successfully dropped."
    assert list(references(bench, ["M", "MODULE"]).batches) == []


def test_allowed_values(bench: Bench) -> None:
    bench.status("CREATE TAG COLOR ALLOWED_VALUES 'red', 'green'")
    bench.status("ALTER MODEL M SET TAG COLOR = 'red'")
    with pytest.raises(InvalidArgument, match="use one of 'red', 'green'"):
        bench.rows("ALTER MODEL M SET TAG COLOR = 'blue'")
    bench.status("ALTER TAG COLOR ADD ALLOWED_VALUES 'blue'")
    bench.status("ALTER MODEL M SET TAG COLOR = 'blue'")
    bench.status("ALTER TAG COLOR DROP ALLOWED_VALUES 'blue'")
    (row,) = bench.rows("SHOW TAGS LIKE 'COLOR'")
    assert json.loads(row["allowed_values"]) == ["red", "green"]
    bench.status("ALTER TAG COLOR UNSET ALLOWED_VALUES")
    bench.status("ALTER MODEL M SET TAG COLOR = 'any'")


def test_show_and_create_tags(bench: Bench) -> None:
    bench.status("ALTER TAG OTHER.T SET COMMENT = 'c'")
    (row,) = bench.rows("SHOW TAGS IN SCHEMA DB.OTHER")
    assert (row["name"], row["schema_name"], row["comment"]) == ("T", "OTHER", "c")
    assert row["owner"] == "ACCOUNTADMIN"
    with pytest.raises(ObjectExists):
        bench.rows("CREATE TAG OTHER.T")
    assert "already exists" in bench.status("CREATE TAG IF NOT EXISTS OTHER.T")
    with pytest.raises(ObjectNotFound):
        bench.rows("CREATE TAG NOWHERE.T")
    with pytest.raises(ObjectNotFound):
        bench.rows("DROP TAG NONE")
    assert "already dropped" in bench.status("DROP TAG IF EXISTS NONE")
    assert bench.status("ALTER TAG IF EXISTS NONE SET COMMENT = 'x'")


def test_bounds(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidArgument, match="256"):
        bench.rows(f"ALTER MODEL M SET TAG OTHER.T = '{'x' * 257}'")
    monkeypatch.setattr(tags, "TAGS_PER_OBJECT", 1)
    bench.status("CREATE TAG U")
    with pytest.raises(LimitExceeded, match="at most 1 tags"):
        bench.rows("ALTER MODEL M SET TAG OTHER.T = 'a', U = 'b'")


def test_whose_tags_may_be_read_and_set(bench: Bench) -> None:
    bench.session.role = "ANALYST"
    with pytest.raises(ObjectNotFound):
        value(bench)
    grants = bench.parts.access.grants
    grants.grant(["OWNERSHIP"], "MODEL", "DB.S.M", role="ANALYST", by="ACCOUNTADMIN")
    assert value(bench) is None
    let_use(bench.parts.access, "DB.OTHER")
    with pytest.raises(ObjectNotFound, match="T"):
        bench.rows("ALTER MODEL M SET TAG OTHER.T = 'a'")
    grants.grant(["APPLY"], "TAG", "DB.OTHER.T", role="ANALYST", by="ACCOUNTADMIN")
    bench.rows("ALTER MODEL M SET TAG OTHER.T = 'a'")


@pytest.mark.parametrize("arguments", [[], ["T", "M"], ["T", "M", None], ["T", "M", 1]])
def test_get_tag_wants_three_texts(bench: Bench, arguments: list[object]) -> None:
    with pytest.raises(InvalidArgument, match="three texts"):
        find_function("SYSTEM$GET_TAG").call(bench.context(), arguments, bench.injector)


def test_other_domains_are_named(bench: Bench) -> None:
    with pytest.raises(Unsupported, match="'TABLE'"):
        find_function("SYSTEM$GET_TAG").call(
            bench.context(), ["DB.OTHER.T", "DB.S.M", "TABLE"], bench.injector
        )
    with pytest.raises(InvalidArgument, match="two texts"):
        references(bench, ["M"])


def test_capabilities(bench: Bench) -> None:
    found = json.loads(ml_platform_capabilities(bench.context(), []))
    assert found["ENABLE_INLINE_DEPLOYMENT_SPEC_FROM_CLIENT_VERSION"] == "1.0.0"
    assert found["ENABLE_PIP_ONLY_PACKAGING"] is True
    assert "ENABLE_SINGLE_OUTPUT_NATIVE_TYPE" not in found
    with pytest.raises(InvalidArgument):
        ml_platform_capabilities(bench.context(), ["x"])


def test_the_client_finds_its_own_release(bench: Bench) -> None:
    versions = {row[1] for row in package_rows()}
    assert {"1.5.0", "1.48.0", "2.6.0"} <= versions
    result = packages(bench.context(), ["DB"])
    assert [field.name for field in result.fields] == [
        "PACKAGE_NAME",
        "VERSION",
        "LANGUAGE",
        "RUNTIME_VERSION",
    ]


def test_the_shared_artifact_repository(bench: Bench) -> None:
    assert bench.rows("DESC ARTIFACT REPOSITORY snowflake.snowpark.pypi_shared_repository")
    with pytest.raises(ObjectNotFound, match="PYPI_SHARED_REPOSITORY"):
        bench.rows("DESCRIBE ARTIFACT REPOSITORY MY_REPOSITORY")


def test_lineage_of_what_the_role_may_see(bench: Bench) -> None:
    version = bench.models.version(bench.session.qualify(("M",)))
    bench.usage.used[version.id] = ["DB.S.SVC"]
    query = '{V(domain: MODULE, name:"V1", parentName:"DB.S.M") {downstream: E(){S{id}}}}'
    found = json.loads(bench.injector.call(dgql, bench.context(), [query]))["data"]["V"][
        "downstream"
    ]
    assert [edge["T"]["name"] for edge in found] == ["SVC"]
    bench.session.role = "ANALYST"
    found = json.loads(bench.injector.call(dgql, bench.context(), [query]))
    assert found == {"data": {"V": {"downstream": [], "upstream": []}}}
    with pytest.raises(InvalidArgument):
        bench.injector.call(dgql, bench.context(), [])
