"""Changes of statements' trees whose cost does not depend on how many siblings a node has."""

from __future__ import annotations

from sqlglot import exp


def put_in_place(node: exp.Expr, new: exp.Expr) -> None:
    """Put `new` where `node` stands; does nothing for a root, as the library's own `replace`,
    which counts all siblings anew."""
    parent, key, index = node.parent, node.arg_key, node.index
    if new is node or parent is None or key is None:
        return
    put_at(parent, key, index, new)
    node.parent = node.arg_key = node.index = None


def put_at(parent: exp.Expr, key: str, index: int | None, new: exp.Expr) -> None:
    """Make `new` a part of `parent`: under a key, and at its place where that has a list."""
    siblings = parent.args.get(key)
    if index is None or not isinstance(siblings, list) or index >= len(siblings):
        parent.set(key, new, index)
        return
    siblings[index] = new
    new.parent, new.arg_key, new.index = parent, key, index
    changed: exp.Expr | None = parent
    while changed is not None and changed._hash is not None:  # noqa: SLF001 so does the library
        changed._hash = None  # noqa: SLF001
        changed = changed.parent
