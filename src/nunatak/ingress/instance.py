"""An instance as the ingress sees it: the way to it, and who is let in."""

from __future__ import annotations

import asyncio

from nunatak.transport.address import Address
from nunatak.transport.admission.admission import Admission, AdmissionPolicy
from nunatak.transport.client.instance_client import InstanceClient

BODIES_LIMIT_BYTES = 1024**3
"""Bodies of requests under way, held by all requests together."""
_POLICY = AdmissionPolicy(memory_bytes=BODIES_LIMIT_BYTES, bytes_per_body_byte=1)


class IngressInstance:
    """An instance. Belongs to one event loop."""

    def __init__(self, address: Address, *, loop: asyncio.AbstractEventLoop) -> None:
        self.address = address
        self.admission = Admission(_POLICY)
        self.line = InstanceClient(address).on_loop(loop)
