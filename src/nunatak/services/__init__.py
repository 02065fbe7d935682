"""Services and jobs: reconcile what is wanted with what is."""
