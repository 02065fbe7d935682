"""The HTTP front for callers outside: authenticate, wake, balance, forward."""
