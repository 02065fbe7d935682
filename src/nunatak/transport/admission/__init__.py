"""Admission control: who is let in, and when the refused shall retry."""
