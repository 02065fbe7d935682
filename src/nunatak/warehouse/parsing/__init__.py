"""Parsing: from the text of a statement to its tree, with the values that are bound to it."""
