"""Sealed files of versions: what is kept of them, and where they run."""

from __future__ import annotations

from nunatak.errors import NunatakError
from nunatak.models.contents.content import VersionContent, read_content
from nunatak.models.contents.files import Sealed, VersionFolders
from nunatak.models.ports import Runnable, WhereRunnable
from nunatak.models.versions import VersionSpec


class VersionSealer:
    """Specs of versions whose files do not change any more. Safe to use from many threads."""

    def __init__(self, folders: VersionFolders, where_runnable: WhereRunnable) -> None:
        self.folders = folders
        self._where_runnable = where_runnable

    def spec(self, sealed: Sealed) -> VersionSpec:
        """Specification that is kept of a version; raises StageUnreadable, InvalidArgument for
        files that are no model."""
        content = read_content(self.folders.path(sealed.version_id))
        content.check()
        runnable = self._runnable(content)
        return VersionSpec(
            id=sealed.version_id,
            digest=sealed.digest,
            size_bytes=sealed.size_bytes,
            file_count=sealed.file_count,
            user_data=content.manifest.user_data,
            runnable_in=tuple(runnable.targets),
            runnable_reasons=tuple(runnable.reasons),
        )

    def _runnable(self, content: VersionContent) -> Runnable:
        try:
            return self._where_runnable(content.folder, content.manifest.target_platforms)
        except NunatakError as error:
            return Runnable((), (error.message,))
