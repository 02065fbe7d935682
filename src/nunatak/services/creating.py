"""CREATE SERVICE: a service of one's own from a specification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nunatak.catalog.store import Catalog, Key, Record, Transaction
from nunatak.compute.families import Families
from nunatak.compute.nodes import Machine
from nunatak.compute.pools import pool_key
from nunatak.errors import InvalidArgument, ObjectExists, ObjectNotFound
from nunatak.services.changes import Changes
from nunatak.services.deploying import new_endpoint_id
from nunatak.services.documents import ContainerSpec
from nunatak.services.integrations import allowed_hosts
from nunatak.services.pools import resume_pool
from nunatak.services.snapshot import Pool, Service, capacity_of
from nunatak.services.spec import KIND, ModelRef, ServiceSpec, ServiceType
from nunatak.services.states import SERVICES, ServiceState


class Creator:
    """Writes new services down; their reconciler starts them."""

    def __init__(
        self, *, catalog: Catalog, families: Families, machine: Machine, changes: Changes
    ) -> None:
        self._catalog = catalog
        self._families = families
        self._machine = machine
        self._changes = changes

    def create(
        self,
        key: Key,
        container: ContainerSpec,
        *,
        pool: str,
        owner: str,
        values: Mapping[str, Any],
        comment: str = "",
    ) -> None:
        """Create a service that runs an image which a build made.

        `values` are properties by their names in ServiceSpec. Raises ObjectExists, ObjectNotFound
        (schema, pool, image, integration), InvalidArgument when no node is large enough.
        """
        with self._catalog.write() as tx:
            if tx.find(key) is not None:
                raise ObjectExists(key.label, key.title)
            tx.get(Key("SCHEMA", key.schema, key.database))
            allowed_hosts(tx, values.get("integrations", ()))
            self._check_pool(tx, pool, container)
            image, model, repository = _find_image(tx, container.image)
            spec = ServiceSpec(
                type=ServiceType.CONTAINER,
                pool=pool,
                model=model,
                requested=container.requested,
                num_workers=container.num_workers,
                max_batch_rows=container.max_batch_rows,
                public=container.public,
                endpoint=container.endpoint,
                endpoint_id=new_endpoint_id(),
                env=container.env,
                image_repository=repository,
                **_with_bounds(values),
            )
            SERVICES.begin(
                tx,
                key,
                ServiceState.PENDING,
                owner=owner,
                reason="Waiting to start",
                spec=spec.document(),
                status={"image": dict(image), "target_instances": max(1, spec.min_instances)},
                comment=comment,
            )
        self._changes.announce()

    def _check_pool(self, tx: Transaction, name: str, container: ContainerSpec) -> None:
        record = tx.get(pool_key(name))
        pool = Pool(record, capacity_of(record, self._families, self._machine))
        if not resume_pool(tx, pool):
            raise InvalidArgument(
                f"Compute pool {name} is suspended and AUTO_RESUME is off: "
                f"ALTER COMPUTE POOL {name} RESUME."
            )
        wanted = container.requested.on(pool.capacity)
        if wanted is not None and not wanted.fits(pool.capacity):
            raise InvalidArgument(
                f"The service asks for {wanted}, but a node of compute pool {name} has "
                f"{pool.capacity}."
            )


def _with_bounds(values: Mapping[str, Any]) -> dict[str, Any]:
    """MIN and MAX instances, where one that is not given follows the other."""
    least = values.get("min_instances")
    most = values.get("max_instances", max(1, least or 1))
    return {**values, "min_instances": 1 if least is None else least, "max_instances": most}


def _find_image(tx: Transaction, digest: str) -> tuple[Mapping[str, str], ModelRef, str | None]:
    """An image, the model version in it, and its repository, from whoever runs or built it."""
    known = [record for record in tx.list_kind(KIND) if _has_image(record, digest)]
    if not known:
        raise ObjectNotFound(
            "Image", f"sha256:{digest}", hint="SHOW IMAGES IN IMAGE REPOSITORY lists the images."
        )
    newest: Sequence[Record] = sorted(known, key=lambda record: record.created_on)
    record = newest[-1]
    model = ModelRef(**record.spec["model"])
    return Service(record).image, model, record.spec.get("image_repository")


def _has_image(record: Record, digest: str) -> bool:
    return Service(record).image.get("digest", "").startswith(digest)
