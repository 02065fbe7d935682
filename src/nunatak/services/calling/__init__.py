"""How SQL and HTTP reach an instance: routes, targets, connections, calls."""
