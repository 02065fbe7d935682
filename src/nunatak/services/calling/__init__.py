"""Calls of instances from SQL and HTTP: routes, targets, connections."""
