"""Grants of roles and privileges, as statements give and take them."""
