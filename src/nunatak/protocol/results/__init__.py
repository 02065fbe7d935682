"""Results as clients read them, and where they are kept."""
