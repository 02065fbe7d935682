"""Vocabulary of the whole warehouse: sessions, parameters, types, results, requests."""
