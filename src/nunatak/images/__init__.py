"""From declared dependencies to a locked environment to an image stored under its digest."""
