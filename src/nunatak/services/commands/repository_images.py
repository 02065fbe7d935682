"""The images of repositories: what builds made for them.

Images are kept once under their digest, whatever repository they were built for; a repository is
the name under which they are found, and on which grants are checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nunatak.catalog.store import Record, Transaction
from nunatak.errors import ObjectNotFound
from nunatak.services.documents.specification import ContainerSpec, repository_path
from nunatak.services.model.snapshot import Service
from nunatak.services.model.spec import KIND, ModelRef

REPOSITORY = "IMAGE_REPOSITORY"


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image, the model version in it, and the title of its repository if it has one."""

    image: dict[str, Any]
    model: ModelRef
    repository: str | None


def find_image(tx: Transaction, container: ContainerSpec) -> FoundImage:
    """The image that a specification names, in the repository that it names.

    Raises ObjectNotFound.
    """
    known = [
        record
        for record in tx.list_kind(KIND)
        if _digest(record).startswith(container.image)
        and _digest(record)
        and repository_path(record.spec.get("image_repository")) == container.repository
    ]
    if not known:
        place = f" in {container.repository}" if container.repository else ""
        raise ObjectNotFound(
            "Image",
            f"sha256:{container.image}",
            hint=f"There is none{place}: SHOW IMAGES IN IMAGE REPOSITORY lists the images.",
        )
    record = max(known, key=lambda record: record.created_on)
    model = ModelRef(**record.spec["model"])
    return FoundImage(dict(Service(record).image), model, record.spec.get("image_repository"))


def images_in(tx: Transaction, repository: Record) -> dict[str, Record]:
    """The first build or service of each image, by the image's digest, oldest first."""
    title = repository.key.title
    records = [
        record
        for record in tx.list_kind(KIND)
        if record.spec.get("image_repository") == title and _digest(record)
    ]
    newest_first = sorted(records, key=lambda record: record.created_on, reverse=True)
    first = {_digest(record): record for record in newest_first}
    return dict(sorted(first.items(), key=lambda item: item[1].created_on))


def _digest(record: Record) -> str:
    return str(Service(record).image.get("digest", ""))
