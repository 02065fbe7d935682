"""Rules of image repositories."""

from __future__ import annotations

from nunatak.catalog.kinds import RepositorySpec
from nunatak.catalog.store import Key, Transaction
from nunatak.errors import Unsupported
from nunatak.objects.ruled import Values
from nunatak.services.commands.repository_images import REPOSITORY
from nunatak.services.documents.specification import repository_path


class Repositories:
    """Properties of image repositories: ENCRYPTION, the type of it."""

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
