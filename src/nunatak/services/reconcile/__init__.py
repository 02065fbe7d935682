"""The reconcilers of services, builds and pools, and the decisions that they take."""
