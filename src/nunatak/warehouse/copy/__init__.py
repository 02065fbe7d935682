"""Files of stages: loading, unloading, and reading them in queries."""
