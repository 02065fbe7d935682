"""Maintenance of a home: its lock, what a start needs of it, backups, restoring and checking."""
