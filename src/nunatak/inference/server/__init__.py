"""The server of an instance: its process, its sockets, its endpoints."""
