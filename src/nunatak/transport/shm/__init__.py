"""Shared memory files: bytes that processes hand to each other without copying them."""
