"""Rules for weeks and their days: where a week begins and which year it belongs to is said by the
parameters WEEK_START and WEEK_OF_YEAR_POLICY."""

from __future__ import annotations

from sqlglot import exp

from nunatak.catalog.sqltypes import DATE, NUMBER, TIMESTAMP_NTZ
from nunatak.warehouse.rewrite.context import RewriteContext, call, type_of, typed
from nunatak.warehouse.rewrite.functions.moments import moment

_WEEKS = frozenset({"W", "WK", "WEEK", "WEEKOFYEAR", "WOY", "WY"})
_PARTS = {
    **dict.fromkeys(_WEEKS, "WEEK"),
    **dict.fromkeys(("DAYOFWEEK", "WEEKDAY", "DOW", "DW"), "DAYOFWEEK"),
    "YEAROFWEEK": "YEAROFWEEK",
    **dict.fromkeys(("WEEKISO", "WEEK_ISO", "WEEKOFYEARISO", "WEEKOFYEAR_ISO"), "WEEKISO"),
    **dict.fromkeys(
        ("DAYOFWEEKISO", "WEEKDAY_ISO", "DOW_ISO", "DW_ISO", "DAYOFWEEK_ISO"), "DOWISO"
    ),
    **dict.fromkeys(("YEAROFWEEKISO", "YEAROFWEEK_ISO"), "YEARISO"),
}
_NAMED: dict[type[exp.Expr], str] = {
    exp.Week: "WEEK",
    exp.DayOfWeek: "DAYOFWEEK",
    exp.YearOfWeek: "YEAROFWEEK",
    exp.WeekOfYear: "WEEKISO",
    exp.DayOfWeekIso: "DOWISO",
    exp.YearOfWeekIso: "YEARISO",
}
WEEK_FUNCTIONS = tuple(_NAMED)


def week_function(node: exp.Expr, context: RewriteContext) -> exp.Expr:
    """WEEK(d), DAYOFWEEK(d), YEAROFWEEK(d) and what they are called with ISO."""
    return _part(_NAMED[type(node)], node.this, context)


def extract(node: exp.Extract, context: RewriteContext) -> exp.Expr:
    """DATE_PART and EXTRACT of weeks and their days; other parts are left to other rules."""
    part = _PARTS.get(node.this.name.upper())
    return node if part is None else _part(part, node.expression, context)


def truncated(node: exp.DateTrunc | exp.TimestampTrunc, context: RewriteContext) -> exp.Expr:
    """DATE_TRUNC(week, d) where weeks do not begin on Mondays."""
    if node.text("unit").upper() not in _WEEKS or _days_late(context) == 0:
        return node
    source = type_of(node.this)
    begins = call("nk_week_of", moment(node.this, context), _literal(_days_late(context)))
    if source == DATE:
        return typed(exp.Cast(this=begins, to=_DATE_TYPE.copy()), DATE)
    return typed(begins, source)


def difference(node: exp.DateDiff, context: RewriteContext) -> exp.Expr:
    """DATEDIFF(week, a, b) counts the first days of weeks between them."""
    if node.text("unit").upper() in _WEEKS and (late := _days_late(context)):
        for key in ("this", "expression"):
            shifted = call("nk_days_before", moment(node.args[key], context), _literal(late))
            node.set(key, shifted)
    return node


def time_slice(node: exp.TimeSlice, context: RewriteContext) -> exp.Expr:
    """TIME_SLICE(d, n, 'WEEK' [, 'START' | 'END']): slices begin in the week of 1 January 1970."""
    if node.text("unit").upper() not in _WEEKS:
        return node
    ends = _literal(int(node.text("kind").upper() == "END"))
    source = type_of(node.this)
    begins = call("nk_week_slice", node.this, node.expression, _literal(_start(context)), ends)
    if source is None or source == DATE:
        return typed(begins, DATE)
    to = exp.DataType.build("TIMESTAMP", dialect="duckdb")
    return typed(exp.Cast(this=begins, to=to), TIMESTAMP_NTZ)


def last_day(node: exp.LastDay, context: RewriteContext) -> exp.Expr:
    """LAST_DAY(d [, unit]): of the month unless another unit is named."""
    unit = node.text("unit").upper()
    if unit in _WEEKS:
        begins = call("nk_first_of_week", node.this, _literal(_start(context)))
        return typed(exp.Add(this=begins, expression=_literal(6)), DATE)
    if unit in ("YEAR", "QUARTER"):
        return typed(call(f"nk_last_of_{unit.lower()}", node.this), DATE)
    return typed(exp.LastDay(this=exp.Cast(this=node.this, to=_DATE_TYPE.copy())), DATE)


def _part(part: str, value: exp.Expr, context: RewriteContext) -> exp.Expr:
    start, policy = _literal(_start(context)), _literal(_policy(context))
    match part:
        case "WEEK":
            found = call("nk_week", value, start, policy)
        case "YEAROFWEEK":
            found = call("nk_year_of_week", value, start, policy)
        case "DAYOFWEEK":
            found = call("nk_day_of_week", value, start)
        case "WEEKISO":
            found = call("nk_week", value, _literal(1), _literal(0))
        case "YEARISO":
            found = call("nk_year_of_week", value, _literal(1), _literal(0))
        case _:
            found = call("nk_day_of_week", value, _literal(1))
    return typed(found, NUMBER)


def _start(context: RewriteContext) -> int:
    return int(context.parameter("WEEK_START"))


def _policy(context: RewriteContext) -> int:
    return int(context.parameter("WEEK_OF_YEAR_POLICY"))


def _days_late(context: RewriteContext) -> int:
    """Days after Monday on which weeks begin."""
    return max(_start(context), 1) - 1


def _literal(number: int) -> exp.Expr:
    return exp.Literal.number(number)


_DATE_TYPE: exp.DataType = exp.DataType.build("DATE", dialect="duckdb")
