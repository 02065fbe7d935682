"""CREATE SERVICE from a specification: inline, from a stage, or from a template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.declared import AppliesTags, Creates, Needs
from nunatak.catalog.objects import Objects
from nunatak.compute.pools import KIND as POOL
from nunatak.objects.tags import Tags
from nunatak.services.commands.commands import ServiceCommands
from nunatak.services.commands.repository_images import RepositoryImages
from nunatak.services.model.integrations import INTEGRATION
from nunatak.services.model.spec import KIND
from nunatak.sql.language.creation import Creation, creation
from nunatak.sql.language.family.tags import TagValues, properties_and_tags, tag_changes
from nunatak.sql.language.injection import Injector
from nunatak.sql.language.statement import Context, Modifiers, accept_if_not_exists
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.services.services import SETTABLE, service_key_of, spec_values
from nunatak.sql.services.specifications import (
    IMAGE_AND_ENDPOINTS,
    Specification,
    check_container,
    specification,
)
from nunatak.sql.storage.stage_files import reads_file
from nunatak.stages.service import Stages
from nunatak.warehouse.core.results import Result, status_result


@dataclass(frozen=True, kw_only=True)
class CreateService(Creation):
    """CREATE SERVICE [IF NOT EXISTS] s IN COMPUTE POOL p FROM … properties."""

    name: tuple[str, ...]
    pool: str
    specification: Specification
    values: dict[str, Any]
    tags: TagValues

    def run(
        self,
        context: Context,
        injector: Injector,
        stages: Stages,
        commands: ServiceCommands,
        objects: Objects,
        tags: Tags,
        images: RepositoryImages,
    ) -> Result:
        """Check the specification and write the service down."""
        key = service_key_of(context, self.name)
        if self.if_not_exists and objects.find(key) is not None:
            return status_result(f"{key.name} already exists, statement succeeded.")
        carried = tags.carried(tag_changes(context.session, self.tags))
        container = self.specification.read(context, stages)
        check_container(context, container, injector, images)
        commands.create(
            key,
            container,
            pool=self.pool,
            owner=context.session.role,
            values={**spec_values(self.values), "tags": carried},
            comment=self.values.get("COMMENT", ""),
        )
        return status_result(f"Service {key.name} successfully created.")


@creation(
    "SERVICE",
    needs=(
        AppliesTags(),
        Creates(KIND),
        Needs("USAGE", POOL, of="pool"),
        Needs("USAGE", INTEGRATION, of="values.EXTERNAL_ACCESS_INTEGRATIONS", each=True),
        reads_file("specification.file"),
        IMAGE_AND_ENDPOINTS,
    ),
)
def create_service(cursor: TokenCursor, create: Modifiers) -> CreateService:
    """Parse CREATE SERVICE."""
    if create.or_replace:
        cursor.fail("OR REPLACE does not go with SERVICE")
    if_not_exists = accept_if_not_exists(cursor, create)
    name = cursor.name()
    cursor.expect("IN", "COMPUTE", "POOL")
    pool = cursor.identifier()
    document = specification(cursor)
    values, tags = properties_and_tags(cursor, SETTABLE)
    return CreateService(
        name=name,
        if_not_exists=if_not_exists,
        pool=pool,
        specification=document,
        values=values,
        tags=tags,
    )
