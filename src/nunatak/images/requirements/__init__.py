"""Requirements of a model version: what it declares, and where it can run."""
