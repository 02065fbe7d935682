"""The only way out for code that is not ours: an allow list, a proxy, and the relay to it."""
