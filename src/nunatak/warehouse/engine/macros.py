"""Functions of the vendor that the engine lacks, as macros of the engine.

They live in the root database, are made once per process, and are inlined where they are used.
"""

from __future__ import annotations

from nunatak.catalog.sqltypes import TEXT_LIMIT_CHARS
from nunatak.patterns import CLASS_SIGNS, COMPUTED
from nunatak.warehouse.engine.value_macros import RANDOM, VALUES

_RANGE_ITEMS = 1_048_576
_TOO_LONG = f"String is too long and would be truncated: a text has at most {TEXT_LIMIT_CHARS}"
_COMPARED_PAIRS = 10_000_000
"""Pairs of characters that are compared for one distance: the engine stops for nobody meanwhile."""


def _occurrences(sign: str) -> str:
    """Number of times that a sign stands in the text p."""
    return f"(length(p) - length(replace(p, '{sign}', ''))) // {len(sign)}"


SCALAR = {
    "nk_json_text(j)": "(j ->> '$')",
    "nk_time_text(x)": "strftime(DATE '1970-01-01' + x, '%H:%M:%S')",
    "nk_ntz_text(x)": "strftime(x, '%Y-%m-%d %H:%M:%S.%g')",
    "nk_offset(x)": "rpad(replace(strftime(x, '%z'), ':', ''), 5, '0')",
    "nk_offset_hours(x)": "left(nk_offset(x), 3)",
    "nk_offset_minutes(x)": "right(nk_offset(x), 2)",
    "nk_offset_colon(x)": "nk_offset_hours(x) || ':' || nk_offset_minutes(x)",
    "nk_ltz_text(x)": "strftime(x, '%Y-%m-%d %H:%M:%S.%g ') || nk_offset(x)",
    "nk_without_offset(x)": "regexp_replace(x, ' *([+-][0-9]{2}:?([0-9]{2})?|Z)$', '')",
    "nk_float_text(x)": (
        "CASE WHEN x = trunc(x) AND abs(x) < 1e15 THEN x::BIGINT::VARCHAR ELSE x::VARCHAR END"
    ),
    "nk_offset_text(x)": "regexp_replace(x::VARCHAR, ' ([+-][0-9:]+)$', '\\1')",
    "nk_epoch_text(n)": (
        "strftime(make_timestamp((CASE WHEN abs(n) < 31536000000 THEN n::HUGEINT * 1000000 "
        "WHEN abs(n) < 31536000000000 THEN n::HUGEINT * 1000 WHEN abs(n) < 31536000000000000 "
        "THEN n ELSE n // 1000 END)::BIGINT), '%Y-%m-%d %H:%M:%S.%f+00')"
    ),
    "nk_auto_moment(x)": (
        r"CASE WHEN regexp_matches(x, '^ *[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}') "
        r"THEN regexp_replace(x, '^ *([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})', '\3-\1-\2') "
        r"WHEN regexp_matches(x, '^ *[0-9]{1,2}-[A-Za-z]{3}-[0-9]{4}') "
        r"THEN coalesce(strftime(try_strptime("
        r"regexp_extract(x, '[0-9]{1,2}-[A-Za-z]{3}-[0-9]{4}'), '%d-%b-%Y'), '%Y-%m-%d') || "
        r"regexp_replace(x, '^ *[0-9]{1,2}-[A-Za-z]{3}-[0-9]{4}', ''), "
        r"x) WHEN regexp_full_match(x, ' *-?[0-9]{1,19} *') THEN nk_epoch_text(TRY_CAST(x AS "
        r"BIGINT)) ELSE x END"
    ),
    "nk_is_number_text(x)": "NOT regexp_matches(x, '_|0[xXbBoO]')",
    "nk_number_text_of(x)": (
        "CASE WHEN x IS NULL OR nk_is_number_text(x) THEN x "
        "ELSE error('Numeric value ''' || x || ''' is not recognized') END"
    ),
    "nk_try_number_text(x)": "CASE WHEN nk_is_number_text(x) THEN x END",
    "nk_is_finite(r, x)": "(NOT isinf(r) OR regexp_matches(x, '[iI][nN][fF]'))",
    "nk_finite(r, x)": (
        "CASE WHEN r IS NULL OR nk_is_finite(r, x) THEN r "
        "ELSE error('Numeric value ''' || x || ''' is out of range') END"
    ),
    "nk_try_finite(r, x)": "CASE WHEN nk_is_finite(r, x) THEN r END",
    "nk_float_of(x)": "nk_finite(nk_number_text_of(x)::DOUBLE, x)",
    "nk_try_float_of(x)": "nk_try_finite(TRY_CAST(nk_try_number_text(x) AS DOUBLE), x)",
    "nk_fitting(x, n)": (
        "CASE WHEN x IS NULL OR length(x) <= n THEN x "
        "ELSE error('String ''' || x || ''' is too long and would be truncated') END"
    ),
    "nk_first_of_week(x, s)": ("(x::DATE - ((isodow(x::DATE) - greatest(s, 1) + 7) % 7)::INTEGER)"),
    "nk_day_of_week(x, s)": (
        "CASE WHEN s = 0 THEN isodow(x::DATE) % 7 ELSE (isodow(x::DATE) - s + 7) % 7 + 1 END"
    ),
    "nk_year_of_week(x, s, p)": (
        "CASE WHEN p = 1 THEN year(x::DATE) ELSE year(nk_first_of_week(x, s) + 3) END"
    ),
    "nk_week(x, s, p)": (
        "CASE WHEN p = 1 THEN (nk_first_of_week(x, s) - nk_first_of_week(date_trunc('year', "
        "x::DATE), s)) // 7 + 1 ELSE (dayofyear(nk_first_of_week(x, s) + 3) - 1) // 7 + 1 END"
    ),
    "nk_week_slice(x, n, s, ends)": (
        "(nk_first_of_week(make_date(1970, 1, 1), s) + ((floor((x::DATE - "
        "nk_first_of_week(make_date(1970, 1, 1), s)) / (7.0 * n)) + ends) * 7 * n)::INTEGER)"
    ),
    "nk_week_of(x, late)": "(date_trunc('week', x - to_days(late)) + to_days(late))",
    "nk_days_before(x, late)": "(x - to_days(late))",
    "nk_last_of_year(x)": "make_date(year(x::DATE), 12, 31)",
    "nk_last_of_quarter(x)": "last_day((date_trunc('quarter', x::DATE) + to_months(2))::DATE)",
    "nk_is_hex(x)": "regexp_full_match(x::VARCHAR, '([0-9A-Fa-f]{2})*')",
    "nk_hashed(x)": (
        "CASE WHEN regexp_matches(typeof(x), 'INT|DECIMAL|DOUBLE|FLOAT') "
        "THEN hash('#' || regexp_replace(x::VARCHAR, '[.]0+$|([.][0-9]*?[1-9])0+$', '\\1')) "
        "ELSE hash(x) END"
    ),
    "nk_to_binary(x)": (
        "CASE WHEN x IS NULL THEN NULL WHEN typeof(x) = 'BLOB' THEN x::VARCHAR::BLOB "
        "WHEN nk_is_hex(x) THEN unhex(CASE WHEN nk_is_hex(x) THEN x::VARCHAR END) "
        "ELSE error('The following string is not a legal hex-encoded value: ''' || x::VARCHAR "
        "|| '''') END"
    ),
    "nk_try_to_binary(x)": (
        "CASE WHEN typeof(x) = 'BLOB' OR nk_is_hex(x) THEN nk_to_binary(x) END"
    ),
    "nk_text(x)": (
        "CASE WHEN typeof(x) = 'BLOB' THEN hex(x::VARCHAR::BLOB) WHEN typeof(x) = 'DOUBLE' "
        "THEN nk_float_text(TRY_CAST(x::VARCHAR AS DOUBLE)) ELSE x::VARCHAR END"
    ),
    "nk_hashed_value(j)": (
        "CASE WHEN json_type(j) IN ('BIGINT', 'UBIGINT', 'DOUBLE') THEN hash('#' || j::VARCHAR) "
        "WHEN json_type(j) = 'VARCHAR' THEN hash(j ->> '$') ELSE hash(j::VARCHAR) END"
    ),
    "nk_undefined(x, f)": (
        "error('Invalid floating point operation: ' || f || '(' || x::VARCHAR || ')')"
    ),
    "nk_not_negative(x, f)": "CASE WHEN x < 0 THEN nk_undefined(x, f) ELSE x END",
    "nk_positive(x, f)": "CASE WHEN x <= 0 THEN nk_undefined(x, f) ELSE x END",
    "nk_at_most_one(x, f)": "CASE WHEN abs(x) > 1 THEN nk_undefined(x, f) ELSE x END",
    "nk_text_length(n)": (f"CASE WHEN n > {TEXT_LIMIT_CHARS} THEN error('{_TOO_LONG}') ELSE n END"),
    # the bound stands within the argument: the engine may compute both branches of a CASE
    "nk_repeated(x, n)": (
        f"CASE WHEN length(x)::HUGEINT * n > {TEXT_LIMIT_CHARS} THEN error('{_TOO_LONG}') "
        "ELSE n END"
    ),
    "nk_pattern(p)": (
        f"CASE WHEN length(p) > {COMPUTED.chars} OR {_occurrences('(')} > {COMPUTED.groups} "
        f"OR {' + '.join(map(_occurrences, CLASS_SIGNS))} > {COMPUTED.classes} "
        f"THEN error('A pattern that is computed has {COMPUTED.said()}') ELSE p END"
    ),
    "nk_repeat(x, n)": "repeat(x, nk_repeated(x, n))",
    "nk_edit_distance(a, b)": (
        f"CASE WHEN length(a)::HUGEINT * length(b) > {_COMPARED_PAIRS} "
        "THEN error('EDITDISTANCE takes texts whose lengths multiply to at most "
        f"{_COMPARED_PAIRS}: shorten them with LEFT') ELSE levenshtein(a, b) END"
    ),
    "nk_at_most(x, n)": "CASE WHEN x IS NULL OR n IS NULL THEN NULL ELSE least(x, n) END",
    "nk_divide(a, b)": "CASE WHEN b = 0 THEN error('Division by zero') ELSE a / b END",
    "nk_parse_json(x)": "nk_canonical(CASE WHEN trim(x) <> '' THEN x END::JSON)",
    "nk_try_parse_json(x)": "nk_canonical(CASE WHEN json_valid(x) THEN x END::JSON)",
    "nk_key_step(t)": (r"""'."' || replace(replace(t, '\', '\\'), '"', '\"') || '"'"""),
    "nk_index_step(t)": "CASE WHEN t::BIGINT >= 0 THEN '[' || t::BIGINT || ']' END",
    "nk_step(k)": (
        "CASE WHEN json_type(k) = 'VARCHAR' THEN nk_key_step(k ->> '$') "
        "WHEN json_type(k) IN ('BIGINT', 'UBIGINT', 'DOUBLE') "
        "THEN nk_index_step(TRY_CAST(k ->> '$' AS DOUBLE)) END"
    ),
    "nk_get(j, k)": "json_extract(j, '$' || nk_step(to_json(k)))",
    "nk_member(k, v)": "to_json(k::VARCHAR)::VARCHAR || ':' || v::VARCHAR",
    "nk_object(members)": (
        "('{' || coalesce(list_aggregate(list_filter(members, lambda m: m IS NOT NULL), "
        "'string_agg', ','), '') || '}')::JSON"
    ),
    "nk_without_nulls(j)": "json_merge_patch('{}', j)",
    "nk_array_compact(j)": ("to_json(list_filter(nk_items(j), lambda x: json_type(x) <> 'NULL'))"),
    "nk_array_size(j)": "CASE WHEN json_type(j) = 'ARRAY' THEN json_array_length(j)::BIGINT END",
    "nk_typeof(j)": (
        "CASE json_type(j) WHEN 'DOUBLE' THEN CASE WHEN contains(lower(j::VARCHAR), 'e') "
        "THEN 'DOUBLE' ELSE 'DECIMAL' END "
        "WHEN 'BIGINT' THEN 'INTEGER' WHEN 'UBIGINT' THEN 'INTEGER' WHEN 'NULL' THEN 'NULL_VALUE' "
        "ELSE json_type(j) END"
    ),
    "nk_is_null_value(j)": "(json_type(j) = 'NULL')",
    "nk_array_cat(a, b)": ("to_json(list_concat(nk_items(a), nk_items(b)))"),
    "nk_array_to_string(a, d)": (
        "array_to_string(list_transform(nk_items(a), lambda x: coalesce(x ->> '$', '')), d)"
    ),
    "nk_array_slice(a, f, t)": (
        "to_json(array_slice(nk_items(a), CASE WHEN f >= 0 THEN f + 1 ELSE f END, "
        "CASE WHEN t >= 0 THEN t ELSE t - 1 END))"
    ),
    "nk_object_delete(j, keys)": "nk_without_text(j::VARCHAR, keys::VARCHAR)::JSON",
    "nk_object_insert(j, k, v, replaces)": (
        "nk_with_text(j::VARCHAR, k::VARCHAR, coalesce(v::VARCHAR, ''), replaces::BIGINT)::JSON"
    ),
    "nk_arrays_zip(l)": "nk_zip_text(l::VARCHAR)::JSON",
    "nk_inner_items(j)": (
        "CASE WHEN json_type(j) = 'ARRAY' THEN nk_items(j) "
        "ELSE error('ARRAY_FLATTEN takes an array of arrays') END"
    ),
    "nk_array_flatten(a)": (
        "CASE WHEN NOT list_contains(list_transform(nk_items(a), lambda x: json_type(x)), 'NULL') "
        "THEN to_json(flatten(list_transform(nk_items(a), lambda x: nk_inner_items(x)))) END"
    ),
    "nk_range_end(f, t, s)": (
        f"CASE WHEN (t::HUGEINT - f) / nullif(s, 0) > {_RANGE_ITEMS} THEN error('An array of "
        f"ARRAY_GENERATE_RANGE has at most {_RANGE_ITEMS} items') ELSE t END"
    ),
    "nk_array_range(f, t, s)": (
        "to_json(range(f::BIGINT, nk_range_end(f::BIGINT, t::BIGINT, s::BIGINT), s::BIGINT))"
    ),
    "nk_array_reverse(a)": "to_json(list_reverse(nk_items(a)))",
    "nk_left_out(l, p)": "list_concat(l[:p], l[p + 2:])",
    "nk_array_remove_at(a, p)": (
        "CASE WHEN p >= len(nk_items(a)) OR p < -len(nk_items(a)) THEN a ELSE "
        "to_json(nk_left_out(nk_items(a), CASE WHEN p < 0 THEN p + len(nk_items(a)) ELSE p END)) "
        "END"
    ),
    "nk_get_at(j, path)": "json_extract(j, path)",
    "nk_bracketed(fullkey)": (
        r"""regexp_replace(fullkey[2:], '\."((?:[^"\\]|\\.)*)"', '[''\1'']', 'g')"""
    ),
    "nk_flat_path(above, fullkey)": (
        "CASE WHEN above = '' AND fullkey[2] = '.' AND fullkey[3] <> '\"' "
        "THEN nk_bracketed(fullkey)[2:] ELSE above || nk_bracketed(fullkey) END"
    ),
    "nk_array_unique_agg(x)": (
        "coalesce(nk_list(list(DISTINCT x) FILTER (WHERE x IS NOT NULL)), '[]'::JSON)"
    ),
    "nk_approx_top_k(x, n)": (
        "coalesce(to_json(list_transform(list_sort(list_transform(map_entries(histogram(x)), "
        "lambda e: struct_pack(c := -(e.value::BIGINT), k := e.key)))[:n], "
        "lambda s: json_array(s.k, -s.c))), '[]'::JSON)"
    ),
    "nk_upper(x)": "upper(replace(x, 'ß', 'SS'))",
    "nk_place(p, n)": (
        "CASE WHEN p < -n THEN error('The position ' || p || ' is before the array begins') "
        "WHEN p < 0 THEN p + n ELSE p END"
    ),
    "nk_inserted(l, p, v)": (
        "list_concat(list_concat(list_concat(l[:p], list_transform(range(p - len(l)), "
        "lambda x: 'null'::JSON)), [v]), l[p + 1:])"
    ),
    "nk_array_insert(a, p, v)": (
        "to_json(nk_inserted(nk_items(a), nk_place(p, len(nk_items(a))), v))"
    ),
    "nk_object_pick(j, keys)": "nk_picked_text(j::VARCHAR, keys::VARCHAR)::JSON",
    "nk_is_array(j)": "(json_type(j) = 'ARRAY')",
    "nk_is_object(j)": "(json_type(j) = 'OBJECT')",
    "nk_is_boolean(j)": "(json_type(j) = 'BOOLEAN')",
    "nk_is_varchar(j)": "(json_type(j) = 'VARCHAR')",
    "nk_is_integer(j)": "(json_type(j) IN ('BIGINT', 'UBIGINT'))",
    "nk_is_decimal(j)": "(json_type(j) IN ('BIGINT', 'UBIGINT', 'DOUBLE'))",
    "nk_manhattan(a, b)": (
        "list_sum(list_transform(list_zip(a::DOUBLE[], b::DOUBLE[]), lambda p: abs(p[1] - p[2])))"
    ),
    "nk_square(x)": "x * x",
    "nk_equal_null(a, b)": "(a IS NOT DISTINCT FROM b)",
    "nk_check_json(x)": "CASE WHEN NOT json_valid(x) THEN 'invalid JSON' END",
    "nk_as_object(j)": "CASE WHEN json_type(j) = 'OBJECT' THEN j END",
    "nk_haversine(a, b, c, d)": (
        "2 * 6371 * asin(sqrt(power(sin(radians(c - a) / 2), 2) + "
        "cos(radians(a)) * cos(radians(c)) * power(sin(radians(d - b) / 2), 2)))"
    ),
    "nk_as_varchar(j)": "CASE WHEN json_type(j) = 'VARCHAR' THEN j ->> '$' END",
    "nk_to_array(j)": (
        "CASE WHEN json_type(j) = 'ARRAY' THEN j WHEN json_type(j) <> 'NULL' THEN json_array(j) END"
    ),
    "nk_to_object(j)": (
        "CASE WHEN json_type(j) = 'OBJECT' THEN j WHEN json_type(j) <> 'NULL' "
        "THEN error('Failed to cast variant value ' || j::VARCHAR || ' to OBJECT') END"
    ),
    "nk_numeral(j)": (
        "CASE WHEN json_type(j) = 'BOOLEAN' THEN j::BOOLEAN::INTEGER::VARCHAR ELSE j ->> '$' END"
    ),
}

TABLE: dict[str, str] = {
    "nk_flatten(input, above)": (
        "SELECT 1 AS \"SEQ\", CASE WHEN json_type(input) = 'OBJECT' THEN e.key::VARCHAR END AS "
        '"KEY", nk_flat_path(above, e.fullkey) AS "PATH", '
        "CASE WHEN json_type(input) = 'ARRAY' THEN "
        'e.key::BIGINT END AS "INDEX", e.value AS "VALUE", input AS "THIS" '
        "FROM json_each(input) e WHERE e.key IS NOT NULL"
    ),
    "nk_flatten_recursive(input, above)": (
        "SELECT 1 AS \"SEQ\", CASE WHEN e.fullkey NOT LIKE '%]' THEN e.key::VARCHAR END AS "
        '"KEY", nk_flat_path(above, e.fullkey) AS "PATH", '
        "CASE WHEN e.fullkey LIKE '%]' THEN e.key::BIGINT END AS "
        '"INDEX", e.value AS "VALUE", nk_get_at(input, e.path) AS "THIS" '
        "FROM json_tree(input) e WHERE e.key IS NOT NULL"
    ),
    "nk_split_to_table(x, d)": (
        'SELECT 1 AS "SEQ", i AS "INDEX", p AS "VALUE" '
        "FROM unnest(string_split(x, d)) WITH ORDINALITY AS u(p, i)"
    ),
}


def definitions() -> list[str]:
    """The statements that make all macros."""
    scalar = {**VALUES, **SCALAR, **RANDOM}
    return [f"CREATE OR REPLACE MACRO {head} AS {body}" for head, body in scalar.items()] + [
        f"CREATE OR REPLACE MACRO {head} AS TABLE {body}" for head, body in TABLE.items()
    ]
