"""The load of instances, as their fronts tell it under `/status`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from nunatak.services.model.ports import InstanceLoad
from nunatak.transport.address import Address
from nunatak.transport.client.errors import CallError
from nunatak.transport.client.instance_client import InstanceClient


class InstanceLoads:
    """Asks the instance at an address (`nunatak.services.model.ports.LoadSource`)."""

    def load(self, address: Address) -> InstanceLoad | None:
        """The load now; None when the instance does not answer."""
        client = InstanceClient(address)
        try:
            return read_load(orjson.loads(client.get("/status").body))
        except (CallError, KeyError, ValueError):
            return None
        finally:
            client.close()


def read_load(status: Any) -> InstanceLoad:
    """The load in a status document; raises KeyError or ValueError when it is not one."""
    last = status["last_request"]
    return InstanceLoad(
        workers=status["workers"]["size"],
        busy=status["workers"]["busy"],
        in_flight=status["in_flight"],
        last_request_at=datetime.fromisoformat(last).timestamp() if last else 0.0,
        first_answer_at=float(status["start"]["first_answer"] or 0.0),
    )
