"""The logs of services and builds, as SYSTEM$GET_SERVICE_LOGS shows them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from nunatak.catalog.store import Catalog, Key, Record
from nunatak.compute.runtime import LogStream, Runtime
from nunatak.errors import InvalidArgument, ObjectNotFound
from nunatak.services.model.snapshot import Build, Instance, Service
from nunatak.services.model.spec import BUILD_CONTAINER, CONTAINER, INSTANCE_KIND, is_build
from nunatak.services.model.states import BuildState, InstanceState
from nunatak.services.reconcile.builds import build_log_file
from nunatak.services.watching.log_lines import selected

LINES = 1000
LINES_LIMIT = 10_000
LOG_LIMIT_BYTES = 4 * 1024 * 1024
_CONTAINERS = {CONTAINER: LogStream.MODEL, "proxy": LogStream.FRONT}


class Logs:
    """Reads logs; `builds` is the folder of build logs."""

    def __init__(self, catalog: Catalog, *, runtime: Runtime, builds: Path) -> None:
        self._catalog = catalog
        self._runtime = runtime
        self._builds = builds

    def read(
        self,
        key: Key,
        *,
        instance: str,
        container: str,
        lines: int | None = None,
        previous: bool = False,
        since: datetime | None = None,
        with_times: bool | None = None,
    ) -> str:
        """The newest lines of a container's log, or a build's log from its beginning unless it
        says how many `lines`. Those `since` a moment, `with_times` or without (None: as they are).

        Raises ObjectNotFound for an unknown service, instance or container; InvalidArgument while
        there is no log yet, and for a number of lines that is not allowed.
        """
        if lines is not None and not 1 <= lines <= LINES_LIMIT:
            raise InvalidArgument(f"The number of lines must be between 1 and {LINES_LIMIT}.")
        with self._catalog.read() as tx:
            record = tx.get(key)
        if is_build(record.spec):
            if previous:
                raise InvalidArgument(f"{key.title} is a build: it has no log of an earlier run.")
            text = self._build_log(Build(record), instance, container)
            return selected(text, lines=lines, since=since, with_times=with_times)
        lines = lines or LINES
        # How many lines there are since a moment is known only when they are looked through.
        most = LINES_LIMIT if since is not None else lines
        text = self._instance_log(
            Service(record), instance, container, lines=most, previous=previous
        )
        return selected(text, lines=lines, since=since, with_times=with_times)

    def read_all(self, key: Key) -> Iterator[tuple[str, str, str]]:
        """Every log that is kept of a service or job: the number of the instance, the container,
        and the text, those of the processes before the present ones first.

        Raises ObjectNotFound for an unknown service.
        """
        with self._catalog.read() as tx:
            record = tx.get(key)
            instances = tx.list_kind(INSTANCE_KIND, parent_id=record.id)
        if is_build(record.spec):
            yield "0", BUILD_CONTAINER, self._build_text(record.id)
            return
        for item in map(Instance, instances):
            for container, stream in _CONTAINERS.items():
                for previous in (True, False):
                    text = self._text(item, stream, previous=previous)
                    yield item.record.name, container, text

    def _text(self, instance: Instance, stream: LogStream, *, previous: bool) -> str:
        try:
            return self._runtime.logs(
                instance.runtime_id, lines=LINES_LIMIT, previous=previous, stream=stream
            )
        except ObjectNotFound:
            return ""  # it was not started yet, or is being stopped

    def _build_log(self, build: Build, instance: str, container: str) -> str:
        if container != BUILD_CONTAINER or instance != "0":
            raise ObjectNotFound("Container", container, hint=f"It is {BUILD_CONTAINER} of 0.")
        if build.state is BuildState.PENDING:
            raise InvalidArgument(f"Pending scheduling: {build.message}")
        return self._build_text(build.record.id)

    def _build_text(self, build_id: int) -> str:
        try:
            with build_log_file(self._builds, build_id).open("rb") as file:
                return file.read(LOG_LIMIT_BYTES).decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def _instance_log(
        self, service: Service, instance: str, container: str, *, lines: int, previous: bool
    ) -> str:
        stream = _CONTAINERS.get(container)
        if stream is None:
            known = ", ".join(_CONTAINERS)
            raise ObjectNotFound("Container", container, hint=f"The containers are {known}.")
        with self._catalog.read() as tx:
            record = tx.find(_instance_key(service.record, instance))
            siblings = tx.list_kind(INSTANCE_KIND, parent_id=service.record.id)
        if record is None:
            if service.message and not siblings:
                raise InvalidArgument(f"Waiting to start: {service.message}")
            raise ObjectNotFound("Instance", instance, hint="SHOW SERVICE INSTANCES lists them.")
        found = Instance(record)
        if found.status.started_at is None and found.status.state is InstanceState.PENDING:
            raise InvalidArgument(f"Waiting to start: {found.status.message}")
        return self._runtime.logs(found.runtime_id, lines=lines, previous=previous, stream=stream)


def _instance_key(service: Record, name: str) -> Key:
    key = service.key
    return Key(INSTANCE_KIND, name, key.database, key.schema, service.id)
