"""*ingress*: ours before one instance, with neither accounts nor a catalog behind it."""

import sys
from dataclasses import dataclass
from pathlib import Path

import uvloop
from starlette.applications import Starlette

from nunatak.access.authenticate import Identity
from nunatak.catalog.names import QualifiedName
from nunatak.ingress.gate import Gate
from nunatak.ingress.handler import Ingress
from nunatak.protocol.server import serve
from nunatak.services.calling.routes import Route, RouteTarget
from nunatak.services.model.states import ServiceState
from nunatak.transport.address import Address, UnixAddress
from nunatak.transport.client.file_lines import FileLines
from nunatak.transport.listening import listen

ENDPOINT = "/ep/benchmark.snowflakecomputing.app/predict"
TOKEN = "anybody"
_BODY_LIMIT_BYTES = 1024**3


@dataclass(frozen=True)
class _OneRoute:
    """A routing table of one service, which is always there."""

    route: Route

    def by_endpoint(self, endpoint_id: str) -> Route | None:
        """Any endpoint is this one."""
        return self.route

    def lost(self, service_id: int, address: Address) -> None:
        """Nothing replaces it."""

    async def until_ready(self, service_id: int, *, timeout_s: float) -> Route:
        """It is ready."""
        return self.route


class _Everybody:
    """Authorities that let everybody in."""

    def identify(self, token: str) -> Identity:
        """All are one."""
        return Identity("BENCHMARK")

    def may_use(self, identity: Identity, service: QualifiedName) -> bool:
        """Always."""
        return True


def _no_file(*_: object) -> bool:
    return False


async def _serve(port: int, socket: Path) -> None:
    route = Route(
        service_id=1,
        service=QualifiedName("BENCHMARK", "PUBLIC", "FRONT"),
        endpoint="inference",
        endpoint_id="benchmark",
        state=ServiceState.RUNNING,
        message="",
        public=True,
        max_batch_rows=None,
        methods=(),
        targets=(RouteTarget("0", UnixAddress(socket)),),
    )
    ingress = Ingress(_OneRoute(route), Gate(_Everybody()), body_limit_bytes=_BODY_LIMIT_BYTES)
    listener = listen("127.0.0.1", port)
    await serve(Starlette(), listener, on_ready=lambda: None, endpoints=ingress)
    ingress.close()


if __name__ == "__main__":
    if sys.argv[3] == "without":
        FileLines.expect = _no_file  # type: ignore[method-assign, assignment]
    uvloop.run(_serve(int(sys.argv[1]), Path(sys.argv[2])))
