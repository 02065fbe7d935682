"""What the inference server of an instance is started with: its configuration and its variables."""

from __future__ import annotations

import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nunatak
from nunatak.compute.instances import InstanceFolder
from nunatak.compute.sandbox import sandbox_argv, sandbox_capability
from nunatak.compute.spec import InstanceSpec, instance_json
from nunatak.egress.inside import PROXY_VARIABLES

_INHERITED = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "PATH", "LD_LIBRARY_PATH", "TMPDIR")
_PROXIES = {name.lower() for name in PROXY_VARIABLES} | {"no_proxy"}
"""Name the proxy that this machine itself must go through, and so must that of an instance."""


def configuration(spec: InstanceSpec, folder: InstanceFolder) -> Any:
    """What the inference server reads; what it refers to is written in its folders.

    Raises OSError.
    """
    live, private = spec.live, folder.private
    if live.secret_files and not sandbox_capability().available:
        raise OSError("secrets can be shown as files only where namespaces can be made")
    private.prepare(spec.secret_env, live.secret_files)
    egress = folder.egress_socket() if live.egress is not None else None
    if live.egress is not None:
        folder.write_egress(live.egress)
    sandbox = sandbox_argv(
        spec,
        work=folder.work,
        egress=egress,
        files={target: private.directory(target) for target in live.secret_files},
    )
    return instance_json(
        spec,
        directory=folder.path,
        socket=folder.socket(),
        sandbox=sandbox,
        secret_env=private.environment if spec.secret_env else None,
        egress=None
        if egress is None
        else {"policy": str(folder.egress), "socket": str(egress) if sandbox else None},
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
