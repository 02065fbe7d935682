"""The entry point of a worker process: run by path, in the model's environment.

The folder of this file becomes a package of a private name, without being put on the import
path: no module of a model can meet one of ours by accident.
"""

import importlib
import importlib.util
import os
import sys

PACKAGE = "_nunatak_worker"


def main() -> int:
    """Make the folder of this file a package and hand over to it."""
    folder = os.path.dirname(os.path.abspath(__file__))
    spec = importlib.util.spec_from_file_location(
        PACKAGE, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    assert spec is not None
    sys.modules[PACKAGE] = importlib.util.module_from_spec(spec)
    host = importlib.import_module(PACKAGE + ".host")
    status: int = host.main(sys.argv[1:])
    return status


if __name__ == "__main__":
    sys.exit(main())
