"""Statements about models, their versions and tags."""
