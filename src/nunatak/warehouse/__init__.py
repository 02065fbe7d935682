"""Tables, stages and queries on DuckDB, and the model call as a streaming operator."""
