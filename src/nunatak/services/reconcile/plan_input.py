"""A service as its plan sees it: what keeps it from starting, and what breaks it."""

from __future__ import annotations

from nunatak.compute.states import PoolState
from nunatak.services.model.snapshot import Pool, Service, Snapshot
from nunatak.services.model.spec import BUILD_CONTAINER
from nunatak.services.model.states import BuildState
from nunatak.services.reconcile.plan import ServiceView


def service_view(
    service: Service, snapshot: Snapshot, *, target: int, parked: str, failure: str = ""
) -> ServiceView:
    """The view of one service; `target` is how many instances it shall have, `parked` what is kept
    of it in memory, for people, and `failure` why no other start of it is tried."""
    spec = service.spec
    pool = snapshot.pools.get(spec.pool)
    stopping = pool is not None and (pool.spec.suspended or pool.status.state is PoolState.STOPPING)
    blocked, broken = _image_problem(service, snapshot)
    if pool is None:
        broken = f"Compute pool {spec.pool} does not exist any more."
    return ServiceView(
        state=service.state,
        target=target,
        min_ready=spec.min_ready_instances,
        suspended=spec.suspended or stopping,
        dropped=spec.dropped,
        crowded=pool is not None and _is_crowded(pool),
        blocked=blocked,
        broken=broken or failure,
        asleep=f"{_asleep(service, stopping=stopping)} {parked}".strip(),
    )


def _asleep(service: Service, *, stopping: bool) -> str:
    """Note on who or what suspended a service, and what wakes it."""
    spec, name = service.spec, service.record.key.title
    if service.in_warehouse:
        return f"The model was unloaded {spec.suspended_by}. A call loads it."
    if not spec.suspended and stopping:
        return (
            f"The service is suspended with its pool. ALTER COMPUTE POOL {spec.pool} RESUME "
            f"starts both; so does ALTER SERVICE {name} RESUME, or a call, where AUTO_RESUME is on."
        )
    suspended = f"The service was suspended {spec.suspended_by}".rstrip()
    ways = f"ALTER SERVICE {name} RESUME starts it"
    ways += ", and so does a call." if spec.auto_resume else ": AUTO_RESUME is off."
    return f"{suspended}. {ways}"


def _is_crowded(pool: Pool) -> bool:
    """GPUs are counted by the machine, whatever the number of nodes, so they are always scarce."""
    return pool.status.error_code is not None or pool.capacity.gpus > 0


def _image_problem(service: Service, snapshot: Snapshot) -> tuple[str, str]:
    """Reason why there is no image yet, or why there will be none."""
    if service.image:
        return "", ""
    build = snapshot.build_of(service)
    if build is None:
        return "", f"The image build {service.spec.build} is gone: deploy the model again."
    match build.state:
        case BuildState.DONE:
            return "The image is ready.", ""
        case BuildState.FAILED | BuildState.CANCELLED if service.in_warehouse:
            return "", build.message
        case BuildState.FAILED | BuildState.CANCELLED:
            name = build.record.key.title
            where = f"SYSTEM$GET_SERVICE_LOGS('{name}', '0', '{BUILD_CONTAINER}') shows its log."
            return "", f"Image build {build.record.name} failed: {build.message} {where}"
        case _:
            reason = service.status.rebuild or ""
            text = f"{reason} Waiting for image build {build.record.name}: {build.message}"
            return text.strip(), ""
