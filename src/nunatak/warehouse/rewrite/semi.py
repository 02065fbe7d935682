"""Rules for semi-structured values: VARIANT, OBJECT and ARRAY are JSON in the engine."""

from __future__ import annotations

from sqlglot import exp

from nunatak.catalog.sqltypes import (
    ARRAY,
    BOOLEAN,
    NUMBER,
    OBJECT,
    SEMI_STRUCTURED,
    TEXT,
    VARIANT,
)
from nunatak.errors import Unsupported
from nunatak.warehouse.rewrite.context import RewriteContext, call, type_of, typed


def is_json(node: exp.Expr) -> bool:
    """Whether a node is known to be semi-structured."""
    found = type_of(node)
    return found is not None and found.kind in SEMI_STRUCTURED


def to_json(node: exp.Expr) -> exp.Expr:
    """A node as a VARIANT; binary is hexadecimal."""
    return typed(call("to_json" if is_json(node) else "nk_variant", node), VARIANT)


_NOWHERE = 2**32 - 1
"""An index that no array has: the engine counts negative ones from the end, the vendor does not."""


def _path_step(key: str) -> str:
    return '."' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


def json_path(node: exp.JSONExtract, _context: RewriteContext) -> exp.Expr:
    """`v:a.b[0]`."""
    path = node.expression
    if not isinstance(path, exp.JSONPath):
        raise Unsupported("Unsupported: GET_PATH with a path that is computed.")
    return _extract(node.this, "$" + engine_path(path))


def engine_path(path: exp.JSONPath) -> str:
    """A path below a value, as the engine writes it; raises Unsupported."""
    steps = []
    for part in path.expressions:
        if isinstance(part, exp.JSONPathKey):
            steps.append(_path_step(str(part.this)))
        elif isinstance(part, exp.JSONPathSubscript):
            index = part.this
            if isinstance(index, int):
                steps.append(f"[{index if index >= 0 else _NOWHERE}]")
            else:
                steps.append(_path_step(str(index)))
        elif not isinstance(part, exp.JSONPathRoot):
            raise Unsupported(f"Unsupported: the path {path.sql(dialect='snowflake')}.")
    return "".join(steps)


def _extract(value: exp.Expr, path: str) -> exp.Expr:
    return typed(call("json_extract", value, exp.Literal.string(path)), VARIANT)


def bracket(node: exp.Bracket, _context: RewriteContext) -> exp.Expr:
    """`v['a']` and `v[0]`."""
    if len(node.expressions) != 1:
        raise Unsupported(f"Unsupported: {node.sql(dialect='snowflake')}.")
    key = node.expressions[0]
    if isinstance(key, exp.Literal) and key.is_string:
        return _extract(node.this, "$" + _path_step(key.name))
    if isinstance(key, exp.Literal) and key.is_int:
        return _extract(node.this, f"$[{key.name}]")
    return typed(call("nk_get", node.this, key), VARIANT)


def get(node: exp.GetExtract, _context: RewriteContext) -> exp.Expr:
    """GET(v, key or index)."""
    return typed(call("nk_get", node.this, node.expression), VARIANT)


def parse_json(node: exp.ParseJSON, _context: RewriteContext) -> exp.Expr:
    """PARSE_JSON and TRY_PARSE_JSON; empty text is NULL."""
    name = "nk_try_parse_json" if node.args.get("safe") else "nk_parse_json"
    text: exp.Expr = node.this
    return text if is_json(text) else typed(call(name, text), VARIANT)


def to_variant(node: exp.ToVariant, _context: RewriteContext) -> exp.Expr:
    """TO_VARIANT."""
    return to_json(node.this)


def strip_null_value(node: exp.StripNullValue, _context: RewriteContext) -> exp.Expr:
    """STRIP_NULL_VALUE(v): JSON null is NULL."""
    return typed(node, VARIANT)


_ALL_COLUMNS = "*COLUMNS(*)"
"""The engine's unpacked columns, inside OBJECT_CONSTRUCT(*), which is never NULL."""


def struct(node: exp.Struct, _context: RewriteContext) -> exp.Expr:
    """OBJECT_CONSTRUCT and `{'a': 1}`: members that are NULL are left out."""
    given = []
    for item in node.expressions:
        if not isinstance(item, exp.PropertyEQ):
            raise Unsupported(f"Unsupported: {node.sql(dialect='snowflake')}.")
        given.append((_key(item.this), item.expression))
    if not given:
        return typed(call("json_object"), OBJECT)
    members = [call("nk_member", key, to_json(value)) for key, value in _by_key(given)]
    return _sorted(call("nk_object", call("list_value", *members)), given)


Members = list[tuple[exp.Expr, exp.Expr]]


def _by_key(members: Members) -> Members:
    """Members in the order of their keys, as far as these are written out."""
    return sorted(members, key=lambda member: _written(member[0]).encode())


def _sorted(made: exp.Expr, members: Members) -> exp.Expr:
    """An object with the keys in order: those that are computed, the engine puts in order."""
    if not all(isinstance(key, exp.Literal) for key, _ in members):
        made = call("nk_canonical", made)
    return typed(made, OBJECT)


def _written(key: exp.Expr) -> str:
    return key.name if isinstance(key, exp.Literal) else ""


def _key(node: exp.Expr) -> exp.Expr:
    return exp.Literal.string(node.name) if isinstance(node, exp.Identifier) else node


def json_object(node: exp.JSONObject, _context: RewriteContext) -> exp.Expr:
    """OBJECT_CONSTRUCT_KEEP_NULL."""
    given: Members = []
    for item in node.expressions:
        if isinstance(item, exp.JSONKeyValue):
            given.append((_key(item.this), to_json(item.expression)))
        elif isinstance(item, exp.Star):
            return _starred(item, keep_null=True)
        else:
            raise Unsupported(f"Unsupported: {node.sql(dialect='snowflake')}.")
    made = call("json_object", *(part for member in _by_key(given) for part in member))
    return _sorted(made, given)


def star_map(node: exp.StarMap, _context: RewriteContext) -> exp.Expr:
    """OBJECT_CONSTRUCT(*), which `infer` writes out where it knows the columns."""
    return _starred(node.this, keep_null=False)


def _starred(star: exp.Expr, *, keep_null: bool) -> exp.Expr:
    if any(star.args.values()):
        raise Unsupported("Unsupported: OBJECT_CONSTRUCT(* …) of columns that are not known here.")
    packed = call("to_json", call("struct_pack", exp.var(_ALL_COLUMNS)))
    made = packed if keep_null else call("nk_without_nulls", packed)
    return typed(call("nk_canonical", made), OBJECT)


def array(node: exp.Array, _context: RewriteContext) -> exp.Expr:
    """ARRAY_CONSTRUCT and `[1, 2]`."""
    return typed(call("json_array", *map(to_json, node.expressions)), ARRAY)


def array_compact(node: exp.ArrayConstructCompact, _context: RewriteContext) -> exp.Expr:
    """ARRAY_CONSTRUCT_COMPACT."""
    return typed(
        call("nk_array_compact", call("json_array", *map(to_json, node.expressions))), ARRAY
    )


def array_agg(node: exp.ArrayAgg, _context: RewriteContext) -> exp.Expr:
    """ARRAY_AGG leaves NULLs out and answers an empty array for no rows."""
    outer = node.parent.parent if isinstance(node.parent, exp.WithinGroup) else node.parent
    inner = node.this
    while isinstance(inner, exp.Order | exp.Distinct):
        inner = inner.this if isinstance(inner, exp.Order) else inner.expressions[0]
    listed: exp.Expr = exp.ArrayAgg(this=node.this)
    if not any(var.name == _ALL_COLUMNS for var in inner.find_all(exp.Var)):
        present = exp.Not(this=exp.Is(this=inner.copy(), expression=exp.Null()))
        listed = exp.Filter(this=listed, expression=exp.Where(this=present))
    return listed if isinstance(outer, exp.Window) else _json_list(listed)


def within_group(node: exp.WithinGroup, _context: RewriteContext) -> exp.Expr:
    """ARRAY_AGG(x) WITHIN GROUP (ORDER BY y): the order goes inside."""
    aggregate = node.this.find(exp.ArrayAgg)
    if aggregate is None:
        return node
    order = exp.Order(this=aggregate.this, expressions=node.expression.expressions)
    aggregate.set("this", order)
    ordered: exp.Expr = node.this
    return ordered


def object_agg(node: exp.ObjectAgg, _context: RewriteContext) -> exp.Expr:
    """OBJECT_AGG(key, value): members by key; none where either is NULL; a key twice is an
    error."""
    key, value = node.this, node.expression
    entry = call("struct_pack", _member("k", key), _member("v", to_json(value)))
    order: exp.Expr = entry
    if not isinstance(key, exp.Literal):  # the engine orders by no text that is written out
        order = exp.Order(this=entry, expressions=[exp.Ordered(this=key.copy())])
    present = exp.and_(*(exp.Not(this=_is_null(part.copy())) for part in (key, value)))
    listed = exp.Filter(this=exp.ArrayAgg(this=order), expression=exp.Where(this=present))
    if isinstance(node.parent, exp.Window):
        return typed(listed, OBJECT)
    return _json_object(listed)


def window(node: exp.Window, _context: RewriteContext) -> exp.Expr:
    """A list made over a window becomes JSON around the window."""
    if not (isinstance(node.this, exp.Filter) and isinstance(node.this.this, exp.ArrayAgg)):
        return node
    around = _json_object if type_of(node.this) == OBJECT else _json_list
    return around(node.copy())


def _member(name: str, value: exp.Expr) -> exp.Expr:
    return exp.PropertyEQ(this=exp.to_identifier(name), expression=value)


def _is_null(node: exp.Expr) -> exp.Expr:
    return exp.Is(this=node, expression=exp.Null())


def _json_object(entries: exp.Expr) -> exp.Expr:
    """An object of a list of structs of a key and a value."""
    empty = call("json", exp.Literal.string("{}"))
    made = call("to_json", call("map_from_entries", entries))
    return typed(exp.Coalesce(this=made, expressions=[empty]), OBJECT)


def _json_list(node: exp.Expr) -> exp.Expr:
    empty = call("json", exp.Literal.string("[]"))
    return typed(exp.Coalesce(this=call("nk_list", node), expressions=[empty]), ARRAY)


def object_keys(node: exp.JSONKeys, _context: RewriteContext) -> exp.Expr:
    """OBJECT_KEYS."""
    return typed(call("to_json", call("json_keys", node.this)), ARRAY)


def array_size(node: exp.ArraySize, _context: RewriteContext) -> exp.Expr:
    """ARRAY_SIZE; NULL for what is no array."""
    return typed(call("nk_array_size", node.this), NUMBER)


def typeof(node: exp.Typeof, _context: RewriteContext) -> exp.Expr:
    """TYPEOF."""
    return typed(call("nk_typeof", to_json(node.this)), TEXT)


def is_null_value(node: exp.IsNullValue, _context: RewriteContext) -> exp.Expr:
    """IS_NULL_VALUE."""
    return typed(call("nk_is_null_value", node.this), BOOLEAN)


def json_format(node: exp.JSONFormat, _context: RewriteContext) -> exp.Expr:
    """TO_JSON."""
    to = exp.DataType.build("VARCHAR", dialect="duckdb")
    return typed(exp.Cast(this=to_json(node.this), to=to), TEXT)


def array_contains(node: exp.ArrayContains, _context: RewriteContext) -> exp.Expr:
    """ARRAY_CONTAINS(value, array)."""
    value = to_json(node.expression)
    return typed(call("nk_array_contains", node.this, value), BOOLEAN)


def array_append(node: exp.ArrayAppend, _context: RewriteContext) -> exp.Expr:
    """ARRAY_APPEND."""
    item = call("json_array", to_json(node.expression))
    return typed(call("nk_array_cat", node.this, item), ARRAY)


def array_prepend(node: exp.ArrayPrepend, _context: RewriteContext) -> exp.Expr:
    """ARRAY_PREPEND."""
    item = call("json_array", to_json(node.expression))
    return typed(call("nk_array_cat", item, node.this), ARRAY)


def array_concat(node: exp.ArrayConcat, _context: RewriteContext) -> exp.Expr:
    """ARRAY_CAT."""
    found = node.this
    for other in node.expressions:
        found = call("nk_array_cat", found, other)
    return typed(found, ARRAY)


def array_to_string(node: exp.ArrayToString, _context: RewriteContext) -> exp.Expr:
    """ARRAY_TO_STRING."""
    return typed(call("nk_array_to_string", node.this, node.expression), TEXT)


def array_slice(node: exp.ArraySlice, _context: RewriteContext) -> exp.Expr:
    """ARRAY_SLICE(array, from, to): from zero, without the end."""
    arguments = (node.this, node.args["start"], node.args["end"])
    return typed(call("nk_array_slice", *arguments), ARRAY)


def split(node: exp.Split, _context: RewriteContext) -> exp.Expr:
    """SPLIT."""
    return typed(call("to_json", call("string_split", node.this, node.expression)), ARRAY)


def object_insert(node: exp.ObjectInsert, _context: RewriteContext) -> exp.Expr:
    """OBJECT_INSERT(object, key, value [, update])."""
    replaces = node.args.get("update_flag") or exp.false()
    arguments = (node.this, node.args["key"], to_json(node.args["value"]), replaces)
    return typed(call("nk_object_insert", *arguments), OBJECT)
