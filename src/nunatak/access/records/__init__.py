"""The tables of this room, and what its parts share."""
