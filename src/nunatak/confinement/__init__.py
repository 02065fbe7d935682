"""What shuts foreign code in: namespaces, another user, limits. For models and for builds."""
