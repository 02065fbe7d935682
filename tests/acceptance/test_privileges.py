"""What a lesser role may do, seen by a second user."""

from __future__ import annotations

import pytest

from support.server import Client

pytestmark = pytest.mark.acceptance

UNSEEN, MISSING, NOT_HELD = 2003, 3001, 3013


def test_a_second_user_may_do_what_the_role_was_granted(client: Client) -> None:
    found = client("roles_and_privileges")

    assert found["role"] == ["READER"]
    assert [code for code, _ in found["unseen"]] == [UNSEEN] * 6
    assert all("does not exist or not authorized" in text for _, text in found["unseen"])
    assert found["rows"] == [[1, "x"], [2, "y"]]
    assert found["described"] == [None]
    assert found["view"] == [[1], [2]]
    assert found["revoked"][0][0] == UNSEEN

    assert [code for code, _ in found["changes"]] == [MISSING] * 4
    needed = ["INSERT", "UPDATE", "DELETE", "INSERT"]
    for (_, text), privilege in zip(found["changes"], needed, strict=True):
        assert f"table 'SHARED.S.T': {privilege} is needed" in text
    codes = [code for code, _ in found["definitions"]]
    assert codes == [*[MISSING] * 11, UNSEEN, MISSING, NOT_HELD, UNSEEN]
    assert found["granted"] == [None] * 4
    assert found["changed"] == [[1, "w"], [3, "z"], [9, None]]

    assert found["made"] == [None] * 5
    assert found["owner"] == ["OWN", "WRITER"]
    assert [found["lesser"][0], found["lesser"][1][0]] == [None, MISSING]
    assert [found["given"][0], found["given"][1][0], found["given"][2]] == [None, MISSING, None]
    assert found["all"] == [0]
    assert found["none"][0][0] == UNSEEN
    assert found["made again"][0][0] == UNSEEN

    assert [code for code, _ in found["others"]] == [UNSEEN, UNSEEN, *[MISSING] * 5]
    assert found["peeped"][0] == ["first"]
    assert found["peeped"][1][0] == UNSEEN
    assert "expansion of view" in found["peeped"][1][1]
    assert (found["sequence of"], found["left"]) == ("ACCOUNTADMIN", 0)
