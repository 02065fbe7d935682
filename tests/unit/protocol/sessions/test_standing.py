"""What was taken away acts no more: every credential, after every change, in every use."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Key
from nunatak.errors import AccessError, StatementError
from nunatak.ingress.gate import AccessAuthorities
from nunatak.protocol.app import ProtocolApp, create_app
from nunatak.protocol.sessions.external_sessions import HEADER
from nunatak.sql.frontend import FrontEnd
from support.front_end import Front
from support.services import create_service

from ..asgi import post, send

PASSWORD = "a long password"
SERVICE = QualifiedName("DB", "PUBLIC", "SVC")
CREDENTIALS = ("password", "token", "restricted", "restricted as password")


@dataclass
class Account:
    """A server whose user BOB holds the role R, which may make stages and call an endpoint.

    `admin` runs statements as the administrator.
    """

    front: Front
    app: ProtocolApp
    names: Any = field(default_factory=itertools.count)

    def admin(self, *texts: str) -> None:
        """Statements of the administrator."""
        for text in texts:
            self.front.rows(text)

    def empower(self) -> None:
        """Give R what the uses below need."""
        self.admin(
            "GRANT CREATE STAGE ON SCHEMA db.public TO ROLE r",
            "GRANT SERVICE ROLE db.public.svc!all_endpoints_usage TO ROLE r",
        )

    def secret(self, credential: str) -> str:
        """What BOB shows: the password, or a token made now."""
        if credential == "password":
            return PASSWORD
        restriction = "" if credential == "token" else "ROLE_RESTRICTION = 'R'"
        made = self.front.rows(
            f"ALTER USER bob ADD PAT t{next(self.names)} {restriction}",
        )
        return str(made[0]["token_secret"])

    async def login(
        self, credential: str, secret: str, role: str | None = "R", *, user: str = "bob"
    ) -> dict[str, Any]:
        """Log in; the body of the answer."""
        data: dict[str, Any] = {"LOGIN_NAME": user}
        if "password" in credential:
            data["PASSWORD"] = secret
        else:
            data |= {"AUTHENTICATOR": "PROGRAMMATIC_ACCESS_TOKEN", "TOKEN": secret}
        query = "" if role is None else f"?roleName={role}"
        return await post(self.app, f"/session/v1/login-request{query}", {"data": data})

    async def run(self, text: str, token: str) -> dict[str, Any]:
        """Run a statement of BOB's."""
        return await post(self.app, "/queries/v1/query-request", {"sqlText": text}, token=token)

    async def acts(self, token: str) -> bool:
        """Whether a session does what only R may do."""
        answer = await self.run(f"CREATE STAGE db.public.s{next(self.names)}", token)
        return bool(answer["success"])

    async def acts_outside(self, secret: str, external_id: str) -> bool:
        """The same in a session that the client keeps itself."""
        headers = {"authorization": f"Bearer {secret}", HEADER: external_id}
        body = f'{{"sqlText": "CREATE STAGE db.public.s{next(self.names)}"}}'.encode()
        path = "/queries/v1/query-request"
        answer = await send(self.app, "POST", path, body=body, headers=headers)
        return bool(answer.json()["success"])

    def calls(self, token: str) -> bool:
        """Whether a token opens the endpoint."""
        authorities = AccessAuthorities(self.front.parts.access)
        try:
            return authorities.may_use(authorities.identify(token), SERVICE)
        except AccessError:
            return False

    async def renews(self, master: str) -> bool:
        """Whether a session's tokens are renewed."""
        body = {"oldSessionToken": "", "requestType": "RENEW"}
        answer = await post(self.app, "/session/token-request", body, token=master)
        return bool(answer["success"])


@pytest_asyncio.fixture
async def account(tmp_path: Path) -> AsyncIterator[Account]:
    """The server, without sockets."""
    front = Front(tmp_path)
    parts = front.parts
    app = create_app(
        settings=parts.settings, access=parts.access, statements=FrontEnd(front.injector)
    )
    made = Account(front, app)
    with parts.catalog.write() as tx:
        create_service(tx, Key.of("SERVICE", SERVICE), owner="ACCOUNTADMIN")
    parts.access.users.alter("ADA", {"PASSWORD": PASSWORD})
    made.admin(
        f"CREATE USER bob PASSWORD = '{PASSWORD}'",
        "CREATE ROLE r",
        "CREATE ROLE mid",
        "GRANT ROLE r TO ROLE mid",
        "GRANT ROLE mid TO USER bob",
    )
    made.empower()
    yield made
    await app.stop(grace_s=10)
    app.sessions.end_all()
    front.close()


@dataclass(frozen=True)
class Change:
    """Statements of the administrator, and what is true after them."""

    texts: tuple[str, ...]
    held: bool = False
    """The user holds the role of that name."""
    same_role: bool = True
    """It is the role of before."""
    same_user: bool = True
    enabled: bool = True
    tokens_go: bool = False


RECREATED = ("DROP ROLE r", "CREATE ROLE r")
NEW_USER = ("DROP USER bob", f"CREATE USER bob PASSWORD = '{PASSWORD}'")
CHANGES = {
    "none": Change((), held=True),
    "revoke": Change(("REVOKE ROLE mid FROM USER bob",)),
    "revoke from the middle": Change(("REVOKE ROLE r FROM ROLE mid",)),
    "drop the middle": Change(("DROP ROLE mid",)),
    "revoke and give back": Change(
        ("REVOKE ROLE mid FROM USER bob", "GRANT ROLE mid TO USER bob"), held=True
    ),
    "drop": Change(("DROP ROLE r",), same_role=False),
    "drop and make again": Change(RECREATED, same_role=False),
    "replace": Change(("CREATE OR REPLACE ROLE r",), same_role=False),
    "drop, make again and give": Change(
        (*RECREATED, "GRANT ROLE r TO USER bob"), held=True, same_role=False
    ),
    "disable": Change(("ALTER USER bob SET DISABLED = TRUE",), held=True, enabled=False),
    "disable and enable": Change(
        ("ALTER USER bob SET DISABLED = TRUE", "ALTER USER bob SET DISABLED = FALSE"), held=True
    ),
    "drop the user": Change(("DROP USER bob",), same_user=False, enabled=False),
    "make the user again": Change(NEW_USER, same_user=False),
    "make the user again and give": Change(
        (*NEW_USER, "GRANT ROLE r TO USER bob"), held=True, same_user=False
    ),
    "replace the user": Change(
        (f"CREATE OR REPLACE USER bob PASSWORD = '{PASSWORD}'", "GRANT ROLE r TO USER bob"),
        held=True,
        same_user=False,
    ),
    "remove the tokens": Change(("ALTER USER bob REMOVE PAT t0",), held=True, tokens_go=True),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("name", CHANGES)
async def test_what_was_taken_away_acts_no_more(
    account: Account, credential: str, name: str
) -> None:
    change = CHANGES[name]
    restricted, is_token = "restricted" in credential, credential != "password"
    secret = account.secret(credential)
    if name == "remove the tokens" and not is_token:
        account.secret("token")
    opened = (await account.login(credential, secret))["data"]
    assert await account.acts(opened["token"])
    assert account.calls(opened["token"])
    if is_token:
        assert account.calls(secret)
        assert await account.acts_outside(secret, "x") is restricted

    account.admin(*change.texts)
    if not change.same_role and name != "drop":
        account.empower()

    alive = change.enabled and (change.same_user or not is_token)
    if is_token:
        alive &= not change.tokens_go and (change.same_role or not restricted)
    goes_on = alive and change.same_user and "disable" not in name
    assert (await account.login(credential, secret))["success"] is (alive and change.held)
    assert await account.acts(opened["token"]) is (goes_on and change.held and change.same_role)
    assert account.calls(opened["token"]) is (goes_on and change.held)
    assert await account.renews(opened["masterToken"]) is (
        goes_on and (change.held or not restricted)
    )
    if is_token:
        assert account.calls(secret) is (alive and change.held)
        outside = await account.acts_outside(secret, "x")
        assert outside is (alive and change.held and restricted)
    taken = await account.run("USE ROLE r", opened["token"])
    assert taken["success"] is (goes_on and change.held)
    assert await account.acts(opened["token"]) is (goes_on and change.held)


@pytest.mark.asyncio
async def test_a_token_is_restricted_to_a_role_of_its_user_only(account: Account) -> None:
    token = (await account.login("password", PASSWORD))["data"]["token"]

    for role in ("ACCOUNTADMIN", "accountadmin", "SYSADMIN", "NOPE", '"r"', "R, MID", ""):
        text = f"ALTER USER bob ADD PAT t ROLE_RESTRICTION = '{role}'"
        assert (await account.run(text, token))["success"] is False, role
        with pytest.raises(StatementError):
            account.admin(text)

    assert account.front.parts.access.tokens.access_of("BOB") == []


@pytest.mark.asyncio
async def test_a_role_restriction_is_a_name(account: Account) -> None:
    token = (await account.login("password", PASSWORD))["data"]["token"]

    for role in ("R", "r", "MID", "public"):
        made = await account.run(f"ALTER USER ADD PAT t ROLE_RESTRICTION = '{role}'", token)
        assert made["success"] is True
        (listed,) = account.front.parts.access.tokens.access_of("BOB")
        assert listed.role == role.upper()
        account.admin("ALTER USER bob REMOVE PAT t")


KEY = (
    ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
NOT_BY_TOKEN = (
    "ALTER USER ADD PROGRAMMATIC ACCESS TOKEN more",
    "ALTER USER ADD PAT more ROLE_RESTRICTION = 'ACCOUNTADMIN'",
    "ALTER USER ada ADD PAT more",
    "ALTER USER IF EXISTS ada ADD PAT more DAYS_TO_EXPIRY = 365",
    "ALTER USER REMOVE PAT t0",
    "ALTER USER ada REMOVE PAT t0",
    "ALTER USER bob REMOVE PAT other",
    "ALTER USER ada ROTATE PAT t0",
    "ALTER USER ada MODIFY PAT t0 RENAME TO t1",
    "ALTER USER ada SET PASSWORD = 'another password'",
    "ALTER USER ada UNSET PASSWORD",
    f"ALTER USER ada SET RSA_PUBLIC_KEY = '{KEY}'",
    f"ALTER USER ada SET COMMENT = 'x' RSA_PUBLIC_KEY_2 = '{KEY}'",
    "ALTER USER ada SET LOGIN_NAME = 'eve'",
    "ALTER USER ada SET DISABLED = TRUE",
    "CREATE OR REPLACE USER ada PASSWORD = 'another password'",
    "DROP USER ada",
    "DROP USER IF EXISTS ada",
)


@pytest.mark.parametrize("credential", CREDENTIALS[1:])
@pytest.mark.asyncio
async def test_a_token_changes_no_credentials_of_its_user(
    account: Account, credential: str
) -> None:
    restriction = "" if credential == "token" else "ROLE_RESTRICTION = 'ACCOUNTADMIN'"
    made = account.front.rows(f"ALTER USER ada ADD PAT t0 {restriction}")[0]["token_secret"]
    account.admin(
        "ALTER USER bob ADD PAT other",
        "CREATE USER spare PASSWORD = 'a long password'",
        "GRANT ROLE ACCOUNTADMIN TO USER spare",
    )
    opened = (await account.login(credential, made, "ACCOUNTADMIN", user="ada"))["data"]
    access = account.front.parts.access
    before = access.users.get("ADA"), access.tokens.access_of("ADA"), access.tokens.access_of("BOB")

    for text in NOT_BY_TOKEN:
        assert (await account.run(text, opened["token"]))["success"] is False, text

    kept = access.users.get("ADA"), access.tokens.access_of("ADA"), access.tokens.access_of("BOB")
    assert kept == before
    assert access.users.password_matches(access.users.get("ADA"), PASSWORD)


@pytest.mark.asyncio
async def test_a_token_reaches_no_further_than_its_role(account: Account) -> None:
    account.admin("GRANT ROLE ACCOUNTADMIN TO USER bob")
    secret = account.secret("restricted")
    opened = (await account.login("restricted", secret))["data"]["token"]

    for text in (
        "USE ROLE ACCOUNTADMIN",
        "USE ROLE mid",
        "CREATE USER eve",
        "GRANT ROLE ACCOUNTADMIN TO ROLE r",
        "CREATE STAGE db.public.s ->> USE ROLE ACCOUNTADMIN",
    ):
        assert (await account.run(text, opened))["success"] is False, text
    await account.run("USE SECONDARY ROLES ALL", opened)
    assert (await account.run("CREATE ROLE more", opened))["success"] is False
    refused = await account.login("restricted", secret, "ACCOUNTADMIN")
    assert (refused["code"], refused["data"]["sqlState"]) == ("390189", "08004")


@pytest.mark.asyncio
async def test_a_sessions_own_token_opens_no_more_endpoints_than_its_credential(
    account: Account,
) -> None:
    account.admin("ALTER USER bob ADD PAT x")
    made = account.front.rows("ALTER USER bob ADD PAT narrow ROLE_RESTRICTION = 'PUBLIC'")
    opened = (await account.login("token", made[0]["token_secret"], None))["data"]

    assert account.calls(opened["token"]) is False


@pytest.mark.parametrize(
    ("text", "code"),
    [("USE ROLE nope", "002043"), ("USE ROLE ACCOUNTADMIN", "003013"), ("USE ROLE r", None)],
)
@pytest.mark.asyncio
async def test_what_a_role_that_is_not_ones_own_is_told(
    account: Account, text: str, code: str | None
) -> None:
    token = (await account.login("password", PASSWORD))["data"]["token"]

    assert (await account.run(text, token))["code"] == code


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.asyncio
async def test_a_login_with_a_role_that_is_not_the_users(account: Account, credential: str) -> None:
    for role in ("NOPE", "ACCOUNTADMIN", '"r"'):
        refused = await account.login(credential, account.secret(credential), role)
        assert refused["code"] == "390189"
        assert "in the connect string does not exist or not authorized" in refused["message"]


@pytest.mark.asyncio
async def test_a_token_in_the_place_of_a_password_is_its_users_only(account: Account) -> None:
    secret = account.secret("token")

    for user in ("ada", "nobody"):
        refused = await account.login("as password", secret, None, user=user)
        assert refused["success"] is False
    wrong = await account.login("as password", secret + "x", None)
    assert wrong["code"] == "390100"


@pytest.mark.asyncio
async def test_a_default_role_that_is_gone_is_not_taken(account: Account) -> None:
    account.admin("ALTER USER bob SET DEFAULT_ROLE = r", "DROP ROLE r", "CREATE ROLE r")

    opened = await account.login("password", PASSWORD, None)

    assert opened["data"]["sessionInfo"]["roleName"] == "PUBLIC"


@pytest.mark.asyncio
async def test_what_a_dropped_role_owned_goes_to_who_dropped_it(account: Account) -> None:
    token = (await account.login("password", PASSWORD))["data"]["token"]
    assert (await account.run("CREATE STAGE db.public.mine", token))["success"]

    account.admin("DROP ROLE r", "CREATE ROLE r", "GRANT ROLE r TO USER bob")

    again = (await account.login("password", PASSWORD))["data"]["token"]
    assert account.front.rows("SHOW STAGES LIKE 'MINE'")[0]["owner"] == "ACCOUNTADMIN"
    assert (await account.run("DROP STAGE db.public.mine", again))["success"] is False


@pytest.mark.asyncio
async def test_a_session_of_before_a_restart_keeps_to_its_role(account: Account) -> None:
    token = (await account.login("password", PASSWORD))["data"]["token"]
    assert await account.acts(token)
    account.app.sessions.end_all()
    assert await account.acts(token)

    account.app.sessions.end_all()
    account.admin(*RECREATED, "GRANT ROLE r TO USER bob")
    account.empower()

    assert not await account.acts(token)
