"""The client of instances: one for threads and for the event loop, wherever an instance listens."""
