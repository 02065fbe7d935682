"""SYSTEM$DEPLOY_MODEL: from the call's text to a deployment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nunatak.access.privileges.declared import (
    CheckedInside,
    Given,
    Needs,
    NeedsInHolder,
    NeedsOnAccount,
    OnTargets,
    Target,
    in_words,
)
from nunatak.compute.pools import KIND as POOL
from nunatak.errors import InvalidArgument
from nunatak.models.versions import MODEL
from nunatak.services.commands.deploy import Deployments
from nunatak.services.commands.repository_images import REPOSITORY
from nunatak.services.documents.deployment import parse_deployment
from nunatak.services.model.integrations import INTEGRATION
from nunatak.services.model.spec import KIND as SERVICE
from nunatak.sql.language.functions import system_function
from nunatak.sql.language.injection import Injector
from nunatak.sql.language.statement import Context, authorise
from nunatak.sql.storage.stage_files import StagedText
from nunatak.stages.locations import STAGE_EXCEPT
from nunatak.stages.service import Stages

_NAMED = Given("image_repository", "where one is named")
ORDER_NEEDS = (
    NeedsInHolder("CREATE SERVICE", SERVICE, of="service"),
    Needs("READ", MODEL, of="model"),
    Needs("USAGE", POOL, of="pool"),
    Needs("USAGE", POOL, of="build_pool"),
    Needs("USAGE", INTEGRATION, of="integrations", each=True),
    Needs("SERVICE READ", REPOSITORY, of="image_repository", when=_NAMED),
    Needs("SERVICE WRITE", REPOSITORY, of="image_repository", when=_NAMED),
    NeedsOnAccount("BIND SERVICE ENDPOINT", when=Given("public", "for a public endpoint")),
)
"""What a deployment needs, by its order."""


def _file(arguments: Sequence[Any]) -> StagedText | None:
    """The file that holds the specification, where the argument names one."""
    if len(arguments) != 1 or not isinstance(arguments[0], str):
        raise InvalidArgument("SYSTEM$DEPLOY_MODEL takes one text: a specification or @stage/file.")
    text = arguments[0].strip()
    return StagedText.parse(text) if text.startswith("@") else None


def _stage(arguments: Sequence[Any], context: Context, stages: Stages) -> Sequence[Target]:
    file = _file(arguments)
    return () if file is None else file.targets(context, stages)


@system_function(
    "SYSTEM$DEPLOY_MODEL",
    needs=(
        OnTargets("READ", _stage, "the stage of the file, where one is named", STAGE_EXCEPT),
        CheckedInside(
            why="the specification tells what it uses", privileges=(in_words(ORDER_NEEDS),)
        ),
    ),
)
def deploy_model(
    context: Context,
    arguments: list[Any],
    injector: Injector,
    stages: Stages,
    deployments: Deployments,
) -> str:
    """SYSTEM$DEPLOY_MODEL('<yaml>' | '@stage/file'): build, start, and wait until it runs."""
    file = _file(arguments)
    text = arguments[0] if file is None else file.read(context, stages)
    session = context.session
    order = parse_deployment(text, database=session.database, schema=session.schema)
    authorise(ORDER_NEEDS, order, context, injector)
    return deployments.deploy(
        order, query_id=context.query_id, owner=session.role, cancelled=context.cancelled
    )
