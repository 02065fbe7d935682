"""Statements about databases, schemas, tables, stages and files."""
