"""Builds: from requirements to a lock to an environment on disk."""
