"""Statements about the session: USE, parameters, warehouses, running and past queries."""
