"""The same model behind other people's serving frameworks: one file of adapter for each."""
