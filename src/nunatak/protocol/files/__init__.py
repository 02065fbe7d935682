"""Uploads and downloads: signed addresses, and the bytes themselves."""
