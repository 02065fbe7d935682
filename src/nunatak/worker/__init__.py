"""The worker: what runs in a model's own environment, standard library only, Python 3.9 and up."""
