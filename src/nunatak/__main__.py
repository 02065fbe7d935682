"""`python -m nunatak` is the `nunatak` command."""

from nunatak.cli.main import main

main()
