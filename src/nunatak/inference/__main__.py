"""``python -m nunatak.inference --config instance.json``: one instance's front process."""

import argparse
import sys
from pathlib import Path

from nunatak.imports import leave_out_pandas
from nunatak.inference.workers.preload import begin


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM; 0 after an orderly end, 2 when the configuration cannot be used."""
    parser = argparse.ArgumentParser(prog="nunatak.inference", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the instance.json to serve")
    options = parser.parse_args(arguments)
    begun = begin(options.config)
    leave_out_pandas()
    from nunatak.inference.server.front import (
        run,  # its libraries are read while the model is loaded
    )

    return run(options.config, begun)


if __name__ == "__main__":
    sys.exit(main())
