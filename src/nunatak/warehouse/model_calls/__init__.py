"""Model calls in queries, planned as streaming operators."""
