"""Macros of the engine that compare semi-structured values by value.

`nk_canonical` gives equal values equal texts, `nk_key` sorts as the values do; plain values stay
in the engine, and the rest is asked of `json_values`. `nk_beside` and its kin say what a value is
compared as with a plain one: a number in text is a number beside a number, anything is text beside
text, but a number beside the text of a number.
"""

from __future__ import annotations

_IS_NUMBER = "json_type(j) IN ('BIGINT', 'UBIGINT', 'DOUBLE')"
_PLAIN_DECIMAL = r"-?(0|[1-9]\d*)\.\d*[1-9]"
"""A fraction that is canonical as it is written."""
_SORTED = (
    "list_sort(list_transform(list_filter({items}, lambda x: x IS NOT NULL), "
    "lambda x: struct_pack(k := nk_key(x), v := x)))"
)

VALUES = {
    "nk_variant(x)": (
        "CASE WHEN typeof(x) = 'BLOB' THEN to_json(hex(x::VARCHAR::BLOB)) ELSE to_json(x) END"
    ),
    "nk_list(l)": (
        "CASE WHEN typeof(l) = 'BLOB[]' "
        "THEN to_json(list_transform(l, lambda x: hex(x::VARCHAR::BLOB))) ELSE to_json(l) END"
    ),
    "nk_canonical(j)": (
        "CASE WHEN json_type(j) = 'VARCHAR' THEN to_json(j ->> '$') "
        f"WHEN json_type(j) = 'DOUBLE' AND regexp_full_match(j::VARCHAR, '{_PLAIN_DECIMAL}') "
        "THEN j WHEN json_type(j) IN ('DOUBLE', 'ARRAY', 'OBJECT') "
        "THEN nk_canonical_text(j::VARCHAR)::JSON ELSE j END"
    ),
    "nk_number_text(j)": f"CASE WHEN {_IS_NUMBER} THEN j::VARCHAR END",
    "nk_key(j)": (
        "CASE WHEN j IS NOT NULL THEN create_sort_key(struct_pack("
        "r := CASE json_type(j) WHEN 'BOOLEAN' THEN 1 WHEN 'VARCHAR' THEN 3 "
        "WHEN 'ARRAY' THEN 4 WHEN 'OBJECT' THEN 5 WHEN 'NULL' THEN 6 ELSE 2 END, "
        "d := coalesce(TRY_CAST(nk_number_text(j) AS DOUBLE), 0), "
        "e := coalesce(TRY_CAST(nk_number_text(j) AS DECIMAL(38, 22)), 0), "
        "w := coalesce(TRY_CAST(nk_number_text(j) AS DECIMAL(38, 0)), 0), "
        "t := CASE WHEN json_type(j) = 'VARCHAR' THEN encode(j ->> '$') "
        "WHEN json_type(j) = 'BOOLEAN' THEN encode(j::VARCHAR) "
        "WHEN json_type(j) IN ('ARRAY', 'OBJECT') THEN nk_order_key(j::VARCHAR) "
        "ELSE ''::BLOB END), 'ASC NULLS LAST') END"
    ),
    "nk_beside_number(j)": (
        "CASE WHEN json_type(j) = 'VARCHAR' AND TRY_CAST(j ->> '$' AS DOUBLE) IS NOT NULL "
        "THEN to_json(TRY_CAST(j ->> '$' AS DOUBLE)) ELSE j END"
    ),
    "nk_beside(j, k)": (
        "CASE WHEN json_type(k) IN ('BIGINT', 'UBIGINT', 'DOUBLE') THEN nk_beside_number(j) "
        "WHEN json_type(k) = 'VARCHAR' AND NOT "
        f"({_IS_NUMBER} AND TRY_CAST(k ->> '$' AS DOUBLE) IS NOT NULL) THEN to_json(j ->> '$') "
        "ELSE j END"
    ),
    "nk_beside_variant(k, j)": (
        f"CASE WHEN json_type(k) = 'VARCHAR' AND {_IS_NUMBER} "
        "THEN coalesce(to_json(TRY_CAST(k ->> '$' AS DOUBLE)), k) ELSE k END"
    ),
    "nk_greatest_known(l)": _SORTED.format(items="l") + "[-1].v",
    "nk_least_known(l)": _SORTED.format(items="l") + "[1].v",
    "nk_greatest(l)": "CASE WHEN len(l) = list_count(l) THEN nk_greatest_known(l) END",
    "nk_least(l)": "CASE WHEN len(l) = list_count(l) THEN nk_least_known(l) END",
    "nk_items(a)": "json_extract(a::JSON, '$[*]')",
    "nk_canonical_items(a)": "list_transform(nk_items(a), lambda x: nk_canonical(x))",
    "nk_array_distinct(a)": (
        "to_json(list_transform(list_sort(list_transform(list_distinct(nk_canonical_items(a)), "
        "lambda x: struct_pack(k := nk_key(x), v := x))), lambda s: s.v))"
    ),
    "nk_arrays_overlap(a, b)": "list_has_any(nk_canonical_items(a), nk_canonical_items(b))",
    "nk_array_except(a, b)": "nk_except_text(a::VARCHAR, b::VARCHAR)::JSON",
    "nk_array_intersection(a, b)": "nk_intersection_text(a::VARCHAR, b::VARCHAR)::JSON",
    "nk_array_known(a)": "list_filter(nk_items(a), lambda x: json_type(x) <> 'NULL')",
    "nk_array_nulls(a, wanted)": (
        "CASE WHEN wanted THEN list_filter(nk_items(a), lambda x: json_type(x) = 'NULL') "
        "ELSE []::JSON[] END"
    ),
    "nk_sorted(a)": (
        "list_transform(" + _SORTED.format(items="nk_array_known(a)") + ", lambda s: s.v)"
    ),
    "nk_array_sort(a, ascending, nulls_first)": (
        "to_json(list_concat(list_concat(nk_array_nulls(a, nulls_first), CASE WHEN ascending THEN "
        "nk_sorted(a) ELSE list_reverse(nk_sorted(a)) END), nk_array_nulls(a, NOT nulls_first)))"
    ),
    "nk_array_sort_in(a, ascending)": "nk_array_sort(a, ascending, NOT ascending)",
    "nk_array_min(a)": "nk_least_known(nk_array_known(a))",
    "nk_array_max(a)": "nk_greatest_known(nk_array_known(a))",
    "nk_array_contains(a, v)": "list_contains(nk_canonical_items(a), nk_canonical(v))",
    "nk_array_position(a, v)": "list_position(nk_canonical_items(a), nk_canonical(v)) - 1",
    "nk_array_remove(a, v)": (
        "CASE WHEN v IS NOT NULL THEN "
        "to_json(list_filter(nk_items(a), lambda x: nk_canonical(x) <> nk_canonical(v))) END"
    ),
}
RANDOM = {
    "nk_signed(h)": "(h::HUGEINT - 9223372036854775808)::BIGINT",
    "nk_random()": "nk_signed(hash(random(), random()))",
    "nk_draw(seed, row)": "nk_signed(hash(hash(hash(seed::BIGINT), row::BIGINT)))",
    "nk_unit(g, n)": (
        "CASE WHEN g IS NOT NULL THEN (hash(hash(g::BIGINT, n)) >> 11) / 9007199254740992 END"
    ),
    "nk_uniform(a, b, g)": "a::DOUBLE + nk_unit(g, 0) * (b::DOUBLE - a::DOUBLE)",
    "nk_uniform_whole(a, b, g)": (
        "(a::BIGINT + floor(nk_unit(g, 0) * (b::BIGINT - a::BIGINT + 1)))::BIGINT"
    ),
    "nk_normal(m, s, g)": (
        "m::DOUBLE + s::DOUBLE * sqrt(-2 * ln(1 - nk_unit(g, 1))) * cos(2 * pi() * nk_unit(g, 2))"
    ),
    "nk_zipf(s, n, g)": "nk_zipf_of(s::DOUBLE, n::BIGINT, nk_unit(g, 3))",
    "nk_randstr(n, g)": "nk_letters(n::BIGINT, g::BIGINT)",
}
"""Random values; a generator `g` is a whole number, of which each distribution makes its own."""
