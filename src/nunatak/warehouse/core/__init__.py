"""What the whole warehouse speaks of: sessions, parameters, types, results, requests."""
