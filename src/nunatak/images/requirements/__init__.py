"""What a model version declares that it needs, and where it can run."""
