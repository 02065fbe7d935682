"""Statements that lack something, or hold what cannot stand there: refused by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.errors import InvalidArgument, NunatakError
from support.front_end import Front
from support.fuzz import examples

ODD = [
    "SELECT 1/'a'",
    "SELECT ARRAY_AGG(DISTINCT)",
    "SELECT OBJECT_AGG(1)",
    "SELECT AS_INTEGER()",
    "SELECT INITCAP(DISTINCT 'a')",
    "SELECT DATE_TRUNC(FROM'WEEK', a) FROM t",
    "SELECT * Y FROM t",
    "SELECT * EXCEPT (a,[1,2]) FROM t",
    "SELECT 1 FROM x.y..z",
    "SHOW UNIQUE",
    "SHOW UNIQUE KEYS IN TABLE",
    "SHOW PRIMARY KEYS IN TABLE LIMIT 1",
    "SHOW COLUMNS IN TABLE",
    "SHOW JOB SERVICES IN COMPUTE POOL",
    "SHOW SERVICES IN COMPUTE POOL",
    "COPY INTO @~/f OVERWRITE=TRUE FROM (SELECT 0)",
    "COPY INTO t FILE_FORMAT=(TYPE='csv')",
    "COPY INTO 's3://b/x' FROM (SELECT 1)",
    "CREATE SEQUENCE s START WITH ?",
]
PIECES = [
    *("", "1", "'a'", "NULL", "a", "b", "*", "t.*", "[1]", "{'a': 1}", "DISTINCT", "DISTINCT a"),
    *("a ORDER BY b", "x => 1", "day", "a::VARIANT", "(SELECT 1)", "INTERVAL '1 day'", "FROM a"),
]
FUNCTIONS = [
    *("ARRAY_AGG", "OBJECT_AGG", "AS_INTEGER", "AS_CHAR", "INITCAP", "DATE_TRUNC", "DATEADD"),
    *("IFF", "TO_CHAR", "TO_DATE", "GET", "ARRAY_SORT", "OBJECT_CONSTRUCT", "NTH_VALUE", "LAG"),
    *("DECODE", "TRY_CAST", "LISTAGG", "MEDIAN", "UNIFORM", "SPLIT_PART", "FLATTEN", "NVL2"),
]


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    made = Front(tmp_path_factory.mktemp("home"))
    made.rows("CREATE TABLE t (a INT, b VARCHAR)")
    yield made
    made.close()


@pytest.mark.parametrize("text", ODD)
def test_what_lacks_something_is_refused_by_name(front: Front, text: str) -> None:
    with pytest.raises(NunatakError) as told:
        front.run(text)
    assert not re.search(r"sqlglot|<class|nk_|Candidate|Traceback", str(told.value))
    with suppress(NunatakError):
        front.describe(text)


def test_a_text_that_is_no_number_divides_nothing(front: Front) -> None:
    with pytest.raises(NunatakError, match="Numeric value 'a' is not recognized"):
        front.run("SELECT 1/'a'")


@examples(150)
@given(
    st.sampled_from(FUNCTIONS),
    st.lists(st.sampled_from(PIECES), max_size=4),
    st.sampled_from(["", " FROM t", " OVER ()"]),
)
def test_functions_of_any_arguments_end_in_an_answer(
    front: Front, name: str, arguments: list[str], end: str
) -> None:
    with suppress(NunatakError):
        front.rows(f"SELECT {name}({', '.join(arguments)}){end}")


@pytest.mark.parametrize(
    "text",
    [
        "DROP DATABASE {}.DB",
        "ALTER DATABASE {}.DB SET COMMENT = 'x'",
        "COMMENT ON DATABASE {}.DB IS 'x'",
        "DESCRIBE DATABASE {}.DB",
        "GRANT USAGE ON DATABASE {}.DB TO ROLE ANALYST",
        "REVOKE USAGE ON DATABASE {}.DB FROM ROLE ANALYST",
        "GRANT SELECT ON ALL TABLES IN DATABASE {}.DB TO ROLE ANALYST",
        "CREATE SCHEMA DB.{}.NEW",
        "DROP SCHEMA DB.{}.PUBLIC",
        "DESCRIBE SCHEMA DB.{}.PUBLIC",
        "GRANT USAGE ON SCHEMA DB.{}.PUBLIC TO ROLE ANALYST",
        "SHOW GRANTS ON SCHEMA DB.{}.PUBLIC",
    ],
)
def test_a_part_of_a_name_that_means_nothing_is_refused(front: Front, text: str) -> None:
    with pytest.raises(InvalidArgument, match="too many parts"):
        front.rows(text.format("OTHER"))
