"""Bytes on connections: what ingress, services and instances have in common."""
