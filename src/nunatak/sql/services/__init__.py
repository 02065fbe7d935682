"""Statements about services, functions on them, compute pools and image repositories."""
