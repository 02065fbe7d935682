"""CREATE and ALTER SERVICE: a service of one's own from a specification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from nunatak.catalog.names import QualifiedName
from nunatak.catalog.objects import present
from nunatak.catalog.store import Catalog, Key, Record
from nunatak.errors import InvalidArgument, ObjectExists
from nunatak.services.commands.creation import ServiceCreation, new_endpoint_id
from nunatak.services.commands.repository_images import find_image
from nunatak.services.documents.specification import ContainerSpec
from nunatak.services.model.changes import Changes
from nunatak.services.model.integrations import allowed_hosts
from nunatak.services.model.secret_uses import SecretReader
from nunatak.services.model.snapshot import Service, read_service
from nunatak.services.model.spec import SecretUse, ServiceSpec, ServiceType


class Creator:
    """Writes new services down; their reconciler starts them."""

    def __init__(
        self,
        catalog: Catalog,
        creation: ServiceCreation,
        *,
        changes: Changes,
        secrets: SecretReader,
    ) -> None:
        self._catalog = catalog
        self._creation = creation
        self._changes = changes
        self._secrets = secrets

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
        (schema, pool, image, integration, secret), PrivilegeMissing for a secret that the owner may
        not use, InvalidArgument when no node is large enough, ConfinementMissing.
        """
        self._creation.check(QualifiedName(key.database, key.schema, key.name))
        uses = self._uses(key, container, owner)
        with self._catalog.write() as tx:
            if tx.find(key) is not None:
                raise ObjectExists(key.label, key.title)
            allowed_hosts(tx, values.get("integrations", ()))
            found = find_image(tx, container)
            spec = ServiceSpec(
                type=ServiceType.CONTAINER,
                pool=pool,
                model=found.model,
                endpoint_id=new_endpoint_id(),
                image_repository=found.repository,
                secrets=uses,
                **_from_container(container),
                **_with_bounds(values),
            )
            self._creation.begin(tx, key, spec, owner=owner, image=found.image, comment=comment)
        self._changes.announce()

    def alterable(self, key: Key, *, if_exists: bool = False) -> bool:
        """Whether there is such a service. Raises ObjectNotFound where there must be one,
        InvalidArgument unless its specification is its owner's own."""
        with self._catalog.read() as tx:
            record = present(tx, key, if_exists=if_exists)
        if record is None:
            return False
        _check_own(record)
        return True

    def alter(self, key: Key, container: ContainerSpec) -> None:
        """Give another specification to a service that its owner wrote; its instances are replaced
        one by one. The same specification again changes nothing.

        Raises ObjectNotFound (service, image, secret), PrivilegeMissing for a secret that the owner
        of the service may not use, InvalidArgument for jobs and inference services, and when no
        node is large enough.
        """
        with self._catalog.read() as tx:
            record = tx.get(key)
        _check_own(record)
        uses = self._uses(key, container, record.owner)
        with self._catalog.write() as tx:
            record = tx.get(key)
            _check_own(record)
            before = ServiceSpec.read(record.spec)
            self._creation.check_size(tx, key, before.pool, container.requested)
            found = find_image(tx, container)
            after = replace(
                before,
                model=found.model,
                image_repository=found.repository,
                secrets=uses,
                **_from_container(container),
            )
            service = Service(record)
            if after == before and found.image.digest == service.digest:
                return
            after = replace(after, revision=before.revision + 1)
            status = replace(service.status, image=found.image)
            tx.update(record, spec=after.document(), status=status.document())
        self._changes.announce()

    def _uses(self, key: Key, container: ContainerSpec, owner: str) -> tuple[SecretUse, ...]:
        uses = tuple(written.within(key) for written in container.secrets)
        with self._catalog.read() as tx:
            self._secrets.check(tx, uses, owner=owner)
        return uses


def _check_own(record: Record) -> None:
    """Raises InvalidArgument unless the specification of a service is its owner's own."""
    if read_service(record).spec.type is not ServiceType.CONTAINER:
        raise InvalidArgument(
            f"The specification of service {record.key.title} cannot be altered: it was made "
            "for a model, which the service must go on to serve. DESCRIBE SERVICE shows it: copy "
            "it, change it, and run it with CREATE SERVICE … FROM SPECIFICATION."
        )


def _from_container(container: ContainerSpec) -> dict[str, Any]:
    """Properties of a service in a specification, by the names in ServiceSpec."""
    return {
        "requested": container.requested,
        "num_workers": container.num_workers,
        "max_batch_rows": container.max_batch_rows,
        "public": container.public,
        "endpoint": container.endpoint,
        "env": dict(container.env),
    }


def _with_bounds(values: Mapping[str, Any]) -> dict[str, Any]:
    """MIN and MAX instances, where one that is not given follows the other."""
    least = values.get("min_instances")
    most = values.get("max_instances", max(1, least or 1))
    return {**values, "min_instances": 1 if least is None else least, "max_instances": most}
