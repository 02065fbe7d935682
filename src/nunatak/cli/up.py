"""`nunatak up`: run the server in the foreground."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys

import uvloop

from nunatak.access.bootstrap import CONNECTION, prepare_account, write_own_connection
from nunatak.access.connections import install_connection as install
from nunatak.audit.events import ServerStarted
from nunatak.audit.log import AuditLog
from nunatak.cli.compose import Server, assemble
from nunatak.config import Settings
from nunatak.confinement.gates import keep_home
from nunatak.confinement.policy import confinement
from nunatak.disk import FILE_CHANGES
from nunatak.errors import NunatakError
from nunatak.imports import leave_out_pandas
from nunatak.maintenance.contents import Links
from nunatak.maintenance.hold_server import HoldServer
from nunatak.maintenance.home_lock import hold_home
from nunatak.maintenance.kept import refuse_incomplete
from nunatak.protocol.server import address, serve
from nunatak.telemetry import configure_logs
from nunatak.transport.address import CertificateFiles
from nunatak.transport.listening import listen
from nunatak.version import installed_version

_LOGGER = logging.getLogger(__name__)


def run_server(settings: Settings, *, install_connection: bool, log_level: str) -> int:
    """Serve until told to stop; answers the exit status."""
    leave_out_pandas()
    try:
        configure_logs(log_level)
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.umask(0o022)  # models run as other users; the home keeps everybody else out
        with hold_home(settings.home):
            refuse_incomplete(settings)
            Links(settings).remove()  # a backup was killed
            _tell_confinement(settings)
            is_stuck = uvloop.run(_run(settings, install_connection=install_connection))
    except (NunatakError, OSError, ValueError) as error:
        print(f"nunatak cannot run: {error}", file=sys.stderr)
        return 1
    if is_stuck:  # the interpreter would wait for the statement's thread
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


def _tell_confinement(settings: Settings) -> None:
    """Say what is confined and what is not, and close the home as far as models allow."""
    found = confinement(allow_unconfined=settings.allow_unconfined)
    print(found.detail, file=sys.stderr)
    if not found.available:
        _LOGGER.warning("%s", found.detail)
    problem = keep_home(settings.home, found)
    if problem:
        print(f"models cannot be started: {problem}", file=sys.stderr)


async def _run(settings: Settings, *, install_connection: bool) -> bool:
    """Serve until told to stop; whether a statement goes on all the same."""
    listener = listen(settings.host, settings.port)
    port = int(listener.getsockname()[1])
    server = await asyncio.to_thread(assemble, settings, port=port)
    holds = HoldServer(settings.home, hold=server.hold_databases, changes=FILE_CHANGES)
    try:
        password = prepare_account(server.access, settings)
        server.prepare()
        found = confinement(allow_unconfined=settings.allow_unconfined)
        audit = server.injector.get(AuditLog)
        audit.record(
            ServerStarted(time=audit.clock(), version=installed_version(), confinement=found.detail)
        )
        table = write_own_connection(settings, host=settings.host, port=port, password=password)
        if install_connection:
            print(f"connection '{CONNECTION}' is in {install(CONNECTION, table)}", file=sys.stderr)
        await server.control.start()
        await holds.start()
        shown = address(listener, tls=settings.tls)
        await serve(
            server.app,
            listener,
            on_ready=lambda: _ready(shown),
            tls=_certificate(settings),
            endpoints=server.ingress,
            on_stop=server.app.stop,
        )
    finally:
        await holds.stop()
        await _stop(server)
    return server.app.execution.is_stuck


def _ready(shown: str) -> None:
    """Tell that requests are accepted, with the garbage collector out of their way."""
    # What start-up made stays: walking it again and again would stop every request for as long.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    gc.enable()
    print(f"ready {shown}", flush=True)


async def _stop(server: Server) -> None:
    _LOGGER.info("stopping")
    server.ingress.close()
    await server.control.stop()
    await asyncio.to_thread(server.close)


def _certificate(settings: Settings) -> CertificateFiles | None:
    if not settings.tls:
        return None
    from nunatak.protocol.tls import development_certificate
    from nunatak.transport.certificates import authority_file

    folder = settings.folder("keys")
    hosts = [settings.host, "localhost", *([f"*.{settings.domain}"] if settings.domain else [])]
    files = development_certificate(folder, hosts=hosts)
    print(f"clients must trust {authority_file(folder)}", file=sys.stderr)
    return files
