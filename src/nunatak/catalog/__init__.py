"""The durable truth: objects, owners, grants, desired state, events."""
