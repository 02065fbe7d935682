"""Passwords, keys and tokens, and the throttle of wrong ones."""
