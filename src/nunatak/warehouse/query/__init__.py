"""Queries from tree to rows: names, privileges of views, inferred columns."""
