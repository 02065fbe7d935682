"""Image repositories, and the images that are in them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.declared import Needs, OnTargets, Target
from nunatak.catalog.kinds import RepositorySpec
from nunatak.catalog.names import split_name
from nunatak.catalog.objects import Objects
from nunatak.catalog.sqltypes import TIMESTAMP_LTZ
from nunatak.catalog.store import Key, Record
from nunatak.errors import InvalidArgument
from nunatak.objects.repositories import ImageRepositories
from nunatak.services.commands.repository_images import REPOSITORY, RepositoryImages
from nunatak.services.documents.specification import IMAGE_NAME, repository_path
from nunatak.sql.language.family.statements import register
from nunatak.sql.language.family.table import PropertyFamily
from nunatak.sql.language.functions import system_function
from nunatak.sql.language.requirements import key_of
from nunatak.sql.language.show import ShowClauses, moment, show_clauses, show_result
from nunatak.sql.language.statement import Context, Modifiers, grammar
from nunatak.sql.language.tokens import TokenCursor
from nunatak.warehouse.core.results import Field, Result
from nunatak.warehouse.core.session import Session

_FIELDS = (
    Field("created_on", TIMESTAMP_LTZ),
    Field("name"),
    Field("database_name"),
    Field("schema_name"),
    Field("repository_url"),
    Field("owner"),
    Field("owner_role_type"),
    Field("comment"),
    Field("encryption"),
    Field("privatelink_repository_url"),
)
_IMAGE_FIELDS = (
    Field("created_on", TIMESTAMP_LTZ),
    Field("image_name"),
    Field("tags"),
    Field("digest"),
    Field("image_path"),
)
_ENCRYPTIONS = ("SNOWFLAKE_FULL", "SNOWFLAKE_SSE")


def _row(record: Record, _: Session, repositories: ImageRepositories) -> Sequence[Any]:
    return [
        moment(record.created_on),
        record.name,
        record.key.database,
        record.key.schema,
        repositories.url(record),
        record.owner,
        "ROLE",
        record.comment,
        RepositorySpec.read(record.spec).encryption or _ENCRYPTIONS[0],
        None,
    ]


def _encryption(cursor: TokenCursor) -> str:
    cursor.expect("(")
    cursor.expect("TYPE")
    cursor.accept("=")
    kind = cursor.string()
    if kind not in _ENCRYPTIONS:
        cursor.fail(f"expected one of {', '.join(_ENCRYPTIONS)}")
    cursor.expect(")")
    return kind


REPOSITORIES = PropertyFamily(
    kind=REPOSITORY,
    words="IMAGE REPOSITORY",
    plural=("IMAGE REPOSITORIES",),
    title="Image Repository",
    readers={"ENCRYPTION": _encryption},
    service=ImageRepositories,
    show_fields=_FIELDS,
    show_row=_row,
    describe_fields=_FIELDS,
)
register(REPOSITORIES)


@dataclass(frozen=True, kw_only=True)
class ShowImages:
    """SHOW IMAGES [LIKE …] IN IMAGE REPOSITORY r."""

    name: tuple[str, ...]
    clauses: ShowClauses
    fields: tuple[Field, ...] = _IMAGE_FIELDS

    def run(self, context: Context, images: RepositoryImages) -> Result:
        """One row for each digest that a build or service of the repository has."""
        key = key_of(REPOSITORY, self.name, context.session)
        found = images.listed(key)
        rows = [_image_row(key, digest, record) for digest, record in found.items()]
        return show_result(self.fields, self.clauses.select(rows, lambda row: str(row[1])))


def _image_row(repository: Key, digest: str, record: Record) -> Sequence[Any]:
    path = f"{repository_path(repository.title)}/{IMAGE_NAME}@sha256:{digest}"
    return [moment(record.created_on), IMAGE_NAME, digest[:12], f"sha256:{digest}", path]


def _asked_for(
    arguments: Sequence[Any], context: Context, objects: Objects, images: RepositoryImages
) -> Key:
    """The repository that '/db/schema/repository' means; raises ObjectNotFound."""
    if len(arguments) != 1:
        raise InvalidArgument("SYSTEM$REGISTRY_LIST_IMAGES takes one text: /db/schema/repository.")
    text = str(arguments[0])
    found = images.repository(text)
    if found is not None:
        return found.key
    parts = split_name(text.strip("/").replace("/", "."))
    return objects.get(key_of(REPOSITORY, parts, context.session)).key


def _repository(
    arguments: Sequence[Any], context: Context, objects: Objects, images: RepositoryImages
) -> list[Target]:
    key = _asked_for(arguments, context, objects, images)
    return [Target(key.kind, key.title)]


@system_function(
    "SYSTEM$REGISTRY_LIST_IMAGES", needs=(OnTargets("READ", _repository, "the image repository"),)
)
def list_images(
    context: Context, arguments: list[Any], objects: Objects, images: RepositoryImages
) -> str:
    """SYSTEM$REGISTRY_LIST_IMAGES('/db/schema/repository'): JSON with the names of its images."""
    found = images.listed(_asked_for(arguments, context, objects, images))
    return json.dumps({"images": [IMAGE_NAME] if found else []})


@grammar("SHOW IMAGES IN IMAGE REPOSITORY", needs=(Needs("READ", REPOSITORY),))
def show_images(cursor: TokenCursor, _: Modifiers) -> ShowImages:
    """Parse SHOW IMAGES IN IMAGE REPOSITORY."""
    return ShowImages(name=cursor.name(), clauses=show_clauses(cursor))


@grammar("SHOW IMAGES", needs=(Needs("READ", REPOSITORY),))
def show_images_like(cursor: TokenCursor, _: Modifiers) -> ShowImages:
    """Parse SHOW IMAGES LIKE … IN IMAGE REPOSITORY."""
    clauses = show_clauses(cursor, scopes=("IMAGE REPOSITORY",), needs_scope=True)
    parts = clauses.within[1] if clauses.within else ()
    return ShowImages(name=parts, clauses=clauses)
