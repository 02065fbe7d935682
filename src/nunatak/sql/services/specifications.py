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
from nunatak.errors import InvalidArgument
from nunatak.models.versions import MODEL
from nunatak.services.commands.repository_images import REPOSITORY, FoundImage, RepositoryImages
from nunatak.services.documents.specification import (
    ContainerSpec,
    fill_template,
    parse_specification,
)
from nunatak.sql.language.injection import Injector
from nunatak.sql.language.statement import Context, authorise
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.language.values import integer, stage_path
from nunatak.sql.storage.stage_files import StagedText
from nunatak.stages.service import Stages


@dataclass(frozen=True, slots=True)
class Specification:
    """A specification's text: inline, or a file on a stage; `values` fill a template."""

    text: str | None = None
    file: StagedText | None = None
    values: dict[str, str] | None = None

    def read(
        self, context: Context, stages: Stages, images: RepositoryImages, injector: Injector
    ) -> ContainerSpec:
        """The parsed specification, after what IMAGE_AND_ENDPOINTS lists was checked; raises
        PrivilegeMissing, InvalidArgument, or ObjectNotFound for the file or the image."""
        text = self.text if self.file is None else self.file.read(context, stages)
        filled = text or ""
        if self.values is not None:
            filled = fill_template(filled, self.values)
        container = parse_specification(filled)
        used = _Used(images.find(container), public=container.public)
        authorise(_USED_NEEDS, used, context, injector)
        return container


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


def specification(cursor: TokenCursor) -> Specification:
    """Parse what follows `FROM`, in its four forms."""
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
