"""SYSTEM$DEPLOY_MODEL: from the call's text to a deployment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nunatak.access.privileges.requirement import Requirement
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Key
from nunatak.compute.pools import KIND as POOL
from nunatak.compute.pools import pool_key
from nunatak.errors import InvalidArgument
from nunatak.models.versions import MODEL
from nunatak.services.commands.repository_images import REPOSITORY
from nunatak.services.documents.deployment import DeploymentOrder, parse_deployment
from nunatak.services.model.integrations import INTEGRATION
from nunatak.sql.language.objects import on_account
from nunatak.sql.language.statement import Context
from nunatak.sql.language.system_functions import register
from nunatak.sql.storage.stage_files import StagedText


def deploy_model(context: Context, arguments: list[Any]) -> str:
    """SYSTEM$DEPLOY_MODEL('<yaml>' | '@stage/file'): build, start, and wait until it runs."""
    if len(arguments) != 1 or not isinstance(arguments[0], str):
        raise InvalidArgument("SYSTEM$DEPLOY_MODEL takes one text: a specification or @stage/file.")
    text = arguments[0]
    if text.lstrip().startswith("@"):
        file = StagedText.parse(text.strip())
        _require(context, file.requirements(context))
        text = file.read(context)
    session = context.session
    order = parse_deployment(text, database=session.database, schema=session.schema)
    _require(context, requirements(context, order))
    return context.rooms.control.deployments.deploy(
        order, query_id=context.query_id, owner=session.role, cancelled=context.cancelled
    )


def requirements(context: Context, order: DeploymentOrder) -> Iterable[Requirement]:
    """What a deployment needs: CREATE SERVICE on the schema, USAGE on pools and integrations, READ
    on the model, SERVICE READ and WRITE on the repository, BIND SERVICE ENDPOINT if public."""
    schema = Key("SCHEMA", order.service.schema, order.service.database)
    yield Requirement("CREATE SERVICE", schema.kind, schema.title)
    yield Requirement("READ", MODEL, Key.of(MODEL, order.model).title)
    for pool in dict.fromkeys((order.pool, order.build_pool)):
        yield Requirement("USAGE", POOL, pool_key(pool).title)
    for name in order.integrations:
        yield Requirement("USAGE", INTEGRATION, Key(INTEGRATION, name).title)
    if order.image_repository is not None:
        title = Key.of(REPOSITORY, order.image_repository).title
        yield Requirement("SERVICE READ", REPOSITORY, title)
        yield Requirement("SERVICE WRITE", REPOSITORY, title)
    if order.public:
        yield on_account("BIND SERVICE ENDPOINT", context)


def _require(context: Context, needed: Iterable[Requirement]) -> None:
    for requirement in needed:
        context.rooms.access.require(requirement, role=context.session.role)


def service_name(context: Context, text: object) -> QualifiedName:
    """A service named by a text argument of a function; raises InvalidArgument."""
    if not isinstance(text, str):
        raise InvalidArgument("Name the service with a text such as 'DB.SCHEMA.SERVICE'.")
    session = context.session
    return QualifiedName.parse(text, database=session.database, schema=session.schema)


SYSTEM_FUNCTIONS = {"SYSTEM$DEPLOY_MODEL": deploy_model}
register(SYSTEM_FUNCTIONS)
