"""Admin endpoints of an instance: health, status, metrics."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import orjson

from nunatak.inference.core.timestamps import from_epoch
from nunatak.inference.server.service import InferenceService
from nunatak.inference.workers.pool import PoolSnapshot
from nunatak.transport.http1.exchange import Exchange
from nunatak.transport.mux.frames import TARGET

Page = Callable[[Exchange], None]


def pages_of(service: InferenceService) -> dict[bytes, Page]:
    """The pages by their path."""
    return {
        b"/healthz": partial(_healthz, service),
        b"/metrics": partial(_metrics, service),
        b"/status": partial(_status, service),
        TARGET: service.link,
    }


def _healthz(service: InferenceService, exchange: Exchange) -> None:
    """200 once every worker has loaded the model, and while any worker is there."""
    pool = service.pool.snapshot()
    ready = service.is_ready() and pool.ready > 0 and not service.draining
    state = {
        "ready": ready,
        "workers": pool.size,
        "workers_ready": pool.ready,
        "failure": pool.failure,
        "start": _start(pool),
    }
    exchange.respond(200 if ready else 503, orjson.dumps(state))


def counters(service: InferenceService) -> bytes:
    """All that the instance counts, and how it is now, as JSON."""
    pool, metrics, batcher = service.pool.snapshot(), service.metrics, service.dispatcher.batcher
    metrics.workers.value, metrics.workers_ready.value = pool.size, pool.ready
    metrics.workers_busy.value, metrics.memory_bytes.value = pool.busy, pool.pss_bytes
    metrics.worker_restarts.values[""] = pool.restarts
    metrics.in_flight.value = service.admission.inside
    metrics.held_bytes.value = service.admission.held_bytes
    metrics.limit.value = service.admission.limit(service.clock())
    metrics.queue_parts.value = batcher.waiting_parts
    metrics.queue_rows.value = batcher.waiting_rows
    metrics.running.value = batcher.running
    return metrics.told()


def _metrics(service: InferenceService, exchange: Exchange) -> None:
    exchange.respond(200, counters(service))


def _status(service: InferenceService, exchange: Exchange) -> None:
    """Status that the control plane scales and suspends by."""
    pool, last = service.pool.snapshot(), service.last_request_at
    state = {
        "service": service.settings.service,
        "instance_id": service.settings.instance_id,
        "ready": service.is_ready() and not service.draining,
        "draining": service.draining,
        "workers": _workers(pool),
        "bulk_slots": service.dispatcher.batcher.bulk_slots,
        "start": _start(pool),
        "memory_pss_bytes": pool.pss_bytes,
        "in_flight": service.admission.inside + service.bulk_waiting,
        "bulk_waiting": service.bulk_waiting,
        "queued_rows": service.dispatcher.batcher.waiting_rows,
        "utilisation": service.utilisation,
        "capacity_per_s": service.admission.capacity,
        "limit": service.admission.limit(service.clock()),
        "last_request": from_epoch(last).isoformat() if last else None,
    }
    exchange.respond(200, orjson.dumps(state))


def _start(pool: PoolSnapshot) -> dict[str, object]:
    """Progress of the latest start: seconds since the epoch, null for what is to come."""
    found = pool.milestones
    return {
        "parked": found.parked,
        "listening": found.began or None,
        "loaded": found.loaded or None,
        "ready": found.ready or None,
        "first_answer": found.answered or None,
    }


def _workers(pool: PoolSnapshot) -> dict[str, object]:
    return {
        "size": pool.size,
        "ready": pool.ready,
        "busy": pool.busy,
        "restarts": pool.restarts,
        "start": pool.start,
        "start_reason": pool.start_reason,
        "failure": pool.failure,
        "pids": pool.pids,
    }
