"""Measurements against baselines: each figure is printed beside what it is compared with."""
