"""What services may reach and which secrets they hold, from statements to running instances."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from nunatak.catalog.names import QualifiedName
from nunatak.compute.spec import InstanceSpec, LiveInputs
from nunatak.errors import (
    InvalidArgument,
    NunatakError,
    ObjectNotFound,
    PrivilegeMissing,
    ServiceUnavailable,
    Unsupported,
)
from support.granting import take
from support.plane import DIGEST, World, open_world

POOL = "CREATE COMPUTE POOL POOL MIN_NODES = 1 MAX_NODES = 4 INSTANCE_FAMILY = CPU_X64_XS"
RULE = "CREATE OR REPLACE NETWORK RULE {} MODE = EGRESS TYPE = HOST_PORT VALUE_LIST = ('{}')"
INTEGRATION = (
    "CREATE OR REPLACE EXTERNAL ACCESS INTEGRATION {} ALLOWED_NETWORK_RULES = ({}) ENABLED = TRUE"
)
VARIABLE = {"snowflakeSecret": "TOK", "secretKeyRef": "secret_string", "envVarName": "TOKEN"}
FILES = {"snowflakeSecret": {"objectName": "db.s.login"}, "directoryPath": "/usr/local/creds"}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world with an image, two integrations and two secrets."""
    monkeypatch.setattr("os.fsync", lambda _: None)  # a slow disk is not what is tested
    with open_world(tmp_path) as opened:
        opened.rows(POOL)
        opened.rows("CREATE IMAGE REPOSITORY REPO")
        opened.deploy(opened.order(image_repository=QualifiedName("DB", "S", "REPO")))
        for name in ("A", "B"):
            opened.rows(RULE.format(f"R_{name}", f"{name}.example:443"))
            opened.rows(INTEGRATION.format(f"I_{name}", f"R_{name}"))
        opened.rows("CREATE SECRET TOK TYPE = GENERIC_STRING SECRET_STRING = 'open sesame'")
        opened.rows("CREATE SECRET LOGIN TYPE = PASSWORD USERNAME = 'me' PASSWORD = 'hidden'")
        yield opened


def specification(*secrets: object, **changes: object) -> str:
    container = {
        "name": "main",
        "image": f"/db/s/repo/model-inference@sha256:{DIGEST}",
        "secrets": list(secrets),
        **changes,
    }
    return yaml.safe_dump({"spec": {"containers": [container]}})


def create(world: World, text: str, properties: str = "") -> InstanceSpec:
    """A service MINE that runs; what its instance was started with."""
    world.rows(
        f"CREATE SERVICE MINE IN COMPUTE POOL POOL FROM SPECIFICATION $${text}$$ {properties}"
    )
    world.settle()
    return started(world)


def started(world: World) -> InstanceSpec:
    return next(it for it in reversed(world.runtime.specs.values()) if it.service == "DB.S.MINE")


def live(world: World) -> LiveInputs:
    """What the running instance was told last."""
    world.settle()
    return world.runtime.live[started(world).id]


def starts(world: World) -> int:
    return sum(world.runtime.specs[it].service == "DB.S.MINE" for it in world.runtime.starts)


def message(world: World) -> str:
    return str(world.row("DESCRIBE SERVICE MINE")["message"])


BOTH = "EXTERNAL_ACCESS_INTEGRATIONS = (I_A, I_B)"


def test_an_instance_is_started_with_what_its_integrations_allow(world: World) -> None:
    assert create(world, specification(), BOTH).live.egress == ("a.example:443", "b.example:443")
    assert message(world) == "Running"


def test_a_service_without_integrations_has_no_network(world: World) -> None:
    assert create(world, specification()).live.egress is None
    world.settle()
    assert world.runtime.live == {}


@pytest.mark.parametrize(
    ("statement", "hosts", "told"),
    [
        ("ALTER NETWORK RULE R_A SET VALUE_LIST = ('c.example')", "cb", ""),
        ("ALTER EXTERNAL ACCESS INTEGRATION I_A SET ENABLED = FALSE", "b", "I_A is disabled"),
        ("ALTER INTEGRATION I_A SET ALLOWED_NETWORK_RULES = (R_A, R_B)", "ab", ""),
        ("DROP INTEGRATION I_B", "a", "I_B does not exist any more"),
        ("ALTER SERVICE MINE SET EXTERNAL_ACCESS_INTEGRATIONS = (I_B)", "b", ""),
    ],
)
def test_running_instances_follow_without_a_restart(
    world: World, statement: str, hosts: str, told: str
) -> None:
    create(world, specification(), BOTH)
    world.rows(statement)
    assert live(world).egress == tuple(f"{name}.example:443" for name in hosts)
    assert starts(world) == 1
    assert told in message(world)


def test_a_first_integration_needs_a_new_instance(world: World) -> None:
    create(world, specification())
    world.rows("ALTER SERVICE MINE SET EXTERNAL_ACCESS_INTEGRATIONS = (I_A)")
    world.settle()
    assert starts(world) == 2
    assert started(world).live.egress == ("a.example:443",)
    world.rows("ALTER SERVICE MINE UNSET EXTERNAL_ACCESS_INTEGRATIONS")
    world.settle()
    assert started(world).live.egress is None


def test_the_next_server_tells_adopted_instances_what_changed_meanwhile(world: World) -> None:
    create(world, specification(), BOTH)
    world.settle()
    world.rows("ALTER INTEGRATION I_A SET ENABLED = FALSE")
    world.restart()
    assert live(world).egress == ("b.example:443",)
    assert starts(world) == 1


def test_an_instance_that_could_not_be_told_is_told_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(world, specification(), BOTH)
    world.settle()

    def fail(instance_id: str, given: LiveInputs) -> None:
        raise ServiceUnavailable("no space is left")

    with monkeypatch.context() as patched:
        patched.setattr(world.runtime, "refresh", fail)
        world.rows("DROP INTEGRATION I_B")
        world.settle()
    assert live(world).egress == ("a.example:443",)


def test_integrations_that_are_not_there_or_too_many_are_refused(world: World) -> None:
    create(world, specification())
    with pytest.raises(ObjectNotFound):
        world.rows("ALTER SERVICE MINE SET EXTERNAL_ACCESS_INTEGRATIONS = (NOPE)")
    names = [f"I{number}" for number in range(11)]
    for name in names:
        world.rows(INTEGRATION.format(name, "R_A"))
    with pytest.raises(InvalidArgument, match="At most 10"):
        world.rows(f"ALTER SERVICE MINE SET EXTERNAL_ACCESS_INTEGRATIONS = ({', '.join(names)})")


def test_secrets_reach_the_workers_and_nothing_else(world: World) -> None:
    spec = create(world, specification(VARIABLE, FILES))

    assert spec.secret_env == {"TOKEN": "open sesame"}
    assert spec.live.secret_files == {"/usr/local/creds": {"username": "me", "password": "hidden"}}
    assert "open sesame" not in repr(spec) + str(dict(spec.env))
    assert "hidden" not in repr(spec)
    shown = str(world.rows("DESCRIBE SERVICE MINE") + world.rows("SHOW SERVICES"))
    assert "open sesame" not in shown
    assert "DB.S.TOK" in shown
    stored = b"".join(file.read_bytes() for file in world.settings.home.glob("catalog.sqlite*"))
    assert b"open sesame" not in stored


def test_the_specification_that_is_shown_can_be_given_again(world: World) -> None:
    create(world, specification(VARIABLE, FILES))
    text = world.row("DESCRIBE SERVICE MINE")["spec"]
    world.rows(f"ALTER SERVICE MINE FROM SPECIFICATION $${text}$$")
    world.settle()
    assert started(world).live.secret_files == {
        "/usr/local/creds": {"username": "me", "password": "hidden"}
    }
    assert world.row("DESCRIBE SERVICE MINE")["spec"] == text


def test_files_follow_a_secret_and_variables_do_not(world: World) -> None:
    create(world, specification(VARIABLE, FILES))
    world.rows("ALTER SECRET LOGIN SET PASSWORD = 'changed'")
    world.rows("ALTER SECRET TOK SET SECRET_STRING = 'other'")
    assert live(world).secret_files["/usr/local/creds"]["password"] == "changed"
    assert starts(world) == 1
    world.rows("DROP SECRET LOGIN")
    assert live(world).secret_files == {"/usr/local/creds": {}}
    assert "Secret 'DB.S.LOGIN' does not exist" in message(world)


def test_a_start_without_its_secret_fails_and_says_which(world: World) -> None:
    create(world, specification(VARIABLE))
    world.rows("ALTER SERVICE MINE SUSPEND")
    world.settle()
    world.rows("DROP SECRET TOK")
    world.rows("ALTER SERVICE MINE RESUME")
    world.settle()
    assert "DB.S.TOK" in message(world)
    (container,) = world.rows("SHOW SERVICE CONTAINERS IN SERVICE MINE")
    assert "create it, or alter the specification" in container["message"]


def test_the_role_that_owns_the_service_must_be_allowed_to_read(world: World) -> None:
    grants = world.parts.access.grants
    for privilege, kind, name in (
        ("CREATE SERVICE", "SCHEMA", "DB.S"),
        ("USAGE", "COMPUTE_POOL", "POOL"),
        ("READ", "IMAGE_REPOSITORY", "DB.S.REPO"),
    ):
        grants.grant([privilege], kind, name, role="ANALYST", by="ACCOUNTADMIN")
    world.session.role = "ANALYST"
    with pytest.raises(PrivilegeMissing, match="GRANT READ ON SECRET"):
        create(world, specification(VARIABLE))
    grants.grant(["USAGE"], "SECRET", "DB.S.TOK", role="ANALYST", by="ACCOUNTADMIN")
    create(world, specification(VARIABLE))
    with pytest.raises(PrivilegeMissing, match=r"DB\.S\.LOGIN"):
        world.rows(f"ALTER SERVICE MINE FROM SPECIFICATION $${specification(FILES)}$$")

    take(world.parts.access, ["USAGE"], "SECRET", "DB.S.TOK", "ANALYST")
    assert "needs READ" in message(world)


def test_running_an_image_needs_read_on_its_repository(world: World) -> None:
    grants = world.parts.access.grants
    grants.grant(["CREATE SERVICE"], "SCHEMA", "DB.S", role="ANALYST", by="ACCOUNTADMIN")
    grants.grant(["USAGE"], "COMPUTE_POOL", "POOL", role="ANALYST", by="ACCOUNTADMIN")
    world.session.role = "ANALYST"
    with pytest.raises(ObjectNotFound, match=r"Image repository 'DB\.S\.REPO'"):
        create(world, specification())
    elsewhere = specification(image=f"/db/s/other/model-inference@sha256:{DIGEST}")
    with pytest.raises(ObjectNotFound, match="in /db/s/other"):
        create(world, elsewhere)


@pytest.mark.parametrize(
    "secrets",
    [
        "not a list",
        [{"secretKeyRef": "username", "envVarName": "A"}],
        [{"snowflakeSecret": "TOK"}],
        [{**VARIABLE, "directoryPath": "/x"}],
        [{**VARIABLE, "secretKeyRef": "nothing"}],
        [{**VARIABLE, "secretKeyRef": "username"}],
        [{**VARIABLE, "envVarName": "A B"}],
        [VARIABLE, VARIABLE],
        [{**VARIABLE, "envVarName": "SET"}],
        [{**FILES, "directoryPath": "relative"}],
        [{**FILES, "directoryPath": "/usr"}],
        [{**FILES, "directoryPath": "/proc/x"}],
        [{**FILES, "directoryPath": "/a/../b"}],
        [FILES, {**FILES, "directoryPath": "/usr/local/creds/inner"}],
        [{**VARIABLE, "envVarName": f"V{number}"} for number in range(51)],
    ],
)
def test_uses_of_secrets_that_make_no_sense(world: World, secrets: object) -> None:
    with pytest.raises(InvalidArgument):
        create(world, specification(env={"SET": "1"}, secrets=secrets))


@pytest.mark.parametrize(
    ("name", "error"),
    [("NOPE", ObjectNotFound), ("KEY", Unsupported), ({"objectReference": "x"}, Unsupported)],
)
def test_secrets_that_cannot_be_handed_over(
    world: World, name: object, error: type[NunatakError]
) -> None:
    world.rows("CREATE SECRET KEY TYPE = SYMMETRIC_KEY ALGORITHM = GENERIC")
    with pytest.raises(error):
        create(world, specification({**VARIABLE, "snowflakeSecret": name}))


def test_the_platform_tells_an_instance_where_it_runs(world: World) -> None:
    world.services.addresses.public = "server.example:8085"
    env = create(world, specification(env={"MINE": "yes"})).env
    assert {key: env[key] for key in env if key.startswith(("SNOWFLAKE", "MINE"))} == {
        "SNOWFLAKE_ACCOUNT": "NUNATAK",
        "SNOWFLAKE_HOST": "server.example",
        "SNOWFLAKE_PORT": "8085",
        "SNOWFLAKE_DATABASE": "DB",
        "SNOWFLAKE_SCHEMA": "S",
        "SNOWFLAKE_SERVICE_NAME": "MINE",
        "MINE": "yes",
    }
