"""Logging in and sessions on the wire."""
