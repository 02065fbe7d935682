"""Services as a family of objects: its actions, what it refuses, comments."""

from __future__ import annotations

import pytest

from nunatak.errors import ObjectNotFound, PrivilegeMissing, Unsupported
from nunatak.sql.language.family.table import DONE
from support.plane import World

ACTIONS = [
    "SUSPEND",
    "RESUME",
    "SET MAX_INSTANCES = 2",
    "MAX_INSTANCES = 2",
    "UNSET COMMENT",
    "SET TAG TEAM = 'a'",
    "UNSET TAG TEAM",
    "FROM SPECIFICATION $$x$$",
]


@pytest.mark.parametrize("action", ACTIONS)
def test_only_if_exists_passes_over_a_service_that_is_not_there(
    running: World, action: str
) -> None:
    running.rows("CREATE TAG TEAM")
    assert running.value(f"ALTER SERVICE IF EXISTS ABSENT {action}") == DONE

    with pytest.raises(ObjectNotFound):
        running.rows(f"ALTER SERVICE ABSENT {action}")


@pytest.mark.parametrize("exists", ["", "IF EXISTS "])
def test_volumes_are_refused_by_name(running: World, exists: str) -> None:
    with pytest.raises(Unsupported, match="RESTORE VOLUME"):
        running.rows(f"ALTER SERVICE {exists}SVC RESTORE VOLUME v INSTANCES 0 FROM SNAPSHOT s")


def test_a_comment_is_put_on_a_service_by_who_owns_it(running: World) -> None:
    assert running.value("COMMENT ON SERVICE SVC IS 'of mine'") == DONE
    assert running.row("SHOW SERVICES LIKE 'SVC'")["comment"] == "of mine"
    assert running.value("COMMENT IF EXISTS ON SERVICE DB.S.SVC IS ''") == DONE
    assert running.row("DESCRIBE SERVICE SVC")["comment"] is None

    running.rows("GRANT OPERATE ON SERVICE SVC TO ROLE ANALYST")
    running.rows("GRANT MONITOR ON SERVICE SVC TO ROLE ANALYST")
    running.session.role = "ANALYST"
    with pytest.raises(PrivilegeMissing):
        running.rows("COMMENT ON SERVICE SVC IS 'of mine'")
    running.rows("ALTER SERVICE SVC SUSPEND")


def test_a_comment_starts_no_instance_anew(running: World) -> None:
    before = running.snapshot().services[0].spec.revision
    running.rows("COMMENT ON SERVICE SVC IS 'of mine'")
    assert running.snapshot().services[0].spec.revision == before
