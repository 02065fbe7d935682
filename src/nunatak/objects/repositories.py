"""Image repositories, and the rules about them."""

from __future__ import annotations

from nunatak.catalog.kinds import RepositorySpec
from nunatak.catalog.store import Catalog, Key, Record, Transaction
from nunatak.errors import Unsupported
from nunatak.objects.ruled import RuledObjects, Values
from nunatak.services.calling.addresses import Addresses
from nunatak.services.commands.repository_images import REPOSITORY
from nunatak.services.documents.specification import repository_path


class Repositories:
    """Properties of image repositories: ENCRYPTION, the type of it."""

    kind = REPOSITORY
    structure = RepositorySpec

    def spec(self, _: Transaction, values: Values, old: RepositorySpec | None) -> RepositorySpec:
        """The encryption that was asked for."""
        before = None if old is None else old.encryption
        return RepositorySpec(encryption=values.get("ENCRYPTION", before))

    def check(self, tx: Transaction, key: Key, spec: RepositorySpec | None) -> None:
        """Names of images are in lower case, so that repositories need names that differ by
        more."""
        path = repository_path(key.title)
        for record in tx.list_kind(REPOSITORY) if spec is not None else ():
            if record.key != key and repository_path(record.key.title) == path:
                raise Unsupported(
                    f"Image repository {key.title} cannot be made beside {record.key.title}: names "
                    "of images would not tell them apart: choose another name."
                )


class ImageRepositories(RuledObjects):
    """The image repositories of the account."""

    def __init__(self, catalog: Catalog, addresses: Addresses) -> None:
        super().__init__(catalog, Repositories())
        self._addresses = addresses

    def url(self, repository: Record) -> str:
        """The address of a repository, without a scheme."""
        return self._addresses.repository_url(repository_path(repository.key.title))
