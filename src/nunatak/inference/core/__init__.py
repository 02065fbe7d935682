"""Vocabulary of an instance: configuration, columns, signatures, errors."""
