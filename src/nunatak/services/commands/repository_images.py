"""The images of repositories: what builds made for them, and which of all are in use.

Images are kept once under their digest, whatever repository they were built for; a repository is
the name under which they are found, and on which grants are checked.
"""

from __future__ import annotations

from dataclasses import dataclass

from nunatak.catalog.store import Catalog, Key, Record, Transaction
from nunatak.errors import ObjectNotFound
from nunatak.services.documents.specification import ContainerSpec, repository_path
from nunatak.services.model.snapshot import Service, read_service
from nunatak.services.model.spec import KIND, WAREHOUSE_KIND, ImageRef, ModelRef

REPOSITORY = "IMAGE_REPOSITORY"


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image, the model version in it, and the title of its repository if it has one."""

    image: ImageRef
    model: ModelRef
    repository: str | None


class RepositoryImages:
    """The images of repositories; safe to use from many threads."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def find(self, container: ContainerSpec) -> FoundImage:
        """The image that a specification names (`find_image`); raises ObjectNotFound."""
        with self._catalog.read() as tx:
            return find_image(tx, container)

    def repository(self, path: str) -> Record | None:
        """The repository of a path as image names have it, `/db/schema/repository`."""
        with self._catalog.read() as tx:
            records = tx.list_kind(REPOSITORY)
        wanted = path.lower().rstrip("/")
        named = (record for record in records if repository_path(record.key.title) == wanted)
        return next(named, None)

    def listed(self, repository: Key) -> dict[str, Record]:
        """The first build or service of each image of a repository, by the image's digest, oldest
        first; raises ObjectNotFound."""
        with self._catalog.read() as tx:
            return _images_of(tx, tx.get(repository))


def find_image(tx: Transaction, container: ContainerSpec) -> FoundImage:
    """The image that a specification names, in the repository that it names.

    Raises ObjectNotFound.
    """
    known = [
        (item, item.status.image)
        for item in map(read_service, tx.list_kind(KIND))
        if item.status.image
        and item.digest.startswith(container.image)
        and repository_path(item.spec.image_repository) == container.repository
    ]
    if not known:
        place = f" in {container.repository}" if container.repository else ""
        raise ObjectNotFound(
            "Image",
            f"sha256:{container.image}",
            hint=f"There is none{place}: SHOW IMAGES IN IMAGE REPOSITORY lists the images.",
        )
    item, image = max(known, key=lambda pair: pair[0].record.created_on)
    return FoundImage(image, item.spec.model, item.spec.image_repository)


def images_in_use(catalog: Catalog) -> set[str]:
    """Digests of the images that services run or will run again, and of those that models in the
    warehouse run or are about to; one that sleeps is built again if need be."""
    with catalog.read() as tx:
        found = [read_service(record) for record in tx.list_kind(KIND)]
        found += [read_service(record) for record in tx.list_kind(WAREHOUSE_KIND)]
    services = [item for item in found if isinstance(item, Service)]
    return {
        item.digest
        for item in services
        if item.digest and not (item.in_warehouse and item.spec.suspended)
    }


def _images_of(tx: Transaction, repository: Record) -> dict[str, Record]:
    title = repository.key.title
    found = [
        item
        for item in map(read_service, tx.list_kind(KIND))
        if item.spec.image_repository == title and item.digest
    ]
    newest_first = sorted(found, key=lambda item: item.record.created_on, reverse=True)
    first = {item.digest: item.record for item in newest_first}
    return dict(sorted(first.items(), key=lambda item: item[1].created_on))
