"""The query engine behind a small surface, with the functions that it lacks."""
