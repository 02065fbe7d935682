"""Observability of services: metrics and logs."""
