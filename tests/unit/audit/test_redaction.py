"""No secret of a statement is kept, wherever it stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.audit.redaction import KEPT_CHARS, redacted

SECRET = "hunter2"


@pytest.mark.parametrize(
    "text",
    [
        "CREATE USER U PASSWORD = 'hunter2'",
        "create user u password='hunter2' comment = 'x'",
        "ALTER USER U SET PASSWORD /* = 'x' */ =\n'hunter2'",
        "CREATE SECRET S TYPE = GENERIC_STRING SECRET_STRING = 'hunter2'",
        "CREATE SECRET S SECRET_STRING = $$hunter2$$",
        "ALTER SECRET S SET SECRET_STRING = 'it''s hunter2'",
        r"ALTER SECRET S SET SECRET_STRING = 'it\'s hunter2'",
        "SET TOKEN = 'hunter2'",
        "CREATE STAGE S CREDENTIALS = (AWS_KEY_ID = 'hunter2')",
        "SELECT 'hunter2' AS PRIVATE_KEY",
        "ALTER USER U SET PASSWORD = 'hunter2",
        "ALTER USER U SET PASSWORD = $$hunter2",
        'SELECT PARSE_JSON(\'{"api_key": "hunter2"}\')',
        "SELECT CALL('Authorization: Bearer hunter2')",
    ],
)
def test_a_statement_that_names_a_secret_keeps_no_text(text: str) -> None:
    assert SECRET not in redacted(text)


def test_other_statements_stay_as_they_are() -> None:
    text = "SELECT 'it''s' FROM T WHERE A = 'b' -- hunter2"
    assert redacted(text) == text


def test_of_what_was_cut_off_no_text_is_kept() -> None:
    text = f"SELECT '{SECRET}', {'1,' * KEPT_CHARS}"[:KEPT_CHARS]
    assert SECRET not in redacted(text)


@given(
    st.lists(
        st.sampled_from(["'", "''", "\\", "\\'", "$$", "$", " ", "--", "x", "\n", '"']), max_size=12
    )
)
def test_whatever_stands_before_a_password_it_is_not_kept(before: list[str]) -> None:
    text = "".join(before).replace("\\", "\\\\").replace("'", "''")
    assert SECRET not in redacted(f"ALTER USER U SET COMMENT = '{text}' PASSWORD = '{SECRET}'")
