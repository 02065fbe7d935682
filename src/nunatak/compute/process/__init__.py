"""The runtime of this machine: instances as confined processes."""
