"""Users, credentials, tokens, roles, and the privilege decision as a pure function."""
