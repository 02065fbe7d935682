"""Rules that are fakesnow's: each is one of its pure functions, behind our signature."""

from __future__ import annotations

from collections.abc import Callable

from fakesnow import transforms
from sqlglot import exp

from nunatak.errors import Unsupported
from nunatak.warehouse.rewrite.context import RewriteContext

Rule = Callable[[exp.Expr, RewriteContext], exp.Expr]


def _borrowed(transform: Callable[[exp.Expr], exp.Expr]) -> Rule:
    def rule(node: exp.Expr, _context: RewriteContext) -> exp.Expr:
        try:
            return transform(node)
        except NotImplementedError as error:
            raise Unsupported(f"Unsupported: {error}") from error

    return rule


dateadd_date_cast = _borrowed(transforms.dateadd_date_cast)
dateadd_text = _borrowed(transforms.dateadd_string_literal_timestamp_cast)
datediff_text = _borrowed(transforms.datediff_string_literal_timestamp_cast)
hex_string = _borrowed(transforms.hex_string)
object_agg = _borrowed(transforms.object_agg)
regexp_substr = _borrowed(transforms.regex_substr)
sample = _borrowed(transforms.sample)
sha2 = _borrowed(transforms.sha256)
timestamp_offsets = _borrowed(transforms.timestamp_offsets)
to_number = _borrowed(transforms.to_decimal)
