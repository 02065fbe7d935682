"""What all statements share: tokens, the table of statements, kinds of objects, SHOW."""
