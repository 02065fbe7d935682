"""Confinement of foreign code: namespaces, another user, limits. For models and for builds."""
