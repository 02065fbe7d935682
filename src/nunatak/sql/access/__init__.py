"""Statements about users, roles, grants, secrets and network rules."""
