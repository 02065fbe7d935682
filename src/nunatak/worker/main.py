"""Where a worker process starts: run by path, in the model's environment.

The folder of this file is imported as a package under its own name and then taken off the
import path, so that no module of a model can meet one of ours by accident.
"""

import importlib
import os
import sys


def main() -> int:
    """Import the package that this file lies in and hand over."""
    package = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, os.path.dirname(package))
    try:
        host = importlib.import_module(os.path.basename(package) + ".host")
    finally:
        del sys.path[0]
    status: int = host.main(sys.argv[1:])
    return status


if __name__ == "__main__":
    sys.exit(main())
