"""The table of codes covers every error class, and no class by accident."""

from __future__ import annotations

import pytest

from nunatak import errors
from nunatak.protocol.errors import CODES, INTERNAL, JWT_CODES, WireCode, failure_of, wire_code


def _classes(base: type[errors.NunatakError]) -> list[type[errors.NunatakError]]:
    return [base, *(found for cls in base.__subclasses__() for found in _classes(cls))]


@pytest.mark.parametrize(
    "cls",
    [cls for cls in _classes(errors.NunatakError) if cls.__module__ == errors.__name__],
    ids=lambda cls: cls.__name__,
)
def test_every_error_class_has_a_line_of_its_own(cls: type[errors.NunatakError]) -> None:
    assert cls in CODES


@pytest.mark.parametrize("code", CODES.values(), ids=lambda code: code.code)
def test_codes_are_six_digits_and_states_five_signs(code: WireCode) -> None:
    assert len(code.code) == 6
    assert code.code.isdigit()
    assert len(code.sql_state) == 5


def test_every_reason_to_refuse_a_signed_token_has_its_code() -> None:
    assert set(JWT_CODES) == set(errors.JwtRefused.REASONS)
    assert wire_code(errors.JwtRefused("x", reason="expired")).code == "394300"


def test_what_is_not_ours_is_internal() -> None:
    assert wire_code(KeyError("x")) is INTERNAL


def test_a_subclass_of_another_room_takes_its_parents_code() -> None:
    class Special(errors.ObjectNotFound):
        """Made elsewhere."""

    assert wire_code(Special("Thing", "X")).code == "002003"


def test_the_place_of_a_syntax_error_is_told() -> None:
    body = failure_of(errors.SyntaxInvalid("unexpected 'X'.", line=2, position=7), query_id="q")

    assert body["success"] is False
    assert body["message"].startswith("SQL compilation error:\n")
    assert (body["data"]["line"], body["data"]["pos"], body["data"]["queryId"]) == (2, 7, "q")


def test_a_message_that_says_so_already_gets_no_second_prefix() -> None:
    body = failure_of(errors.SyntaxInvalid("SQL compilation error:\nunexpected 'X'."))

    assert body["message"].count("SQL compilation error") == 1
