"""MODEL objects: manifests, versions, files, signatures, functions, aliases, metrics, tags."""
