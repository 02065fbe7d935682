"""Specifications of services in statements: inline, from a stage, or from a template."""

from __future__ import annotations

from dataclasses import dataclass

from nunatak.access.privileges.declared import (
    CheckedInside,
    Given,
    NeedsOnAccount,
    OnTargets,
    Target,
    in_words,
)
from nunatak.catalog.objects import Objects
from nunatak.errors import InvalidArgument
from nunatak.models.versions import MODEL
from nunatak.services.commands.commands import ServiceCommands
from nunatak.services.commands.repository_images import REPOSITORY, FoundImage, RepositoryImages
from nunatak.services.documents.specification import (
    ContainerSpec,
    fill_template,
    parse_specification,
)
from nunatak.services.model.spec import KIND
from nunatak.sql.language.family.table import DONE
from nunatak.sql.language.injection import Injector
from nunatak.sql.language.requirements import key_of
from nunatak.sql.language.statement import STATUS_FIELDS, Context, authorise
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.language.values import integer, stage_path
from nunatak.sql.storage.stage_files import StagedText
from nunatak.stages.service import Stages
from nunatak.warehouse.core.results import Field, Result, status_result


@dataclass(frozen=True, slots=True)
class Specification:
    """A specification's text: inline, or a file on a stage; `values` fill a template."""

    text: str | None = None
    file: StagedText | None = None
    values: dict[str, str] | None = None

    def read(self, context: Context, stages: Stages) -> ContainerSpec:
        """The parsed specification."""
        text = self.text if self.file is None else self.file.read(context, stages)
        filled = text or ""
        if self.values is not None:
            filled = fill_template(filled, self.values)
        return parse_specification(filled)


@dataclass(frozen=True, slots=True)
class _Used:
    """The image that a specification names, and whether it has a public endpoint."""

    image: FoundImage
    public: bool

    def source(self, _: Context) -> list[Target]:
        """The repository of the image, else the model in it."""
        if self.image.repository is not None:
            return [Target(REPOSITORY, self.image.repository)]
        return [Target(MODEL, str(self.image.model.model))]


_USED_NEEDS = (
    OnTargets("READ", _Used.source, "the image repository, or the model of the image"),
    NeedsOnAccount("BIND SERVICE ENDPOINT", when=Given("public", "for a public endpoint")),
)
IMAGE_AND_ENDPOINTS = CheckedInside(
    why="the specification names the image and the endpoints",
    privileges=(in_words(_USED_NEEDS),),
)


def check_container(
    context: Context, container: ContainerSpec, injector: Injector, images: RepositoryImages
) -> None:
    """Check what IMAGE_AND_ENDPOINTS lists; raises PrivilegeMissing, or ObjectNotFound for the
    image."""
    used = _Used(images.find(container), public=container.public)
    authorise(_USED_NEEDS, used, context, injector)


@dataclass(frozen=True, kw_only=True)
class AlterSpecification:
    """ALTER SERVICE [IF EXISTS] s FROM SPECIFICATION …"""

    name: tuple[str, ...]
    if_exists: bool
    specification: Specification
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(
        self,
        context: Context,
        injector: Injector,
        stages: Stages,
        commands: ServiceCommands,
        objects: Objects,
        images: RepositoryImages,
    ) -> Result:
        """Check the specification and write it down; instances are replaced one by one."""
        key = key_of(KIND, self.name, context.session)
        if self.if_exists and objects.find(key) is None:
            return status_result(DONE)
        commands.check_alterable(key)
        container = self.specification.read(context, stages)
        check_container(context, container, injector, images)
        commands.alter(key, container)
        return status_result(DONE)


def specification(cursor: TokenCursor) -> Specification:
    """Parse `FROM SPECIFICATION …` in its four forms."""
    cursor.expect("FROM")
    if cursor.at("@") or cursor.at_string():
        location = stage_path(cursor).rstrip("/")
        word = cursor.accept_any("SPECIFICATION_FILE", "SPECIFICATION_TEMPLATE_FILE")
        if word is None:
            cursor.fail("expected SPECIFICATION_FILE or SPECIFICATION_TEMPLATE_FILE")
        cursor.accept("=")
        file = StagedText.parse(f"{location}/{cursor.string().lstrip('/')}")
        is_template = word == "SPECIFICATION_TEMPLATE_FILE"
        return Specification(file=file, values=_using(cursor) if is_template else None)
    word = cursor.accept_any("SPECIFICATION", "SPECIFICATION_TEMPLATE")
    if word is None:
        cursor.fail("expected SPECIFICATION or SPECIFICATION_TEMPLATE")
    text = cursor.string()
    is_template = word == "SPECIFICATION_TEMPLATE"
    return Specification(text=text, values=_using(cursor) if is_template else None)


def _using(cursor: TokenCursor) -> dict[str, str]:
    """`USING (name => value, …)`; a value is a string or a whole number."""
    values: dict[str, str] = {}
    cursor.expect("USING")
    cursor.expect("(")
    while not cursor.accept(")"):
        name = cursor.identifier()
        if name in values:
            raise InvalidArgument(f"The value of {name} is given twice.")
        cursor.expect("=>")
        values[name] = cursor.string() if cursor.at_string() else str(integer(cursor))
        if not cursor.at(")"):
            cursor.expect(",")
    return values
