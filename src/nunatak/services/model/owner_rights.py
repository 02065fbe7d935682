"""Rights that the role which owns a service must have: on its model, its image, its secrets."""

from __future__ import annotations

from collections.abc import Callable

from nunatak.access.privileges.requirement import Requirement
from nunatak.catalog.store import Catalog, Key
from nunatak.errors import InvalidArgument, ObjectNotFound, PrivilegeMissing
from nunatak.models.versions import MODEL
from nunatak.services.model.ports import ModelSource
from nunatak.services.model.secret_uses import SecretReader
from nunatak.services.model.snapshot import Build, read_service
from nunatak.services.model.spec import ServiceSpec, ServiceType

IMAGE_REPOSITORY = "IMAGE_REPOSITORY"


class OwnerRights:
    """Checks the owner of a service when it starts, and who shall own it. Safe to use from many
    threads."""

    def __init__(
        self,
        catalog: Catalog,
        models: ModelSource,
        *,
        secrets: SecretReader,
        allows: Callable[[str, Requirement], bool],
    ) -> None:
        """`allows` decides whether a role meets a requirement."""
        self._catalog = catalog
        self._models = models
        self._secrets = secrets
        self._allows = allows

    def check_model(self, spec: ServiceSpec, owner: str) -> None:
        """Raise PrivilegeMissing unless the owner may read the model that a service serves, and
        ObjectNotFound when it is gone."""
        if spec.type is ServiceType.INFERENCE:
            self._require(owner, "READ", MODEL, str(self._models.name_of(spec.model)))

    def check_heir(self, key: Key, role: str) -> None:
        """Raise PrivilegeMissing unless a role may own a service; InvalidArgument for a job."""
        with self._catalog.read() as tx:
            record = tx.get(key)
            service = read_service(record)
            if isinstance(service, Build):
                raise InvalidArgument(
                    f"The ownership of {key.title} cannot be transferred: it is a job, which ends."
                )
            spec = service.spec
            if spec.dropped:
                raise ObjectNotFound(key.label, key.title)
            self._secrets.check(tx, spec.secrets, owner=role)
        self.check_model(spec, role)
        if spec.type is ServiceType.CONTAINER:
            self._check_image(spec, role)

    def _check_image(self, spec: ServiceSpec, role: str) -> None:
        """As CREATE SERVICE: READ on the repository of the image, or on its model."""
        if spec.image_repository is not None:
            self._require(role, "READ", IMAGE_REPOSITORY, spec.image_repository)
        else:
            self._require(role, "READ", MODEL, str(self._models.name_of(spec.model)))

    def _require(self, owner: str, privilege: str, kind: str, title: str) -> None:
        if not self._allows(owner, Requirement(privilege, kind, title)):
            what = kind.replace("_", " ")
            raise PrivilegeMissing(
                f"Insufficient privileges to operate on {what.lower()} '{title}': role {owner}, "
                f"which owns the service, needs {privilege} on it: GRANT {privilege} ON {what} "
                f"{title} TO ROLE {owner}."
            )
