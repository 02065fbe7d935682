"""Contents of a model version: what its files say."""
