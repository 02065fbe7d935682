"""``http``: the deployed model over HTTP, as users reach it, beside the baselines."""

import os
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import front, servers
from benchmarks.harness import Figures, run_load, table
from benchmarks.model import PackedModel
from benchmarks.plane import Plane, pss_bytes
from benchmarks.servers import Running

CLIENTS = [1, 16, 64]
_SECONDS, _OVERLOAD_SECONDS = 2.5, 15.0


def measure(plane: Plane, repeats: int) -> dict[str, Any]:
    """Small requests, large ones and overload: baselines, the instance's front, the ingress."""
    plane.service()
    model = logged_model(plane)
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        bodies = model.bodies(folder, 1, 64)
        running = [
            stack.enter_context(servers.plain(model, folder)),
            stack.enter_context(servers.ceiling(model, folder)),
            plane.instance(),
            ingress(plane),
        ]
        figures["small"] = front.small(running, bodies, CLIENTS, _SECONDS, repeats)
        figures["targets"] = _targets(model, figures["small"])
        figures["large"] = front.large(running, model, folder, _SECONDS, repeats)
        for server in running[2:]:
            figures[f"overload {server.name}"] = _overload(server, bodies, figures["small"])
    return figures


def logged_model(plane: Plane) -> PackedModel:
    """The very model that was logged: its files in the server's home."""
    found = sorted((plane.home / "models").glob("*/model/models/*/model.ubj"))
    booster = found[0]
    python = Path(os.environ["NUNATAK_TEST_CLIENT_PYTHON"])
    return PackedModel(booster.parents[3], booster, python)


def ingress(plane: Plane) -> Running:
    """The service behind the server's authenticated ingress."""
    endpoint = plane.endpoint()
    return replace(
        plane.as_running(),
        address=endpoint.address,
        path=endpoint.path,
        headers=endpoint.headers,
    )


def _targets(model: PackedModel, small: dict[str, dict[int, Figures]]) -> dict[str, float]:
    rate = {name: by_clients[64]["ok_per_s"] for name, by_clients in small.items()}
    memory_ms = model.one_row_ms(1.0)
    above = small["ingress"][1]["p50_ms"] - memory_ms
    figures = {
        "ingress / plain, 64 clients": rate["ingress"] / rate["plain"],
        "front / plain, 64 clients": rate["front"] / rate["plain"],
        "front / ceiling, 64 clients": rate["front"] / rate["ceiling"],
        "ms above memory, 1 client, ingress": above,
    }
    rows = list(zip(figures, figures.values(), (">= 2.5", ">= 4", ">= 0.6", "<= 1.5"), strict=True))
    print(f"\n{table(('single rows', 'measured', 'target'), rows)}", flush=True)
    return figures | {"memory p50 ms": memory_ms}


def _overload(
    server: Running, bodies: list[str], small: dict[str, dict[int, Figures]]
) -> dict[str, Any]:
    """512 clients; the memory of the server and all its processes before and after."""
    run_load(server, server.load(bodies, 512, 1.0))
    before = pss_bytes(server.process)
    figures = front.overload(server, bodies, _OVERLOAD_SECONDS, small[server.name])
    after = pss_bytes(server.process)
    rows = [("memory, MB, before", before / 1e6), ("memory, MB, after", after / 1e6)]
    print(table(("what", "measured"), rows), flush=True)
    return figures | {"pss_before_bytes": before, "pss_after_bytes": after}
