"""The documents that users write of services: specifications and deployments, checked."""
