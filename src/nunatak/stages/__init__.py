"""Stages: the folders and files behind their locations."""
