"""Roles, grants, and the privilege decision."""
