"""Functions that are written here: none without what it needs, checked wherever one is called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nunatak.access.privileges.declared import Needs, Nothing, Rules
from nunatak.errors import InvalidArgument, ObjectNotFound
from nunatak.sql.language import functions
from nunatak.sql.language.functions import (
    Form,
    registered_functions,
    service_method,
    service_table,
    system_function,
    table_function,
    virtual_table,
)
from support.front_end import ANALYST, Front

OPEN = (Nothing(why="it is a test"),)
ON_FIRST = (Needs("MONITOR", "SERVICE", of=0),)


@pytest.fixture
def _own_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "_FUNCTIONS", {form: {} for form in Form})


@pytest.mark.usefixtures("_own_table")
@pytest.mark.parametrize("needs", [None, (), [], (Nothing(why=""),), ("MONITOR",)])
def test_nothing_registers_without_what_it_needs(needs: Any) -> None:
    for register in (system_function, service_table, table_function, virtual_table):
        with pytest.raises(AssertionError, match="GADGET"):
            register("GADGET", needs=needs)
        with pytest.raises(TypeError, match="needs"):
            register("GADGET")  # type: ignore[call-arg]
    with pytest.raises(AssertionError, match="GADGET"):
        service_method("GADGET", needs=needs, takes=(1, 1))
    assert list(registered_functions()) == []


@pytest.mark.usefixtures("_own_table")
@pytest.mark.parametrize(
    ("needs", "takes"),
    [
        (ON_FIRST, None),
        (ON_FIRST, (0, 1)),
        ((Needs("MONITOR", "SERVICE", of=2),), (2, 3)),
        ((Needs("MONITOR", "SERVICE"),), (1, 1)),
    ],
)
def test_what_is_declared_of_an_argument_is_always_given(
    needs: Rules, takes: tuple[int, int] | None
) -> None:
    with pytest.raises(AssertionError, match="GADGET"):
        system_function("GADGET", needs=needs, takes=takes)


@pytest.mark.usefixtures("_own_table")
def test_a_name_registers_once_in_each_form() -> None:
    register = system_function("GADGET", needs=OPEN)
    register(lambda _, __: None)
    with pytest.raises(AssertionError, match="registered twice"):
        system_function("GADGET", needs=OPEN)
    table_function("GADGET", needs=OPEN)(lambda _, __: None)
    assert [item.form for item in registered_functions()] == [Form.SYSTEM, Form.TABLE_FUNCTION]


@pytest.fixture
def front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    monkeypatch.setattr("os.fsync", lambda _: None)  # a slow disk is not what is tested
    opened = Front(tmp_path)
    opened.rows(f"GRANT ROLE {ANALYST} TO USER ADA")
    yield opened
    opened.close()


CALLS = {
    "SYSTEM$CANCEL_JOB": "'j'",
    "SYSTEM$GET_SERVICE_DNS_DOMAIN": "'DB.OTHER'",
    "SYSTEM$GET_SERVICE_LOGS": "'s', '0', 'main'",
    "SYSTEM$GET_SERVICE_STATUS": "'s'",
    "SYSTEM$GET_TAG": "'t', 'm', 'MODULE'",
    "SYSTEM$WAIT_FOR_SERVICES": "1, 's', 't'",
}
FORMS = (
    "CALL {}",
    "SELECT {}",
    "SELECT {} AS x",
    "SELECT UPPER({})",
    "SELECT a, {} FROM (SELECT 1 AS a)",
    "SELECT 1 AS a WHERE {} IS NOT NULL",
)


def test_every_function_that_names_an_object_of_the_catalog_is_tried_here() -> None:
    found = {
        item.name
        for item in registered_functions()
        if item.form is Form.SYSTEM and not isinstance(item.needs[0], Nothing)
    }
    # these look into the catalog for what they need, and are tried with what is there
    looking = {"SYSTEM$DEPLOY_MODEL", "SYSTEM$REGISTRY_LIST_IMAGES"}
    stopping = {
        "SYSTEM$ABORT_SESSION",
        "SYSTEM$CANCEL_ALL_QUERIES",
        "SYSTEM$CANCEL_QUERY",
    }  # statements and sessions are in no catalog
    assert found - set(CALLS) == looking | stopping


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", CALLS)
def test_the_same_is_asked_wherever_a_function_is_called(
    front: Front, name: str, form: str
) -> None:
    front.session.role = ANALYST
    with pytest.raises(ObjectNotFound, match=r"(Service|Schema|Model) '.*' does not exist"):
        front.rows(form.format(f"{name}({CALLS[name]})"))


@pytest.mark.parametrize("form", FORMS)
def test_how_many_arguments_it_takes_is_told_first(front: Front, form: str) -> None:
    front.session.role = ANALYST
    with pytest.raises(InvalidArgument, match="takes 1 to 2 arguments, not 0"):
        front.rows(form.format("SYSTEM$GET_SERVICE_STATUS()"))
