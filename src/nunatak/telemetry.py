"""Logs: one place that configures them for every process of the server."""
