"""The table of functions that are written here: SYSTEM$…, those of services, and tables.

    @system_function("SYSTEM$CANCEL_JOB", needs=(Needs("OPERATE", "SERVICE", of=0),), takes=(1, 1))
    def cancel_job(
        context: Context, arguments: Sequence[Any], services: ServiceCommands
    ) -> str: ...

Each registers with what it needs, which names its arguments by number; `Function.call` is the one
place where that is checked, whether a statement or a query calls. Arguments arrive as Python
values: text, numbers, None; behind them stand the services that the body asks for.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from nunatak.access.privileges.declared import Needs, Rules, declared
from nunatak.errors import InvalidArgument, Unsupported
from nunatak.sql.language.injection import Injector
from nunatak.sql.language.statement import Context, authorise
from nunatak.warehouse.core.hooks import ServerFunctions, ServiceTable, VirtualTable
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Result
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.core.statement_text import StatementText

Body = TypeVar("Body", bound=Callable[..., Any])


class Form(StrEnum):
    """The form in which a function is written."""

    SYSTEM = "function"
    METHOD = "function of a service, s!F(…)"
    SERVICE_TABLE = "table of a service, TABLE(s!F(…))"
    TABLE_FUNCTION = "table function of INFORMATION_SCHEMA"
    VIRTUAL_TABLE = "table of INFORMATION_SCHEMA"
    ACCOUNT_USAGE = "view of SNOWFLAKE.ACCOUNT_USAGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A registered function. `takes` is how many arguments it takes, at least and at most."""

    name: str
    form: Form
    body: Callable[..., Any]
    needs: Rules
    takes: tuple[int, int] | None

    def call(self, context: Context, arguments: Sequence[Any], injector: Injector) -> Any:
        """Check what it needs, then call it; raises PrivilegeMissing, and what the body raises."""
        if self.takes is not None and not self.takes[0] <= len(arguments) <= self.takes[1]:
            least, most = self.takes
            raise InvalidArgument(
                f"{self.name} takes {least} to {most} arguments, not {len(arguments)}."
            )
        authorise(self.needs, arguments, context, injector)
        return injector.call(self.body, context, list(arguments))


_FUNCTIONS: dict[Form, dict[str, Function]] = {form: {} for form in Form}


def _register(
    form: Form, name: str, needs: Rules, takes: tuple[int, int] | None
) -> Callable[[Body], Body]:
    """Make a function known; fails when it declares nothing, or what an argument names that may
    be left out."""
    declared(name, needs)
    assert name not in _FUNCTIONS[form], f"{name} is registered twice"
    places = [rule.of for rule in needs if isinstance(rule, Needs)]
    assert all(isinstance(place, int) for place in places), f"{name} has arguments by number"
    least = 0 if takes is None else takes[0]
    assert all(int(place) < least for place in places), f"{name} must take what it declares"

    def decorate(body: Body) -> Body:
        made = Function(name=name, form=form, body=body, needs=needs, takes=takes)
        _FUNCTIONS[form][name] = made
        return body

    return decorate


def system_function(
    name: str, *, needs: Rules, takes: tuple[int, int] | None = None
) -> Callable[[Body], Body]:
    """Register SYSTEM$…; without `takes` the body judges the number of its arguments."""
    return _register(Form.SYSTEM, name, needs, takes)


def service_method(name: str, *, needs: Rules, takes: tuple[int, int]) -> Callable[[Body], Body]:
    """Register a function of services; its first argument is the written name of the service."""
    return _register(Form.METHOD, name, needs, takes)


def service_table(name: str, *, needs: Rules) -> Callable[[Body], Body]:
    """Register a table of services; the arguments are the parts of the service's name, and the
    values that are given by name."""
    return _register(Form.SERVICE_TABLE, name, needs, (2, 2))


def table_function(name: str, *, needs: Rules) -> Callable[[Body], Body]:
    """Register a table function of INFORMATION_SCHEMA."""
    return _register(Form.TABLE_FUNCTION, name, needs, None)


def virtual_table(name: str, *, needs: Rules) -> Callable[[Body], Body]:
    """Register a table of INFORMATION_SCHEMA; its argument is the database."""
    return _register(Form.VIRTUAL_TABLE, name, needs, (1, 1))


def account_usage(name: str, *, needs: Rules) -> Callable[[Body], Body]:
    """Register a view of SNOWFLAKE.ACCOUNT_USAGE; its argument is the database."""
    return _register(Form.ACCOUNT_USAGE, name, needs, (1, 1))


def find_function(name: str) -> Function:
    """The system function of a name in any case; raises Unsupported."""
    found = _FUNCTIONS[Form.SYSTEM].get(name.upper())
    if found is None:
        raise Unsupported(f"Unsupported feature 'function {name.upper()}'.")
    return found


def is_system_function(name: str) -> bool:
    """Whether a system function of that name is registered."""
    return name.upper() in _FUNCTIONS[Form.SYSTEM]


def find_method(name: str) -> Function | None:
    """The function of services of a name."""
    return _FUNCTIONS[Form.METHOD].get(name)


def registered_functions() -> Iterator[Function]:
    """Every function, by form and name."""
    for functions in _FUNCTIONS.values():
        yield from (functions[name] for name in sorted(functions))


def functions_in_queries(injector: Injector) -> ServerFunctions:
    """Every function and table as the query engine calls them."""
    return ServerFunctions(
        system_functions=_callables(Form.SYSTEM, injector),
        table_functions=_callables(Form.TABLE_FUNCTION, injector),
        virtual_tables={
            name: _of_database(call)
            for name, call in _callables(Form.VIRTUAL_TABLE, injector).items()
        },
        account_usage={
            name: _of_database(call)
            for name, call in _callables(Form.ACCOUNT_USAGE, injector).items()
        },
        service_tables={
            name: _of_service(call)
            for name, call in _callables(Form.SERVICE_TABLE, injector).items()
        },
    )


def _of_database(call: Callable[[Session, Sequence[Any]], Result]) -> VirtualTable:
    def asked(session: Session, database: str) -> Result:
        return call(session, [database])

    return asked


def _of_service(call: Callable[[Session, Sequence[Any]], Result]) -> ServiceTable:
    def asked(session: Session, name: Sequence[str], given: Mapping[str, Any]) -> Result:
        return call(session, [tuple(name), given])

    return asked


def _callables(
    form: Form, injector: Injector
) -> dict[str, Callable[[Session, Sequence[Any]], Any]]:
    """The functions of a form, for a session and with the values of their arguments."""

    def called(function: Function) -> Callable[[Session, Sequence[Any]], Any]:
        def call(session: Session, arguments: Sequence[Any]) -> Any:
            request = StatementRequest(
                session=session, statement=StatementText(""), query_id=str(uuid.uuid4())
            )
            return function.call(Context(request=request), arguments, injector)

        return call

    return {name: called(function) for name, function in _FUNCTIONS[form].items()}
