"""Functions on services: CREATE FUNCTION … SERVICE = … ENDPOINT = … AS '/path', DROP, SHOW."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.declared import Creates, OnTargets, Target
from nunatak.catalog.names import quoted
from nunatak.catalog.sqltypes import NUMBER, TIMESTAMP_LTZ, parse_type
from nunatak.catalog.store import Record
from nunatak.errors import InvalidArgument, Unsupported
from nunatak.objects.functions import Functions
from nunatak.services.model.functions import KIND, FunctionSpec
from nunatak.services.model.spec import ENDPOINTS_ROLE
from nunatak.services.model.spec import KIND as SERVICE
from nunatak.sql.language.creation import Creation, created, creation
from nunatak.sql.language.family.statements import register
from nunatak.sql.language.family.table import ObjectFamily, comment_actions
from nunatak.sql.language.requirements import key_of
from nunatak.sql.language.show import moment
from nunatak.sql.language.statement import Context, Modifiers, accept_if_not_exists, properties
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.language.values import integer, names_in_parentheses
from nunatak.warehouse.core.results import Field, Result
from nunatak.warehouse.core.session import Session

_SHOW_FIELDS = (
    Field("created_on", TIMESTAMP_LTZ),
    Field("name"),
    Field("schema_name"),
    Field("is_builtin"),
    Field("is_aggregate"),
    Field("is_ansi"),
    Field("min_num_arguments", NUMBER),
    Field("max_num_arguments", NUMBER),
    Field("arguments"),
    Field("description"),
    Field("catalog_name"),
    Field("is_table_function"),
    Field("is_external_function"),
    Field("language"),
)


def _headers(cursor: TokenCursor) -> list[tuple[str, ...]]:
    names = names_in_parentheses(cursor)
    if any(name != ("CURRENT_USER",) for name in names):
        cursor.fail("only CURRENT_USER is sent as a context header")
    return names


def _path(cursor: TokenCursor) -> str:
    path = cursor.string()
    if not path.startswith("/") or len(path) < 2:
        cursor.fail("expected a path such as '/predict'")
    return path[1:]


_PROPERTIES = {
    "SERVICE": TokenCursor.name,
    "ENDPOINT": lambda cursor: cursor.string() if cursor.at_string() else cursor.identifier(),
    "COMMENT": TokenCursor.string,
    "CONTEXT_HEADERS": _headers,
    "MAX_BATCH_ROWS": integer,
    "MAX_BATCH_RETRIES": integer,
    "BATCH_TIMEOUT_SECS": integer,
    "ON_BATCH_FAILURE": TokenCursor.identifier,
    "AS": _path,
}
ABORT, RETURN_NULL = "ABORT", "RETURN_NULL"
_BOUNDS = {
    "MAX_BATCH_ROWS": (1, 1_000_000),
    "MAX_BATCH_RETRIES": (0, 100),
    "BATCH_TIMEOUT_SECS": (1, 7 * 24 * 3600),
}


@dataclass(frozen=True, kw_only=True)
class CreateFunction(Creation):
    """CREATE [OR REPLACE] FUNCTION f (…) RETURNS t SERVICE = s ENDPOINT = e … AS '/path'."""

    name: tuple[str, ...]
    arguments: tuple[tuple[str, str], ...]
    returns: str
    strict: bool
    values: dict[str, Any]

    def service_role(self, context: Context) -> list[Target]:
        """The role of the service that may use its endpoint."""
        service = key_of(SERVICE, self.values["SERVICE"], context.session)
        return [Target("SERVICE_ROLE", f"{service.title}!{ENDPOINTS_ROLE}")]

    def run(self, context: Context, functions: Functions) -> Result:
        """Check against the service, then add the function."""
        service = context.session.qualify(self.values["SERVICE"])
        spec = FunctionSpec(
            service=(service.database, service.schema, service.name),
            endpoint=self.values["ENDPOINT"],
            path=self.values["AS"],
            arguments=self.arguments,
            returns=self.returns,
            max_batch_rows=self.values.get("MAX_BATCH_ROWS"),
            batch_timeout_s=self.values.get("BATCH_TIMEOUT_SECS"),
            max_batch_retries=self.values.get("MAX_BATCH_RETRIES"),
            strict=self.strict,
            null_on_failure=self.values.get("ON_BATCH_FAILURE") == RETURN_NULL,
        )
        made = functions.create(
            key_of(KIND, self.name, context.session),
            context.session.role,
            spec,
            comment=self.values.get("COMMENT", ""),
            existing=self.existing,
        )
        return created(made, "Function", self.name[-1])


@creation(
    "FUNCTION",
    needs=(
        Creates(KIND),
        OnTargets("USAGE", CreateFunction.service_role, "the role of the service"),
    ),
)
def create_function(cursor: TokenCursor, create: Modifiers) -> CreateFunction:
    """Parse CREATE FUNCTION on a service; there are no other functions of users here."""
    if_not_exists = accept_if_not_exists(cursor, create)
    name = cursor.name()
    arguments = _arguments(cursor)
    cursor.expect("RETURNS")
    returns = _type(cursor)
    cursor.accept("NOT", "NULL")
    cursor.accept("NULL")
    strict = False
    if not cursor.accept("CALLED", "ON", "NULL", "INPUT"):
        strict = cursor.accept("STRICT") or cursor.accept("RETURNS", "NULL", "ON", "NULL", "INPUT")
    cursor.accept_any("VOLATILE", "IMMUTABLE")
    values = properties(cursor, _PROPERTIES)
    for needed in ("SERVICE", "ENDPOINT", "AS"):
        if needed not in values:
            raise Unsupported(
                "Only functions on services are supported by this server: CREATE FUNCTION f (…) "
                "RETURNS t SERVICE = s ENDPOINT = e AS '/path'."
            )
    _check_batches(values)
    return CreateFunction(
        name=name,
        or_replace=create.or_replace,
        if_not_exists=if_not_exists,
        arguments=arguments,
        returns=returns,
        strict=strict,
        values=values,
    )


def _check_batches(values: dict[str, Any]) -> None:
    for name, (least, most) in _BOUNDS.items():
        if not least <= values.get(name, least) <= most:
            raise InvalidArgument(f"{name} must be between {least} and {most}.")
    if values.get("ON_BATCH_FAILURE", ABORT) not in (ABORT, RETURN_NULL):
        raise InvalidArgument(f"ON_BATCH_FAILURE must be {ABORT} or {RETURN_NULL}.")


def _arguments(cursor: TokenCursor) -> tuple[tuple[str, str], ...]:
    cursor.expect("(")
    found: list[tuple[str, str]] = []
    while not cursor.accept(")"):
        found.append((cursor.identifier(), _type(cursor)))
        if not cursor.at(")"):
            cursor.expect(",")
    return tuple(found)


def _type(cursor: TokenCursor) -> str:
    """A type such as `NUMBER(10, 2)` or `DOUBLE PRECISION`, in the vendor's spelling."""
    text = cursor.identifier()
    if cursor.accept("PRECISION"):
        text += " PRECISION"
    if cursor.accept("("):
        sizes = [str(integer(cursor))]
        while cursor.accept(","):
            sizes.append(str(integer(cursor)))
        cursor.expect(")")
        text += f"({','.join(sizes)})"
    return parse_type(text).ddl()


def _signature(cursor: TokenCursor) -> tuple[str, ...]:
    """`f (types)`: the name; the types must be some."""
    name = cursor.name()
    argument_types(cursor)
    return name


def argument_types(cursor: TokenCursor) -> None:
    """`(types)`, which must be some; a name stands for one function whatever they are."""
    cursor.expect("(")
    while not cursor.accept(")"):
        _type(cursor)
        if not cursor.at(")"):
            cursor.expect(",")


def _described(record: Record, _: Session) -> Sequence[Sequence[Any]]:
    """One row for each property."""
    spec = FunctionSpec.read(record.spec)
    signature = ", ".join(f"{name} {kind}" for name, kind in spec.arguments)
    described = {
        "signature": f"({signature})",
        "returns": spec.returns,
        "language": "EXTERNAL",
        "null handling": "RETURNS NULL ON NULL INPUT" if spec.strict else "CALLED ON NULL INPUT",
        "service": str(spec.service_name),
        "endpoint": spec.endpoint,
        "body": f"/{spec.path}",
        "max_batch_rows": spec.max_batch_rows,
        "max_batch_retries": spec.max_batch_retries,
        "batch_timeout_secs": spec.batch_timeout_s,
        "on_batch_failure": RETURN_NULL if spec.null_on_failure else ABORT,
    }
    return [[name, None if value is None else str(value)] for name, value in described.items()]


def _row(record: Record, _: Session) -> Sequence[Any]:
    spec = FunctionSpec.read(record.spec)
    types = ", ".join(kind for _, kind in spec.arguments)
    count = len(spec.arguments)
    return [
        moment(record.created_on),
        record.name,
        record.key.schema,
        "N",
        "N",
        "N",
        count,
        count,
        f"{quoted(record.name)}({types}) RETURN {spec.returns}",
        record.comment or "user-defined function",
        record.key.database,
        "N",
        "Y",
        "EXTERNAL",
    ]


FUNCTIONS = ObjectFamily(
    kind=KIND,
    words="FUNCTION",
    plural=("FUNCTIONS", "USER FUNCTIONS"),
    service=Functions,
    actions=comment_actions(Functions, KIND),
    reads_name=_signature,
    show_fields=_SHOW_FIELDS,
    show_row=_row,
    describe_fields=(Field("property"), Field("value")),
    describe_rows=_described,
)
register(FUNCTIONS)
