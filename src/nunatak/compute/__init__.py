"""Pools, nodes, placement, and the runtimes that start, stop and observe an instance."""
