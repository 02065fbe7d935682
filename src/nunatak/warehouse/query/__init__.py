"""One query from its tree to its rows: names, privileges of views, inferred columns."""
