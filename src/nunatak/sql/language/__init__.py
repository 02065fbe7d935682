"""The language of all statements: tokens, the table of statements, kinds of objects, SHOW."""
