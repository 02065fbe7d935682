"""Functions of the vendor that the engine lacks, as macros of the engine.

They live in the root database, are made once per process, and are inlined where they are used.
"""

from __future__ import annotations

SCALAR = {
    "nk_json_text(j)": "(j ->> '$')",
    "nk_to_binary(x)": "unhex(x::VARCHAR)",
    "nk_divide(a, b)": "CASE WHEN b = 0 THEN error('Division by zero') ELSE a / b END",
    "nk_parse_json(x)": "CASE WHEN trim(x) = '' THEN NULL ELSE x::JSON END",
    "nk_try_parse_json(x)": "CASE WHEN json_valid(x) THEN x::JSON END",
    "nk_get(j, k)": "json_extract(j, k)",
    "nk_member(k, v)": "to_json(k::VARCHAR)::VARCHAR || ':' || to_json(v)::VARCHAR",
    "nk_object(members)": (
        "('{' || array_to_string(list_filter(members, lambda m: m IS NOT NULL), ',') || '}')::JSON"
    ),
    "nk_without_nulls(j)": "json_merge_patch('{}', j)",
    "nk_array_compact(j)": (
        "to_json(list_filter(json_extract(j, '$[*]'), lambda x: json_type(x) <> 'NULL'))"
    ),
    "nk_array_size(j)": "CASE WHEN json_type(j) = 'ARRAY' THEN json_array_length(j)::BIGINT END",
    "nk_typeof(j)": (
        "CASE json_type(j) WHEN 'VARCHAR' THEN 'VARCHAR' WHEN 'DOUBLE' THEN 'DOUBLE' "
        "WHEN 'BIGINT' THEN 'INTEGER' WHEN 'UBIGINT' THEN 'INTEGER' WHEN 'NULL' THEN 'NULL_VALUE' "
        "ELSE json_type(j) END"
    ),
    "nk_is_null_value(j)": "(json_type(j) = 'NULL')",
    "nk_array_contains(a, v)": "list_contains(json_extract(a, '$[*]'), v)",
    "nk_array_cat(a, b)": (
        "to_json(list_concat(json_extract(a, '$[*]'), json_extract(b, '$[*]')))"
    ),
    "nk_array_to_string(a, d)": (
        "array_to_string(list_transform(json_extract(a, '$[*]'), "
        "lambda x: coalesce(x ->> '$', '')), d)"
    ),
    "nk_array_slice(a, f, t)": (
        "to_json(array_slice(json_extract(a, '$[*]'), CASE WHEN f >= 0 THEN f + 1 ELSE f END, "
        "CASE WHEN t >= 0 THEN t ELSE t - 1 END))"
    ),
    "nk_object_delete(j, k)": "json_merge_patch(j, json_object(k::VARCHAR, NULL))",
    "nk_to_array(j)": "CASE WHEN json_type(j) = 'ARRAY' THEN j ELSE json_array(j) END",
}

TABLE: dict[str, str] = {
    "nk_flatten(input)": (
        "SELECT 1 AS \"SEQ\", CASE WHEN json_type(input) = 'OBJECT' THEN e.key::VARCHAR END AS "
        "\"KEY\", CASE WHEN json_type(input) = 'OBJECT' THEN e.key::VARCHAR ELSE "
        "'[' || e.key || ']' END AS \"PATH\", CASE WHEN json_type(input) = 'ARRAY' THEN "
        'e.key::BIGINT END AS "INDEX", e.value AS "VALUE", input AS "THIS" '
        "FROM json_each(input) e"
    ),
}


def definitions() -> list[str]:
    """The statements that make all macros."""
    return [f"CREATE OR REPLACE MACRO {head} AS {body}" for head, body in SCALAR.items()] + [
        f"CREATE OR REPLACE MACRO {head} AS TABLE {body}" for head, body in TABLE.items()
    ]
