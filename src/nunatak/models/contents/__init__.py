"""What the files of a model version say."""
