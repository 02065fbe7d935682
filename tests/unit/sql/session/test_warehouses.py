"""Warehouses: what ALTER does, and what becomes of the session's own."""

from __future__ import annotations

from typing import Any

import pytest

from nunatak.errors import InvalidArgument, SyntaxInvalid
from support.front_end import Front


def shown(front: Front) -> dict[str, Any]:
    (row,) = front.rows("SHOW WAREHOUSES LIKE 'w'")
    return row


def test_a_session_uses_what_it_makes_until_it_is_dropped(front: Front) -> None:
    front.rows("CREATE WAREHOUSE w WITH INITIALLY_SUSPENDED = TRUE AUTO_SUSPEND = 5")
    assert (shown(front)["state"], shown(front)["is_current"]) == ("SUSPENDED", "Y")

    front.rows("DROP WAREHOUSE w")
    assert front.session.warehouse is None


def test_alter_acts_by_its_words(front: Front) -> None:
    front.rows("CREATE WAREHOUSE w AUTO_SUSPEND = 5 COMMENT = 'of mine'")

    front.rows("ALTER WAREHOUSE w SUSPEND")
    assert shown(front)["state"] == "SUSPENDED"
    front.rows("ALTER WAREHOUSE w RESUME IF SUSPENDED")
    assert shown(front)["state"] == "STARTED"
    front.rows("ALTER WAREHOUSE w UNSET AUTO_SUSPEND, COMMENT")
    assert (shown(front)["auto_suspend"], shown(front)["comment"]) == (600, "")


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("ALTER WAREHOUSE w SET INITIALLY_SUSPENDED = TRUE", SyntaxInvalid, "a property to set"),
        ("ALTER WAREHOUSE w STOP", SyntaxInvalid, "RESUME, SET, SUSPEND, UNSET"),
        ("DROP WAREHOUSE db.w", InvalidArgument, "too many parts"),
    ],
)
def test_what_warehouses_do_not_know_is_refused(
    front: Front, text: str, error: type[Exception], words: str
) -> None:
    front.rows("CREATE WAREHOUSE w")

    with pytest.raises(error, match=words):
        front.rows(text)
