"""Addresses end with the right to them: every kind of address, after every loss."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from nunatak.access.sessions import Sessions
from nunatak.protocol.app import ProtocolApp, create_app
from nunatak.protocol.files.rights import AddressRights
from nunatak.sql.frontend import FrontEnd
from nunatak.stages.sources import StageFileSource
from support.front_end import Front

from ..asgi import post, send

PASSWORD = "a long password"
PUT, HEAD, GET, ROWS, OWN, TEMPORARY = "PUT", "HEAD", "GET", "rows", "own", "temporary"
OF_STAGE = (PUT, HEAD, GET)
KINDS = (*OF_STAGE, ROWS, OWN, TEMPORARY)
"""Addresses: of a stage, of the rows of a result, of the user's own stage, of the session's."""


@dataclass
class Account:
    """A server whose user BOB holds the role R, which reads and writes the stage ST and owns MINE.

    Its rows never travel inside an answer.
    """

    front: Front
    app: ProtocolApp
    token: str = ""
    secret: str = ""

    def admin(self, *texts: str) -> None:
        """Statements of the administrator."""
        for text in texts:
            self.front.rows(text)

    async def login(self, *, by_token: bool) -> None:
        """Open the session that asks for addresses."""
        data: dict[str, Any] = {"LOGIN_NAME": "bob", "PASSWORD": PASSWORD}
        if by_token:
            made = self.front.rows("ALTER USER bob ADD PAT t")
            data = {"AUTHENTICATOR": "PROGRAMMATIC_ACCESS_TOKEN", "TOKEN": made[0]["token_secret"]}
        answer = await post(self.app, "/session/v1/login-request?roleName=R", {"data": data})
        self.token = answer["data"]["token"]

    async def run(self, text: str) -> dict[str, Any]:
        """Run a statement of BOB's; the data of its answer."""
        path = "/queries/v1/query-request"
        answer = await post(self.app, path, {"sqlText": text}, token=self.token)
        assert answer["success"], answer
        data: dict[str, Any] = answer["data"]
        return data

    async def address(self, kind: str) -> str:
        """An address of a kind, given now."""
        match kind:
            case "PUT":
                return await self._to("@db.public.st")
            case "HEAD":
                await self._from("@db.public.st")  # there is a file to look for
                return await self._to("@db.public.st")
            case "GET":
                return await self._from("@db.public.st")
            case "rows":
                data = await self.run("SELECT 1 AS a")
                return str(data["chunks"][0]["url"])
            case "own":
                return await self._from("@~")
            case _:
                await self.run("CREATE OR REPLACE TEMPORARY STAGE db.public.mine")
                return await self._to("@db.public.mine")

    async def use(self, kind: str, address: str) -> int:
        """The status of an address when it is used."""
        method = {PUT: "PUT", HEAD: "HEAD", TEMPORARY: "PUT"}.get(kind, "GET")
        return (await send(self.app, method, address, body=b"new")).status

    async def _to(self, stage: str) -> str:
        data = await self.run(f"PUT file:///tmp/f {stage} AUTO_COMPRESS = FALSE OVERWRITE = TRUE")
        return str(data["stageInfo"]["presignedUrl"])

    async def _from(self, stage: str) -> str:
        await send(self.app, "PUT", await self._to(stage), body=b"old")
        data = await self.run(f"GET {stage} file:///tmp/")
        return str(data["presignedUrls"][0])


@pytest_asyncio.fixture
async def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Account]:
    """The server, without sockets."""
    monkeypatch.setattr("os.fsync", lambda _: None)  # a slow disk is not what is tested
    front = Front(tmp_path)
    parts = front.parts
    app = create_app(
        settings=replace(
            parts.settings, limits=replace(parts.settings.limits, result_inline_bytes=0)
        ),
        access=parts.access,
        statements=FrontEnd(front.injector),
        sources={"stages": StageFileSource(parts.settings)},
    )
    made = Account(front, app)
    made.admin(
        f"CREATE USER bob PASSWORD = '{PASSWORD}'",
        "CREATE ROLE r",
        "CREATE ROLE mid",
        "GRANT ROLE r TO ROLE mid",
        "GRANT ROLE mid TO USER bob",
        *EMPOWERED,
    )
    yield made
    await app.stop(grace_s=10)
    app.sessions.end_all()
    front.close()


EMPOWERED = (
    "CREATE STAGE IF NOT EXISTS db.public.st",
    "GRANT READ, WRITE ON STAGE db.public.st TO ROLE r",
    "GRANT USAGE ON DATABASE db TO ROLE r",
    "GRANT USAGE ON SCHEMA db.public TO ROLE r",
)
AGAIN = ("DROP ROLE r", "CREATE ROLE r", "GRANT ROLE r TO USER bob", *EMPOWERED)
LOSSES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "nothing": ((), ()),
    "user dropped": (("DROP USER bob",), KINDS),
    "user made again": (
        ("DROP USER bob", f"CREATE USER bob PASSWORD = '{PASSWORD}'", "GRANT ROLE r TO USER bob"),
        KINDS,
    ),
    "user disabled": (("ALTER USER bob SET DISABLED = TRUE",), KINDS),
    "role revoked": (("REVOKE ROLE mid FROM USER bob",), KINDS),
    "role revoked in the middle": (("REVOKE ROLE r FROM ROLE mid",), KINDS),
    "role dropped": (("DROP ROLE r",), KINDS),
    "role made again and given": (AGAIN, KINDS),
    "token removed": (("ALTER USER bob REMOVE PAT t",), KINDS),
    "READ revoked": (("REVOKE READ ON STAGE db.public.st FROM ROLE r",), (GET,)),
    "WRITE revoked": (("REVOKE WRITE ON STAGE db.public.st FROM ROLE r",), (PUT, HEAD)),
    "ALL revoked": (("REVOKE ALL ON STAGE db.public.st FROM ROLE r",), OF_STAGE),
    "stage dropped": (("DROP STAGE db.public.st",), OF_STAGE),
    "stage replaced and given": (
        ("CREATE OR REPLACE STAGE db.public.st", *EMPOWERED),
        OF_STAGE,
    ),
    "stage dropped, made again and given": (("DROP STAGE db.public.st", *EMPOWERED), OF_STAGE),
    "schema dropped": (("DROP SCHEMA db.public",), OF_STAGE),
    "stage renamed": (("ALTER STAGE db.public.st RENAME TO db.public.other",), ()),
    "stage renamed, another one of its name, READ and WRITE revoked": (
        (
            "ALTER STAGE db.public.st RENAME TO db.public.other",
            "REVOKE ALL ON STAGE db.public.other FROM ROLE r",
            *EMPOWERED,
        ),
        OF_STAGE,
    ),
    "privileges given again": (
        ("REVOKE ALL ON STAGE db.public.st FROM ROLE r", *EMPOWERED),
        (),
    ),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("loss", LOSSES)
async def test_an_address_ends_with_the_right_to_it(account: Account, loss: str) -> None:
    texts, ended = LOSSES[loss]
    await account.login(by_token=True)
    addresses = {kind: await account.address(kind) for kind in KINDS}
    for kind, address in addresses.items():
        assert await account.use(kind, address) == 200, kind

    account.admin(*texts)

    found = {kind: await account.use(kind, address) for kind, address in addresses.items()}
    assert found == {kind: 400 if kind in ended else 200 for kind in KINDS}


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", KINDS)
async def test_an_address_ends_with_its_session(account: Account, kind: str) -> None:
    await account.login(by_token=False)
    address = await account.address(kind)
    assert await account.use(kind, address) == 200
    before = account.token
    await account.login(by_token=False)
    assert await account.use(kind, address) == 200

    await post(account.app, "/session?delete=true", {}, token=before)

    assert await account.use(kind, address) == 400


@pytest.mark.asyncio
async def test_an_address_is_good_with_another_role_while_its_own_is_held(
    account: Account,
) -> None:
    await account.login(by_token=False)
    addresses = {kind: await account.address(kind) for kind in KINDS}

    await account.run("USE ROLE mid")

    for kind, address in addresses.items():
        assert await account.use(kind, address) == 200, kind


@pytest.mark.asyncio
async def test_what_an_address_says_of_the_right_to_it_is_signed(account: Account) -> None:
    await account.login(by_token=False)
    address = await account.address(PUT)
    account.admin("REVOKE WRITE ON STAGE db.public.st FROM ROLE r")

    path, _, query = address.partition("?")
    said = query.split("&")
    for part in said:
        name = part.partition("=")[0]
        left = [other for other in said if other != part]
        for forged in (left, [*left, f"{name}=1"], [*said, part]):
            assert await account.use(PUT, f"{path}?{'&'.join(forged)}") == 400


@pytest.mark.asyncio
async def test_an_upload_that_has_begun_may_end(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    await account.login(by_token=False)
    address = await account.address(PUT)
    revoke = "REVOKE WRITE ON STAGE db.public.st FROM ROLE r"

    check = AddressRights.check

    def check_and_revoke(rights: AddressRights, said: Mapping[str, str]) -> None:
        check(rights, said)
        account.admin(revoke)

    monkeypatch.setattr(AddressRights, "check", check_and_revoke)
    answer = await send(account.app, "PUT", address, body=[b"n", b"ew"])

    assert answer.status == 200
    assert await account.use(PUT, address) == 400


@pytest.mark.asyncio
async def test_the_use_of_addresses_keeps_their_session(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    await account.login(by_token=False)
    address = await account.address(GET)
    record = account.front.parts.access.sessions.by_token(account.token)
    uses: list[int] = []
    monkeypatch.setattr(Sessions, "touch", lambda _, session_id: uses.append(session_id))

    for _ in range(3):
        await account.use(GET, address)

    assert uses == [record.id] * 3
