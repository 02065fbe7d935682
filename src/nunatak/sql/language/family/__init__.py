"""Families of objects: tables of parts, and the statements that all of them have."""
