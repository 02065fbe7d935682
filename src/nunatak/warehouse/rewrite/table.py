"""The table of rules: by node type, in the order in which they apply to a node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlglot import exp

from nunatak.warehouse.rewrite import (
    casts,
    coercion,
    functions,
    groups,
    lists,
    moments,
    names,
    semi,
    session_formats,
    session_functions,
    sources,
    texts,
    variants,
    weeks,
)
from nunatak.warehouse.rewrite.context import RewriteContext

Rules = tuple[Callable[[Any, RewriteContext], exp.Expr], ...]

RULES: Mapping[type[exp.Expr], Rules] = {
    exp.Identifier: (names.identifier,),
    exp.Table: (names.table,),
    exp.Column: (names.column,),
    exp.Parameter: (sources.parameter,),
    exp.Values: (sources.values,),
    exp.Lateral: (sources.lateral,),
    exp.TableFromRows: (sources.table_function,),
    exp.TableSample: (sources.sample,),
    **dict.fromkeys((exp.Cast, exp.TryCast), (session_formats.cast, casts.cast)),
    exp.Div: (coercion.arithmetic, functions.divide),
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Mod), (coercion.arithmetic,)),
    **dict.fromkeys(
        (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ),
        (variants.comparison,),
    ),
    exp.EqualNull: (variants.equal_null,),
    exp.Between: (variants.between,),
    exp.In: (variants.membership,),
    exp.Case: (variants.case,),
    exp.DecodeCase: (variants.decode,),
    exp.Nullif: (variants.nullif,),
    **dict.fromkeys((exp.Max, exp.Min), (variants.extreme,)),
    **dict.fromkeys((exp.Greatest, exp.Least), (variants.extreme_of,)),
    **dict.fromkeys((exp.ArgMax, exp.ArgMin), (variants.extreme_by,)),
    **dict.fromkeys(
        (exp.Coalesce, exp.If, exp.Nvl2, exp.Lag, exp.Lead),
        (variants.as_variants,),
    ),
    exp.Distinct: (variants.distinct,),
    **dict.fromkeys((exp.Mode, exp.ApproxDistinct), (variants.counted,)),
    exp.Select: (groups.select,),
    **dict.fromkeys((exp.Union, exp.Except, exp.Intersect), (groups.set_operation,)),
    **dict.fromkeys(
        {exp.Upper, exp.Lower, exp.Trim, exp.Substring}
        | {exp.Length, exp.Replace, exp.Like, exp.ILike, exp.RegexpLike, exp.StartsWith}
        | {exp.EndsWith, exp.Contains, exp.Left, exp.Right},
        (coercion.text_argument,),
    ),
    **dict.fromkeys((exp.Sum, exp.Avg, exp.Stddev, exp.Variance), (coercion.number_argument,)),
    **dict.fromkeys(
        (exp.DateTrunc, exp.TimestampTrunc), (weeks.truncated, coercion.truncated_date)
    ),
    **dict.fromkeys(weeks.WEEK_FUNCTIONS, (weeks.week_function,)),
    exp.Extract: (weeks.extract,),
    exp.LastDay: (weeks.last_day,),
    exp.Ordered: (variants.ordered,),
    **dict.fromkeys(lists.MACRO_TYPES, (lists.macro,)),
    exp.ArrayPosition: (lists.array_position,),
    exp.ArrayIntersect: (lists.array_intersect,),
    exp.ArrayInsert: (lists.array_insert,),
    exp.ArrayRemove: (lists.array_remove,),
    exp.SortArray: (lists.array_sort,),
    exp.Anonymous: (functions.anonymous,),
    exp.ToChar: (session_formats.to_char, functions.to_char),
    exp.TimeToStr: (functions.time_to_str,),
    exp.ToBinary: (session_formats.to_binary, functions.to_binary),
    **dict.fromkeys(
        (exp.DPipe, exp.Concat, exp.ConcatWs), (session_formats.joined, coercion.text_argument)
    ),
    exp.HexString: (texts.hex_string,),
    exp.ToNumber: (casts.to_number,),
    exp.DateAdd: (moments.date_add,),
    exp.DateDiff: (moments.date_diff, weeks.difference),
    exp.RegexpReplace: (functions.regexp_replace,),
    exp.RegexpExtract: (texts.regexp_substr,),
    exp.SHA2: (texts.sha2,),
    exp.SHA2Digest: (texts.sha2,),
    **dict.fromkeys((exp.MD5Digest, exp.SHA1Digest), (texts.digest,)),
    exp.GroupConcat: (coercion.listed_text,),
    exp.ObjectAgg: (semi.object_agg,),
    exp.WithinGroup: (semi.within_group,),
    exp.ArrayAgg: (semi.array_agg,),
    exp.Window: (variants.partition, semi.window),
    exp.JSONExtract: (semi.json_path,),
    exp.Bracket: (semi.bracket,),
    exp.GetExtract: (semi.get,),
    exp.ParseJSON: (semi.parse_json,),
    exp.ToVariant: (semi.to_variant,),
    exp.Struct: (semi.struct,),
    exp.JSONObject: (semi.json_object,),
    exp.StarMap: (semi.star_map,),
    exp.Array: (semi.array,),
    exp.ArrayConstructCompact: (semi.array_compact,),
    exp.ArrayContains: (semi.array_contains,),
    exp.ArrayAppend: (semi.array_append,),
    exp.ArrayPrepend: (semi.array_prepend,),
    exp.ArrayConcat: (semi.array_concat,),
    exp.ArrayToString: (semi.array_to_string,),
    exp.ArraySlice: (semi.array_slice,),
    exp.ArraySize: (semi.array_size,),
    exp.Split: (semi.split,),
    exp.ObjectInsert: (semi.object_insert,),
    exp.JSONKeys: (semi.object_keys,),
    exp.Typeof: (semi.typeof,),
    exp.IsNullValue: (semi.is_null_value,),
    exp.JSONFormat: (semi.json_format,),
    **dict.fromkeys((exp.Seq1, exp.Seq2, exp.Seq4, exp.Seq8), (sources.sequence,)),
    exp.CurrentTimestamp: (session_functions.current_timestamp,),
    exp.CurrentDate: (session_functions.current_date,),
    exp.CurrentTime: (session_functions.current_time,),
    **dict.fromkeys(session_functions.SESSION_FUNCTIONS, (session_functions.session_function,)),
    **dict.fromkeys(functions.REFUSED_FUNCTIONS, (functions.refused,)),
}
