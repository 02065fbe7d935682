"""Images: from declared dependencies to a locked environment, stored under its digest."""
