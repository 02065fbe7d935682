"""Desired and actual state: services, builds, pools and instances as records and values."""
