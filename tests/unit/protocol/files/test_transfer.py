"""Uploads and downloads: where files go, and who may move them."""

from __future__ import annotations

import base64
import gzip
import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from nunatak.errors import TokenExpired, TokenInvalid
from nunatak.protocol.files.rights import AddressRights
from nunatak.protocol.files.signing import Signer, load_key
from nunatak.protocol.files.transfer import Transfers
from nunatak.warehouse.core.results import Transfer

from ..asgi import Answer, send
from ..conftest import World


async def _address(world: World, transfer: Transfer, **more: Any) -> dict[str, Any]:
    world.script.handlers["move"] = lambda _: transfer
    data = (await world.run("move", **more))["data"]
    assert isinstance(data, dict)
    return data


async def _put_address(world: World, source: str, **more: Any) -> str:
    transfer = Transfer(upload=True, sources=(source,), keys=("stages/s1/dir",), **more)
    data = await _address(world, transfer)
    assert (data["command"], data["src_locations"]) == ("UPLOAD", [source])
    return str(data["stageInfo"]["presignedUrl"])


async def _put(world: World, address: str, body: bytes, **headers: str) -> Answer:
    return await send(world.app, "PUT", address, body=[body[:3], body[3:]], headers=headers)


@pytest.mark.asyncio
async def test_a_file_is_stored_under_the_name_of_the_statement(world: World) -> None:
    address = await _put_address(world, "model.yaml")
    digest = base64.b64encode(hashlib.sha256(b"content").digest()).decode()

    answer = await _put(world, address, b"content", **{"x-goog-meta-sfc-digest": digest})

    assert answer.status == 200
    assert (world.folder.root / "s1/dir/model.yaml").read_bytes() == b"content"
    md5 = hashlib.md5(b"content").hexdigest()
    assert world.folder.notes == [("s1/dir/model.yaml", 7, md5)]


@pytest.mark.asyncio
async def test_an_empty_file_is_a_file(world: World) -> None:
    await _put(world, await _put_address(world, "empty"), b"")

    assert (world.folder.root / "s1/dir/empty").read_bytes() == b""


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("source", "body", "name"),
    [
        ("/tmp/a.txt", gzip.compress(b"x", mtime=0), "a.txt.gz"),
        ("/tmp/a.txt", b"x", "a.txt"),
        ("/tmp/a.tgz", gzip.compress(b"x", mtime=0), "a.tgz"),
        ("a.txt", gzip.compress(b"x", mtime=0), "a.txt"),
        ("C:\\tmp\\a.txt", gzip.compress(b"x", mtime=0), "a.txt.gz"),
    ],
)
async def test_what_the_client_compressed_without_telling_is_named_so(
    world: World, source: str, body: bytes, name: str
) -> None:
    await _put(world, await _put_address(world, source), body)

    assert [file.name for file in (world.folder.root / "s1/dir").iterdir()] == [name]


@pytest.mark.asyncio
async def test_the_files_of_a_pattern_and_a_bound_stage_get_names_of_their_own(
    world: World,
) -> None:
    transfer = Transfer(
        upload=True, sources=("/tmp/*.csv",), keys=("stages/s1/dir",), auto_compress=False
    )
    data = await _address(world, transfer, bindings={"1": {"type": "TEXT", "value": "@s"}})
    address = data["stageInfo"]["presignedUrl"]

    await _put(world, address, b"one")
    await _put(world, address, b"two")

    files = list((world.folder.root / "s1/dir").iterdir())
    assert sorted(file.read_bytes() for file in files) == [b"one", b"two"]
    assert {file.suffix for file in files} == {".csv"}


@pytest.mark.asyncio
async def test_the_address_of_a_literal_pattern_sends_clients_back_for_each_file(
    world: World,
) -> None:
    address = await _put_address(world, "/tmp/*.csv")

    assert (await _put(world, address, b"one")).status == 400
    assert not (world.folder.root / "s1").exists()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("overwrite", "headers", "status", "left"),
    [
        (False, {"x-goog-if-generation-match": "0"}, 412, b"old"),
        (False, {}, 412, b"old"),
        (True, {"x-goog-if-generation-match": "0"}, 412, b"old"),
        (True, {}, 200, b"new"),
    ],
)
async def test_a_client_that_asks_so_replaces_no_file(
    world: World, *, overwrite: bool, headers: dict[str, str], status: int, left: bytes
) -> None:
    address = await _put_address(world, "a", overwrite=overwrite)
    signed = parse_qs(urlsplit(address).query).get("X-Goog-SignedHeaders", [""])[0].split(";")
    first = await _put(world, address, b"old", **headers)

    second = await _put(world, address, b"new", **headers)

    assert ("x-goog-if-generation-match" in signed) is not overwrite
    assert (first.status, second.status) == (200, status)
    assert (world.folder.root / "s1/dir/a").read_bytes() == left
    assert len(world.folder.notes) == (1 if left == b"old" else 2)
    assert list((world.settings.home / "uploads").iterdir()) == []


NOTHING = base64.b64encode(hashlib.sha256(b"").digest()).decode()


@pytest.mark.asyncio
@pytest.mark.parametrize("stated", [NOTHING, "other", ""])
async def test_what_metadata_says_of_a_file_is_not_judged(world: World, stated: str) -> None:
    address = await _put_address(world, "a")

    answer = await _put(world, address, b"content", **{"x-goog-meta-sfc-digest": stated})

    assert answer.status == 200
    assert (world.folder.root / "s1/dir/a").read_bytes() == b"content"


@pytest.mark.asyncio
@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize(
    ("first", "left"),
    [("refused", None), ("broken", None), ("stored", b"content"), ("of an earlier run", None)],
)
async def test_an_empty_retry_is_never_stored(
    world: World, *, first: str, left: bytes | None, overwrite: bool
) -> None:
    address = await _put_address(world, "a", overwrite=overwrite)
    match first:
        case "refused":
            assert (await _put(world, address, b"x" * 1001)).status == 413
        case "broken":
            broken = await send(world.app, "PUT", address, body=[b"con"], is_broken=True)
            assert broken.status == 422
        case "stored":
            assert (await _put(world, address, b"content")).status == 200
        case _:
            earlier = Transfers(
                Signer(load_key(world.settings.folder("keys") / "addresses.key")),
                {"stages": world.folder},
                rights=AddressRights(world.access),
                clock=world.clock,
            )
            transfer = Transfer(
                upload=True, sources=("a",), keys=("stages/s1/dir",), overwrite=overwrite
            )
            session = world.app.sessions.by_token(world.token).session
            signed = earlier.data(transfer, session, base_url="http://test", is_bound=False)
            address = signed["stageInfo"]["presignedUrl"]

    retry = await _put(world, address, b"", **{"x-goog-meta-sfc-digest": NOTHING})

    place = world.folder.root / "s1/dir/a"
    assert retry.status == 422
    assert (place.read_bytes() if place.exists() else None) == left


@pytest.mark.asyncio
async def test_an_upload_whose_answer_was_lost_may_be_repeated(world: World) -> None:
    for overwrite in (True, False):
        for content in (b"content", b""):
            address = await _put_address(world, f"a{overwrite}{content!r}", overwrite=overwrite)
            statuses = [(await _put(world, address, content)).status for _ in range(3)]
            assert statuses == [200, 200, 200]


@pytest.mark.asyncio
async def test_empty_files_are_taken_among_the_files_of_a_pattern(world: World) -> None:
    transfer = Transfer(upload=True, sources=("/tmp/*.csv",), keys=("stages/s1/dir",))
    data = await _address(world, transfer, bindings={"1": {"type": "TEXT", "value": "@s"}})
    address = data["stageInfo"]["presignedUrl"]

    statuses = [(await _put(world, address, body)).status for body in (b"one", b"", b"two", b"")]

    assert statuses == [200] * 4
    assert len(list((world.folder.root / "s1/dir").iterdir())) == 4


@pytest.mark.asyncio
async def test_a_client_may_look_whether_a_file_is_there(world: World) -> None:
    address = await _put_address(world, "a")
    compressed = await _put_address(world, "/tmp/a")

    before = await send(world.app, "HEAD", address)
    await _put(world, address, b"x")
    after = await send(world.app, "HEAD", address)
    unsure = await send(world.app, "HEAD", compressed)
    forged = await send(world.app, "HEAD", address.replace("name=a", "name=b"))

    assert [answer.status for answer in (before, after, unsure, forged)] == [404, 200, 404, 400]


@pytest.mark.asyncio
async def test_a_too_large_file_is_not_stored(world: World) -> None:
    address = await _put_address(world, "a")

    large = await _put(world, address, b"x" * 1001)

    assert large.status == 413
    assert not (world.folder.root / "s1").exists()
    assert list((world.settings.home / "uploads").iterdir()) == []


@pytest.mark.asyncio
async def test_an_address_is_good_for_what_it_was_signed_for(world: World) -> None:
    address = await _put_address(world, "a")
    forgeries = [
        address.replace("name=a", "name=b"),
        address.replace("/s1/", "/s2/"),
        address.replace("expires=1", "expires=2"),
        address.partition("?")[0],
    ]

    statuses = [(await _put(world, forged, b"x")).status for forged in forgeries]
    downloaded = await send(world.app, "GET", address)
    world.clock.now += 7 * 3600
    expired = await _put(world, address, b"x")

    assert [*statuses, downloaded.status, expired.status] == [400] * 4 + [403, 400]
    assert not (world.folder.root / "s1").exists()


@pytest.mark.asyncio
async def test_files_come_down_as_they_are(world: World) -> None:
    (world.folder.root / "a b.gz").write_bytes(gzip.compress(b"x"))
    transfer = Transfer(
        upload=False,
        sources=("a b.gz", "gone"),
        keys=("stages/a b.gz", "stages/gone"),
        local_folder="/tmp/out",
    )

    data = await _address(world, transfer)
    answers = [await send(world.app, "GET", url) for url in data["presignedUrls"]]

    assert (data["command"], data["localLocation"]) == ("DOWNLOAD", "/tmp/out")
    assert gzip.decompress(answers[0].body) == b"x"
    assert "content-encoding" not in answers[0].headers
    assert answers[1].status == 404


@pytest.mark.asyncio
async def test_keys_do_not_leave_their_source(world: World) -> None:
    keys = ("stages/../catalog.sqlite", "other/x", "stages")
    transfer = Transfer(upload=False, sources=keys, keys=keys)

    data = await _address(world, transfer)

    for url in data["presignedUrls"]:
        assert (await send(world.app, "GET", url)).status == 404


def test_signatures_cover_method_path_end_and_extras() -> None:
    signer = Signer(b"k" * 32)
    path, _, query = signer.sign("GET", "/a", expires_on=100, name="x").partition("?")

    assert signer.check("GET", path, query, now=99) == {"name": "x"}
    with pytest.raises(TokenExpired):
        signer.check("GET", path, query, now=100)
    for method, other, text in [
        ("PUT", path, query),
        ("GET", "/b", query),
        ("GET", path, query.replace("x", "y", 1)),
        ("GET", path, query + "&more=1"),
        ("GET", path, ""),
    ]:
        with pytest.raises(TokenInvalid):
            signer.check(method, other, text, now=0)
    with pytest.raises(TokenInvalid):
        Signer(b"other" * 8).check("GET", path, query, now=0)


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "key"

    assert load_key(file) == load_key(file)
    assert file.stat().st_mode & 0o077 == 0
    file.write_bytes(b"short")
    with pytest.raises(TokenInvalid, match="damaged"):
        load_key(file)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["folder", "whole"])
@pytest.mark.parametrize("overwrite", [True, False])
async def test_a_file_is_not_stored_in_a_folder_of_its_name(
    world: World, name: str, overwrite: bool
) -> None:
    (world.folder.root / "s1/dir/folder").mkdir(parents=True)

    answer = await _put(world, await _put_address(world, name, overwrite=overwrite), b"content")

    assert answer.status == (422 if name == "folder" else 200)
    assert [*(world.folder.root / "s1/dir/folder").iterdir()] == []
