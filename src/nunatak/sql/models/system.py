"""System functions that clients call before and around working with models."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.declared import Nothing
from nunatak.access.service import Access
from nunatak.catalog.names import QualifiedName
from nunatak.errors import InvalidArgument, ObjectNotFound
from nunatak.models.lineage import Lineage, NodeQuery
from nunatak.models.registry import Models
from nunatak.models.versions import MODEL
from nunatak.sql.language.functions import system_function, virtual_table
from nunatak.sql.language.show import show_result
from nunatak.sql.language.statement import Context, Modifiers, grammar
from nunatak.sql.language.tokens import TokenCursor
from nunatak.warehouse.core.results import Field, Result, rows_result

CAPABILITIES: Mapping[str, bool | str] = {
    # The deployment specification travels inside the call: no upload before it.
    "ENABLE_INLINE_DEPLOYMENT_SPEC_FROM_CLIENT_VERSION": "1.0.0",
    # Older clients write the parameters of methods into the manifest only with this.
    "ENABLE_MODEL_METHOD_SIGNATURE_PARAMETERS": True,
    # Exact pip pins and nothing of conda, which is what environments are built from here.
    "ENABLE_PIP_ONLY_PACKAGING": True,
}
"""What SYSTEM$ML_PLATFORM_CAPABILITIES answers; a flag that is not here is off."""

SHARED_REPOSITORY = QualifiedName("SNOWFLAKE", "SNOWPARK", "PYPI_SHARED_REPOSITORY")
"""The artifact repository that every account has: the package index that builds install from."""

PACKAGE_FIELDS = (
    Field("PACKAGE_NAME"),
    Field("VERSION"),
    Field("LANGUAGE"),
    Field("RUNTIME_VERSION"),
)
"""The columns of INFORMATION_SCHEMA.PACKAGES."""

CLIENT_PACKAGE = "snowflake-ml-python"
_CLIENT_MINORS = {1: range(5, 100), 2: range(100)}
_CLIENT_PATCHES = range(10)


@system_function(
    "SYSTEM$ML_PLATFORM_CAPABILITIES", needs=(Nothing(why="clients ask before they do anything"),)
)
def ml_platform_capabilities(_: Context, arguments: Sequence[Any]) -> str:
    """SYSTEM$ML_PLATFORM_CAPABILITIES(): which optional behaviours the client may use, as JSON."""
    if arguments:
        raise InvalidArgument("SYSTEM$ML_PLATFORM_CAPABILITIES takes no arguments.")
    return json.dumps(dict(CAPABILITIES))


@system_function("SYSTEM$DGQL", needs=(Nothing(why="only what the role may see is shown"),))
def dgql(context: Context, arguments: Sequence[Any], access: Access, models: Models) -> str:
    """SYSTEM$DGQL('query'): the lineage of one object, as JSON; raises InvalidArgument.

    Versions of models that the current role holds no privilege on are left out.
    """
    if len(arguments) != 1 or not isinstance(arguments[0], str):
        raise InvalidArgument("SYSTEM$DGQL takes one text: the query.")

    sight = access.sight(context.session.in_force)
    lineage = Lineage(models, lambda model: sight.shows(MODEL, str(model)))
    return json.dumps(lineage.answer(NodeQuery.parse(arguments[0])))


def package_rows() -> Iterator[tuple[str, str, str, None]]:
    """The rows of INFORMATION_SCHEMA.PACKAGES.

    The client looks for its own release and packs itself into every version that it logs when it
    does not find it. Environments are installed from a package index, which has every release; so
    every number that a release can have is listed.
    """
    for major, minors in _CLIENT_MINORS.items():
        for minor in minors:
            for patch in _CLIENT_PATCHES:
                yield (CLIENT_PACKAGE, f"{major}.{minor}.{patch}", "python", None)


@virtual_table("PACKAGES", needs=(Nothing(why="it is the same for everybody"),))
def packages(_: Context, _arguments: Sequence[Any]) -> Result:
    """INFORMATION_SCHEMA.PACKAGES, the same for every session and database."""
    return rows_result(PACKAGE_FIELDS, list(package_rows()))


@dataclass(frozen=True, kw_only=True)
class DescribeArtifactRepository:
    """DESCRIBE ARTIFACT REPOSITORY."""

    name: tuple[str, ...]
    fields: tuple[Field, ...] = (Field("property"), Field("value"), Field("description"))

    def run(self, context: Context) -> Result:
        """Properties of the repository; there is the shared one only."""
        name = context.session.qualify(self.name)
        if name != SHARED_REPOSITORY:
            raise ObjectNotFound(
                "Artifact repository", str(name), hint=f"There is {SHARED_REPOSITORY}."
            )
        source = "the package indexes that the server is configured with"
        rows = [
            ["name", str(name), "full name of the repository"],
            ["type", "PIP", "kind of packages"],
            ["source", source, "where packages come from"],
        ]
        return show_result(self.fields, rows)


@grammar(
    "DESCRIBE ARTIFACT REPOSITORY", needs=(Nothing(why="the shared repository is everybody's"),)
)
def describe_artifact_repository(cursor: TokenCursor, _: Modifiers) -> DescribeArtifactRepository:
    """Parse DESCRIBE ARTIFACT REPOSITORY."""
    return DescribeArtifactRepository(name=cursor.name())
