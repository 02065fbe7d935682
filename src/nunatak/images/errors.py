"""Errors between declared dependencies and a built environment.

InvalidArgument
└── DeclarationInvalid        a version's own dependency files cannot be used
BuildFailed
├── RequirementsConflict      no set of packages meets all requirements
├── PackageNotFound           an index does not have the package, or not that version
├── HostRefused               the build tried a host that its integrations do not allow
├── HostUnreachable           an allowed host did not answer
├── SourceBuildFailed         a package without a wheel could not be built here
├── HashMismatch              a file is not the one that was locked
├── PythonMissing             no interpreter of the declared version on this machine
├── ToolMissing               uv is not installed
├── GpuUnsupported            GPUs were asked for a model that runs only on CPU
├── BuildCancelled            somebody asked the build to stop
└── BuildTimedOut             the build took longer than the limit
LimitExceeded
└── QuotaExceeded             environments and images fill their quota
"""

from __future__ import annotations

from nunatak.errors import BuildFailed, InvalidArgument, LimitExceeded


class DeclarationInvalid(InvalidArgument):
    """A manifest, conda file or requirements file of a model version cannot be used as it is."""


class RequirementsConflict(BuildFailed):
    """No set of packages meets all requirements; `packages` are those that the text names."""

    def __init__(self, message: str, *, packages: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.packages = packages


class PackageNotFound(BuildFailed):
    """No configured index has the package, or none has that version for this platform."""

    def __init__(self, message: str, *, package: str) -> None:
        super().__init__(message)
        self.package = package


class HostRefused(BuildFailed):
    """The build tried to reach `hosts` (``host:port``), which it is not allowed to."""

    def __init__(self, message: str, *, hosts: tuple[str, ...]) -> None:
        super().__init__(message)
        self.hosts = hosts


class HostUnreachable(BuildFailed):
    """Allowed `hosts` (``host:port``) could not be reached: try again when they answer."""

    def __init__(self, message: str, *, hosts: tuple[str, ...]) -> None:
        super().__init__(message)
        self.hosts = hosts


class SourceBuildFailed(BuildFailed):
    """The own build code of `package`, which has no wheel for this platform, failed."""

    def __init__(self, message: str, *, package: str) -> None:
        super().__init__(message)
        self.package = package


class HashMismatch(BuildFailed):
    """A downloaded file differs from the locked one: nothing of it was installed."""


class PythonMissing(BuildFailed):
    """The interpreter of the declared Python `version` (``3.11``) is not on this machine."""

    def __init__(self, message: str, *, version: str) -> None:
        super().__init__(message)
        self.version = version


class ToolMissing(BuildFailed):
    """The uv program, which makes environments, is not installed."""


class GpuUnsupported(BuildFailed):
    """GPUs were requested for a model version that declares only a CPU runtime."""


class BuildCancelled(BuildFailed):
    """The build was asked to stop; what it had made so far is removed."""


class BuildTimedOut(BuildFailed):
    """The build was stopped at its time limit."""


class QuotaExceeded(LimitExceeded):
    """Environments and images take all the disk space that they may."""
