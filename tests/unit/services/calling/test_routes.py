"""The routing table: instances that break off, and calls that are held meanwhile."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from nunatak.catalog.names import QualifiedName
from nunatak.services.calling.routes import Route, Routes, RouteTarget
from nunatak.services.model.changes import Changes
from nunatak.services.model.states import ServiceState
from nunatak.transport.address import UnixAddress


class World:
    def __init__(self) -> None:
        self.announced = 0
        changes = Changes()
        changes.listen(self._count)
        self.routes = Routes(changes=changes, wake=lambda _: None)

    def _count(self) -> None:
        self.announced += 1

    def publish(self, *addresses: str) -> None:
        self.routes.publish([route(7, *addresses), route(8, "/other")])

    def addresses(self) -> list[str]:
        found = self.routes.by_endpoint("e7")
        assert found is not None
        assert found == self.routes.by_id(7) == self.routes.by_name(found.service)
        return [str(target.address) for target in found.targets]


def route(number: int, *addresses: str) -> Route:
    return Route(
        service_id=number,
        service=QualifiedName("D", "S", f"SVC{number}"),
        endpoint="inference",
        endpoint_id=f"e{number}",
        state=ServiceState.RUNNING,
        message="",
        public=True,
        max_batch_rows=None,
        methods=(),
        targets=tuple(RouteTarget(address, UnixAddress(Path(address))) for address in addresses),
    )


def test_an_instance_that_broke_off_is_no_target_until_it_was_looked_at() -> None:
    world = World()
    world.publish("/a", "/b")
    world.routes.lost(7, UnixAddress(Path("/a")))
    assert world.addresses() == ["/b"]
    other = world.routes.by_id(8)
    assert other is not None
    assert len(other.targets) == 1
    world.publish("/a", "/b")
    assert world.addresses() == ["/a", "/b"]


def test_the_loss_of_an_instance_is_announced_once() -> None:
    world = World()
    world.publish("/a")
    before = world.announced
    for _ in range(3):
        world.routes.lost(7, UnixAddress(Path("/a")))
    world.routes.lost(9, UnixAddress(Path("/a")))
    assert world.announced == before + 1


def test_only_a_table_with_more_instances_is_announced() -> None:
    world = World()
    for addresses, announced in ((("/a",), 1), (("/a",), 1), ((), 1), (("/a",), 2), (("/b",), 3)):
        world.publish(*addresses)
        assert world.announced == announced


@pytest.mark.asyncio
async def test_a_held_call_goes_on_when_the_instance_is_found_again() -> None:
    world = World()
    world.publish("/a")
    world.routes.lost(7, UnixAddress(Path("/a")))
    held = asyncio.create_task(world.routes.until_ready(7, timeout_s=60))
    await asyncio.sleep(0)  # it begins
    assert world.routes.held(7) == 1
    await asyncio.to_thread(world.publish, "/a")
    assert [target.instance for target in (await held).targets] == ["/a"]


def test_a_blocked_call_goes_on_when_the_instance_is_found_again() -> None:
    world = World()
    world.publish("/a")
    world.routes.lost(7, UnixAddress(Path("/a")))
    found: list[Route] = []

    def wait() -> None:
        found.append(world.routes.wait_ready(7, timeout_s=60, cancelled=threading.Event()))

    held = threading.Thread(target=wait)
    held.start()
    while not world.routes.held(7):
        held.join(0.001)
    world.publish("/a")
    held.join(60)
    assert [target.instance for target in found[0].targets] == ["/a"]
