"""The server inside an instance: admission, batching, worker supervision."""
