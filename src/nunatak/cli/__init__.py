"""The nunatak command."""
