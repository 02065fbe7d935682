"""The rewrite from the vendor's dialect to the engine's: one pass over the tree, with a table of
rules.

`rewrite` visits every node once, children before parents, and applies the rules of the node's
type in their order. A rule is a function from a node (its children are rewritten, its ancestors
are not) to the node that takes its place, which may be the same.
"""

from __future__ import annotations

import dataclasses

from sqlglot import exp

from nunatak.warehouse.core.trees import put_at
from nunatak.warehouse.rewrite.context import RewriteContext
from nunatak.warehouse.rewrite.once import bound_once
from nunatak.warehouse.rewrite.table import RULES

__all__ = ["RewriteContext", "rewrite"]


def rewrite(tree: exp.Expr, context: RewriteContext) -> exp.Expr:
    """The tree in the engine's dialect; the given tree is used up.

    Raises Unsupported for a construct that has no counterpart.
    """
    context = dataclasses.replace(context, again=lambda made: _rewritten(made, context))
    return bound_once(_rewritten(tree, context))


def _rewritten(tree: exp.Expr, context: RewriteContext) -> exp.Expr:
    for node in reversed(list(tree.walk(bfs=False))):
        context.check()
        current: exp.Expr = node
        for rule in RULES.get(type(node), ()):
            parent, key, index = current.parent, current.arg_key, current.index
            new = rule(current, context)
            if new is current:
                continue
            if current is tree:
                tree = new
            elif parent is not None and key is not None:
                put_at(parent, key, index, new)
            current = new
            if type(current) is not type(node):
                break
    return tree
