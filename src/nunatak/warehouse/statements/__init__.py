"""Statements that change tables, views and sequences, and what is in them."""
