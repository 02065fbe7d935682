"""Ray Serve behind HAProxy: two replicas, each with its own batching."""

import signal
import sys
from typing import Any

import ray
from ray import serve
from starlette.requests import Request

from benchmarks.frameworks import trees

REQUESTS = 64


class Trees:
    """Rows in, one number for each out."""

    def __init__(self) -> None:
        self.model = trees.load()

    @serve.batch(max_batch_size=REQUESTS, batch_wait_timeout_s=trees.WINDOW_S)
    async def predict(self, tables: list[list[list[float]]]) -> list[list[float]]:
        """One call of the model for the requests that came together."""
        return trees.predict_together(self.model, tables)

    async def __call__(self, request: Request) -> dict[str, Any]:
        """One request."""
        return {"values": await self.predict((await request.json())["rows"])}


replicas = serve.deployment(
    num_replicas=2, max_ongoing_requests=1000, ray_actor_options={"num_cpus": 1}
)(Trees)


def main() -> None:
    """Serve on loopback until told to stop."""
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        _node_ip_address="127.0.0.1",
        object_store_memory=128 * 1024 * 1024,
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # ray.init has set one that aborts
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": trees.PORT})
        serve.run(replicas.bind(), route_prefix="/predict")
        signal.pause()
    finally:
        serve.shutdown()
        ray.shutdown()


if __name__ == "__main__":
    main()
