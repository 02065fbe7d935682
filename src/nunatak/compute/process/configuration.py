"""Configuration and variables that the inference server of an instance is started with."""

from __future__ import annotations

import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nunatak
from nunatak.compute.process.bounds import InstanceBounds
from nunatak.compute.process.instance_folder import InstanceFolder
from nunatak.compute.process.sandbox import Shown, bare_argv, sandbox_argv, user_of
from nunatak.compute.spec import InstanceSpec, instance_json
from nunatak.egress.inside import PROXY_VARIABLES

_INHERITED = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "PATH", "LD_LIBRARY_PATH", "TMPDIR")
_PROXIES = {name.lower() for name in PROXY_VARIABLES} | {"no_proxy"}
"""Name the proxy that this machine itself must go through, and so must that of an instance."""


def configuration(
    spec: InstanceSpec, folder: InstanceFolder, bounds: InstanceBounds, *, is_confined: bool
) -> Any:
    """Configuration that the inference server reads; what it refers to is written in its folders.

    Raises OSError.
    """
    live, paths = spec.live, folder.paths
    private = paths.private
    if live.secret_files and not is_confined:
        raise OSError("secrets can be shown as files only where namespaces can be made")
    private.prepare(spec.secret_env, live.secret_files, user=user_of(folder.path))
    egress = paths.egress_socket() if live.egress is not None else None
    if live.egress is not None:
        folder.write_egress(live.egress)
    shown = Shown(
        work=paths.work,
        home=folder.path.parent.parent,
        egress=egress,
        files={target: private.directory(target) for target in live.secret_files},
    )
    start = sandbox_argv if is_confined else bare_argv
    return instance_json(
        spec,
        directory=folder.path,
        socket=paths.socket(),
        sandbox=start(spec, shown, bounds),
        secret_env=private.environment if spec.secret_env else None,
        egress=None
        if egress is None
        else {"policy": str(paths.egress), "socket": str(egress) if is_confined else None},
    )


def front_environment(spec: InstanceSpec, inherited: Mapping[str, str]) -> dict[str, str]:
    """Variables of the inference server: few, and where our package is if not installed."""
    chosen = {name: inherited[name] for name in _INHERITED if name in inherited}
    if spec.live.egress is not None:
        chosen |= {name: value for name, value in inherited.items() if name.lower() in _PROXIES}
    package = str(Path(nunatak.__file__).parent.parent)
    if package not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        chosen["PYTHONPATH"] = package
    return {"PYTHONUNBUFFERED": "1", **chosen}
