"""Commands of statements to services: they write desired state and return."""
