"""Network rules, integrations, secrets and repositories: limits, uses, what is shown."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.catalog.names import QualifiedName
from nunatak.egress.policy import EgressPolicy
from nunatak.errors import InvalidArgument, ObjectInUse, ObjectNotFound, PrivilegeMissing
from nunatak.images.building.buildlog import BuildLog
from nunatak.images.image import BuildRequest
from nunatak.images.store import Image
from support.plane import World, open_world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr("os.fsync", lambda _: None)  # a slow disk is not what is tested
    with open_world(tmp_path) as opened:
        yield opened


def rule(name: str, *hosts: str) -> str:
    listed = ", ".join(f"'{host}'" for host in hosts)
    return (
        f"CREATE OR REPLACE NETWORK RULE {name} MODE = EGRESS TYPE = HOST_PORT "
        f"VALUE_LIST = ({listed})"
    )


def integration(rules: str) -> str:
    return f"CREATE EXTERNAL ACCESS INTEGRATION I ALLOWED_NETWORK_RULES = ({rules}) ENABLED = TRUE"


def hosts(count: int, *, prefix: str) -> list[str]:
    return [f"{prefix}{number}.example" for number in range(count)]


@pytest.mark.parametrize("port", [22, 80, 443, 1024, 65535])
def test_ports_that_a_rule_may_name(world: World, port: int) -> None:
    world.rows(rule("R", f"a.example:{port}"))
    assert world.row("DESCRIBE NETWORK RULE R")["value_list"] == f"a.example:{port}"


@pytest.mark.parametrize(
    "value",
    [
        "*.example",
        "a.example:21",
        "a.example:1023",
        "0.0.0.0:22",
        "a.example:0",
        "http://a.example",
    ],
)
def test_values_that_a_rule_may_not_have(world: World, value: str) -> None:
    with pytest.raises(InvalidArgument):
        world.rows(rule("R", value))


def test_an_integration_has_at_most_a_hundred_hosts(world: World) -> None:
    world.rows(rule("R", *hosts(60, prefix="a")))
    world.rows(rule("R2", *hosts(41, prefix="b")))
    with pytest.raises(InvalidArgument, match="at most 100 hosts"):
        world.rows(integration("R, R2"))
    world.rows(rule("R2", *hosts(40, prefix="b")))
    world.rows(integration("R, R2"))
    with pytest.raises(InvalidArgument, match="at most 100 hosts"):
        world.rows(rule("R2", *hosts(41, prefix="b")))
    listed = ", ".join(f"'{host}'" for host in hosts(41, prefix="b"))
    with pytest.raises(InvalidArgument, match="at most 100 hosts"):
        world.rows(f"ALTER NETWORK RULE R2 SET VALUE_LIST = ({listed})")


@pytest.mark.parametrize("form", ["CREATE", "ALTER"])
@pytest.mark.parametrize(
    ("secrets", "shown"), [("ALL", "[ALL]"), ("NONE", "[]"), ("(DB.S.K)", "[DB.S.K]")]
)
def test_full_names_need_no_current_schema_nor_do_the_words_for_all_and_none(
    world: World, form: str, secrets: str, shown: str
) -> None:
    world.rows(rule("DB.S.R", "a.example"))
    world.rows("CREATE SECRET DB.S.K TYPE = GENERIC_STRING SECRET_STRING = 'x'")
    world.session.database = world.session.schema = None
    wanted = f"ALLOWED_AUTHENTICATION_SECRETS = {secrets}"
    if form == "CREATE":
        world.rows(f"{integration('DB.S.R')} {wanted}")
    else:
        world.rows(integration("DB.S.R"))
        world.rows(f"ALTER EXTERNAL ACCESS INTEGRATION I SET {wanted}")

    rows = {row["property"]: row["property_value"] for row in world.rows("DESCRIBE INTEGRATION I")}
    assert rows["ALLOWED_AUTHENTICATION_SECRETS"] == shown


def test_a_rule_that_an_integration_names_stays(world: World) -> None:
    world.rows(rule("R", "a.example"))
    world.rows(integration("R"))
    with pytest.raises(ObjectInUse, match="named by I"):
        world.rows("DROP NETWORK RULE R")
    world.rows("DROP INTEGRATION I")
    world.rows("DROP NETWORK RULE R")


def test_an_integration_takes_only_what_its_maker_may_use(world: World) -> None:
    world.rows(rule("R", "a.example"))
    world.rows("CREATE SECRET TOK TYPE = GENERIC_STRING SECRET_STRING = 'x'")
    grants = world.parts.access.grants
    account = world.session.account
    grants.grant(["CREATE INTEGRATION"], "ACCOUNT", account, role="ANALYST", by="ACCOUNTADMIN")
    world.session.role = "ANALYST"
    with pytest.raises(ObjectNotFound, match=r"DB\.S\.R"):
        world.rows(integration("R"))
    grants.grant(["USAGE"], "NETWORK_RULE", "DB.S.R", role="ANALYST", by="ACCOUNTADMIN")
    with pytest.raises(ObjectNotFound, match=r"DB\.S\.TOK"):
        world.rows(f"{integration('R')} ALLOWED_AUTHENTICATION_SECRETS = (TOK)")
    grants.grant(["READ"], "SECRET", "DB.S.TOK", role="ANALYST", by="ACCOUNTADMIN")
    world.rows(f"{integration('R')} ALLOWED_AUTHENTICATION_SECRETS = (TOK)")


@pytest.mark.parametrize("plural", ["NETWORK RULES", "SECRETS", "IMAGE REPOSITORIES"])
def test_listings_take_the_usual_clauses(world: World, plural: str) -> None:
    for name in ("AB", "AC", "B"):
        world.rows(rule(name, "a.example"))
        world.rows(f"CREATE SECRET {name} TYPE = GENERIC_STRING SECRET_STRING = 'x'")
        world.rows(f"CREATE IMAGE REPOSITORY {name}")

    def names(clauses: str) -> list[str]:
        return [row["name"] for row in world.rows(f"SHOW {plural} {clauses}")]

    assert names("") == ["AB", "AC", "B"]
    assert names("LIKE 'a%' IN SCHEMA DB.S") == ["AB", "AC"]
    assert names("IN DATABASE DB STARTS WITH 'A' LIMIT 1") == ["AB"]
    assert names("IN ACCOUNT LIMIT 5 FROM 'AB'") == ["AC", "B"]


def test_an_oauth_secret_shows_all_but_its_token(world: World) -> None:
    world.rows(
        "CREATE SECRET O TYPE = OAUTH2 API_AUTHENTICATION = SOME_API OAUTH_REFRESH_TOKEN = 'hush' "
        "OAUTH_REFRESH_TOKEN_EXPIRY_TIME = '2027-01-31 12:00:00' OAUTH_SCOPES = ('read', 'write')"
    )
    row = world.row("DESCRIBE SECRET O")
    assert row["secret_type"] == "OAUTH2"
    assert row["oauth_scopes"] == "[read, write]"
    assert row["integration_name"] == "SOME_API"
    assert row["oauth_refresh_token_expiry_time"].isoformat().startswith("2027-01-31T12:00:00")
    assert world.row("SHOW SECRETS LIKE 'O'")["oauth_scopes"] == "[read, write]"
    world.rows("ALTER SECRET O SET OAUTH_SCOPES = ('read')")
    assert world.row("DESCRIBE SECRET O")["oauth_scopes"] == "[read]"
    with world.catalog.read() as tx:
        assert "hush" not in str([record.spec for record in tx.list_kind("SECRET")])


def test_a_symmetric_key_is_made_once(world: World) -> None:
    world.rows("CREATE SECRET K TYPE = SYMMETRIC_KEY ALGORITHM = GENERIC COMMENT = 'ours'")

    def key() -> str:
        with world.catalog.read() as tx:
            (record,) = tx.list_kind("SECRET")
        return world.vault.open(record.spec["sealed"])["KEY"]

    made = key()
    assert len(bytes.fromhex(made)) == 32
    world.rows("ALTER SECRET K SET COMMENT = 'theirs'")
    assert key() == made
    assert world.row("DESCRIBE SECRET K")["comment"] == "theirs"


@pytest.mark.parametrize(
    "properties",
    [
        "TYPE = GENERIC_STRING",
        "TYPE = GENERIC_STRING SECRET_STRING = 'x' USERNAME = 'y'",
        "TYPE = PASSWORD USERNAME = 'x'",
        "TYPE = OAUTH2 OAUTH_REFRESH_TOKEN = 'x'",
        "TYPE = OAUTH2 API_AUTHENTICATION = A OAUTH_REFRESH_TOKEN_EXPIRY_TIME = 'soon'",
        "TYPE = SYMMETRIC_KEY ALGORITHM = AES",
    ],
)
def test_secrets_must_have_what_their_type_has(world: World, properties: str) -> None:
    with pytest.raises(InvalidArgument):
        world.rows(f"CREATE SECRET S {properties}")


def test_the_registry_lists_images_for_those_who_may_read(world: World) -> None:
    world.rows("CREATE COMPUTE POOL POOL MIN_NODES = 1 MAX_NODES = 1 INSTANCE_FAMILY = CPU_X64_XS")
    world.rows("CREATE IMAGE REPOSITORY REPO")
    call = "CALL SYSTEM$REGISTRY_LIST_IMAGES('/db/s/repo')"
    assert json.loads(world.value(call)) == {"images": []}
    world.deploy(world.order(image_repository=QualifiedName("DB", "S", "REPO")))
    assert json.loads(world.value(call)) == {"images": ["model-inference"]}
    with pytest.raises(ObjectNotFound):
        world.value("CALL SYSTEM$REGISTRY_LIST_IMAGES('/db/s/other')")
    world.session.role = "ANALYST"
    with pytest.raises(ObjectNotFound, match="REPO"):
        world.value(call)
    with pytest.raises(ObjectNotFound, match="REPO"):
        world.rows("SHOW IMAGES IN IMAGE REPOSITORY REPO")


def test_grants_are_of_privileges_and_objects_that_there_are(world: World) -> None:
    world.rows("CREATE IMAGE REPOSITORY REPO")
    world.rows("CREATE SECRET TOK TYPE = GENERIC_STRING SECRET_STRING = 'x'")
    for text in (
        "READ, WRITE, SERVICE READ, SERVICE WRITE ON IMAGE REPOSITORY REPO",
        "READ, USAGE ON SECRET TOK",
    ):
        world.rows(f"GRANT {text} TO ROLE ANALYST")
    held = {grant.privilege for grant in world.parts.access.grants.to("ANALYST")}
    assert held == {"READ", "WRITE", "SERVICE READ", "SERVICE WRITE", "USAGE"}
    for text in ("READ ON IMAGE REPOSITORY NOPE", "USAGE ON INTEGRATION NOPE"):
        with pytest.raises(ObjectNotFound):
            world.rows(f"GRANT {text} TO ROLE ANALYST")
    with pytest.raises(InvalidArgument, match="SERVICE WRITE"):
        world.rows("GRANT PUSH ON IMAGE REPOSITORY REPO TO ROLE ANALYST")


def test_the_vendors_own_repositories_are_none(world: World) -> None:
    world.rows("CREATE IMAGE REPOSITORY REPO")
    assert world.rows("show image repositories in schema snowflake.images;") == []
    assert len(world.rows("show image repositories in account")) == 1
    with pytest.raises(ObjectNotFound):
        world.rows("SHOW IMAGE REPOSITORIES IN SCHEMA SNOWFLAKE.OTHER")


def test_a_repository_opens_to_who_holds_a_privilege_on_it(world: World) -> None:
    world.rows("CREATE IMAGE REPOSITORY REPO")
    world.rows("GRANT READ ON IMAGE REPOSITORY REPO TO ROLE ANALYST")
    world.session.role = "ANALYST"
    assert world.rows("SHOW IMAGES IN IMAGE REPOSITORY REPO") == []
    with pytest.raises(PrivilegeMissing):
        world.rows("DROP IMAGE REPOSITORY REPO")


def test_a_build_reaches_what_all_its_integrations_allow_when_it_begins(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.rows("CREATE COMPUTE POOL POOL MIN_NODES = 1 MAX_NODES = 1 INSTANCE_FAMILY = CPU_X64_XS")
    for name in ("A", "B"):
        world.rows(rule(f"R_{name}", f"{name}.example"))
        world.rows(
            f"CREATE EXTERNAL ACCESS INTEGRATION {name} ALLOWED_NETWORK_RULES = (R_{name}) "
            "ENABLED = TRUE"
        )
    requests: list[BuildRequest] = []
    build = world.builder.build

    def noted(request: BuildRequest, log: BuildLog, cancel: threading.Event) -> Image:
        requests.append(request)
        return build(request, log, cancel)

    monkeypatch.setattr(world.builder, "build", noted)
    deploying = world.begin_deploy(world.order(integrations=("A", "B")))
    while not world.snapshot().builds:
        threading.Event().wait(0.002)
    world.rows("ALTER NETWORK RULE R_B SET VALUE_LIST = ('c.example:8443')")
    world.finish(deploying)
    assert requests[0].egress == EgressPolicy.of(["a.example:443", "c.example:8443"])
