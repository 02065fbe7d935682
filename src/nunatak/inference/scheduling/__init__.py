"""Batching and dispatch: which requests run together, when, and how they end."""
