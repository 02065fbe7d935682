"""Large arguments that a macro of the engine would write out several times are bound to a name.

The engine inlines macros. A macro that uses an argument twice, around one that does, around one
that does, would have the engine read 2ⁿ copies of what is innermost: here `f(x)` of a large `x`
becomes `list_transform([x], v -> f(v))[1]`. Small arguments stay, for the engine computes plain
expressions fastest, and those of HAVING, where it finds no aggregates beside a lambda.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from sqlglot import exp

from nunatak.warehouse.core.trees import put_in_place
from nunatak.warehouse.engine.macros import SCALAR
from nunatak.warehouse.engine.value_macros import RANDOM, VALUES
from nunatak.warehouse.rewrite.context import TYPE_KEY, call, typed

_AGGREGATES = frozenset({"nk_array_unique_agg", "nk_approx_top_k"})
"""Macros that hold an aggregate, which the engine takes in no lambda."""
LARGE = 500
"""Pieces of which a call may consist when its macros are inlined."""
_NAME = "nk_once"
_QUOTED = re.compile(r"'(?:[^']|'')*'")
_CALL = re.compile(r"\b([a-z]\w+)\(")
_OF_THE_ENGINE = {
    "array_to_string(arr, sep)": "CASE len(arr) WHEN 0 THEN '' ELSE list_aggr(arr, sep) END",
    "fmod(x, y)": "x - y * floor(x / y)",
}
"""Macros that the engine brings, as far as they write out an argument twice."""
_REPEATING: Mapping[type[exp.Expr], int] = {
    exp.Between: 2,
    exp.Nullif: 2,
    exp.SplitPart: 2,
}
"""Nodes of the tree that the engine writes out likewise, and how often it does any part."""


@dataclass(frozen=True, slots=True)
class Inlined:
    """A macro with the macros that it calls inlined."""

    size: int
    uses: tuple[int, ...]
    """How often each parameter is written out."""


def bound_once(tree: exp.Expr) -> exp.Expr:
    """The tree with large arguments bound; the given tree is used up."""
    sizes: dict[int, int] = {}
    for node in reversed(list(tree.walk(bfs=False))):
        given = [sizes.pop(id(child), 0) for child in node.iter_expressions()]
        own, uses = _repeats(node, len(given))
        size = own + sum(one * times for one, times in zip(given, uses, strict=True))
        kept = node
        if size > LARGE and max(uses, default=1) > 1 and not node.find_ancestor(exp.Having):
            size = own + sum(given)
            kept = _bound(node)
            if node is tree:
                tree = kept
            else:
                put_in_place(node, kept)
        sizes[id(kept)] = size
    return tree


def _repeats(node: exp.Expr, count: int) -> tuple[int, list[int]]:
    """The size of a node by itself, and how often it writes out each of its parts."""
    if isinstance(node, exp.Case) and node.this is not None and not _is_bound_outside(node):
        return 1, [len(node.args["ifs"]), *[1] * (count - 1)]
    if type(node) in _REPEATING:
        return 1, [_REPEATING[type(node)]] * count
    macro = inlined().get(node.name) if isinstance(node, exp.Anonymous) else None
    if macro is None or node.name in _AGGREGATES:
        return 1, [1] * count
    return macro.size, [*macro.uses, *[1] * count][:count]


def _is_bound_outside(node: exp.Case) -> bool:
    """Whether the branches hold what the engine takes in no lambda."""
    kinds = (exp.Query, exp.AggFunc, exp.Window)
    branches = [*node.args["ifs"], node.args.get("default")]
    return any(branch is not None and branch.find(*kinds) for branch in branches)


def _bound(node: exp.Expr) -> exp.Expr:
    """The node with every part that computes something bound outside of it; of CASE, whose
    branches must wait for their turn, only the value."""
    inner = node.copy()
    plain = (exp.Literal, exp.Null, exp.Boolean)
    given = [inner.this] if isinstance(inner, exp.Case) else list(inner.iter_expressions())
    parts = [part for part in given if not isinstance(part, plain)]
    fields = []
    for index, part in enumerate(parts):
        name = exp.to_identifier(f"a{index}")
        value: exp.Expr = exp.to_identifier(_NAME)
        if len(parts) > 1:
            value = exp.Dot(this=value, expression=name.copy())
        part.replace(value)
        fields.append(exp.PropertyEQ(this=name, expression=part))
    bound = exp.Lambda(this=inner, expressions=[exp.to_identifier(_NAME)])
    item = parts[0] if len(parts) == 1 else call("struct_pack", *fields)
    items = call("list_value", item)
    made = call("list_extract", call("list_transform", items, bound), exp.Literal.number(1))
    return typed(made, node.meta.get(TYPE_KEY))


@cache
def inlined() -> Mapping[str, Inlined]:
    """All macros of single values, by name."""
    bodies = {}
    for head, body in {**VALUES, **SCALAR, **RANDOM, **_OF_THE_ENGINE}.items():
        name, _, taken = head.rstrip(")").partition("(")
        bodies[name] = (tuple(taken.split(", ")), _QUOTED.sub("''", body))
    texts: dict[str, str] = {}

    def text_of(name: str) -> str:
        if name not in texts:
            texts[name] = expanded(bodies[name][1])
        return texts[name]

    def expanded(text: str) -> str:
        found = _CALL.search(text)
        if found is None:
            return text
        arguments, end = _arguments(text, found.end())
        rest = expanded(text[end:])
        inner = [expanded(argument) for argument in arguments]
        if found[1] not in bodies:  # of the engine's functions
            return f"{text[: found.start()]}({','.join(inner)}){rest}"
        values = dict(zip(bodies[found[1]][0], inner, strict=False))
        inside = re.sub(r"\w+", lambda word: values.get(word[0], word[0]), text_of(found[1]))
        return f"{text[: found.start()]}({inside}){rest}"

    made = {}
    for name, (parameters, _) in bodies.items():
        words = re.findall(r"\w+", text_of(name))
        made[name] = Inlined(len(words), tuple(words.count(one) for one in parameters if one))
    return made


def _arguments(text: str, start: int) -> tuple[list[str], int]:
    """The arguments of a call whose parenthesis is open, and where it ends."""
    found: list[str] = []
    depth, begun = 0, start
    for at in range(start, len(text)):
        sign = text[at]
        if sign in ")]" and depth == 0:
            return [*found, text[begun:at]], at + 1
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and depth == 0:
            found.append(text[begun:at])
            begun = at + 1
    raise AssertionError(text)
