"""Content of a version: its manifest, its description, its methods."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nunatak.catalog.names import quoted
from nunatak.errors import InvalidArgument, InvalidIdentifier
from nunatak.models.contents.functions import Method, methods_of
from nunatak.models.contents.manifest import MANIFEST_FILE, Manifest, PythonRuntime, read_manifest
from nunatak.models.contents.modelyaml import ModelDescription, read_description


@dataclass(frozen=True, slots=True)
class VersionContent:
    """The parsed documents of one version folder."""

    folder: Path
    manifest: Manifest
    description: ModelDescription
    methods: tuple[Method, ...]

    def method(self, name: str) -> Method:
        """The method of a name in stored form; raises InvalidIdentifier that lists the names."""
        for method in self.methods:
            if method.name == name:
                return method
        known = ", ".join(quoted(method.name) for method in self.methods)
        raise InvalidIdentifier(f"The model version has no method {quoted(name)}; it has {known}.")

    def check(self) -> None:
        """Every file that the manifest names must be there, and every default must be one; raises
        InvalidArgument."""
        for runtime in self.manifest.runtimes.values():
            for path in (runtime.conda_file, runtime.pip_file, *runtime.imports):
                self._need(path, f"runtime '{runtime.name}'")
        for path in self.manifest.user_files:
            self._need(path, "user_files")
        for entry in self.manifest.methods:
            if not self._has_module(entry.module_path, self.manifest.runtimes[entry.runtime]):
                raise InvalidArgument(
                    f"{MANIFEST_FILE}: method {entry.name} has the handler {entry.handler}, but "
                    f"there is no file '{entry.module_path}' in the version or its imports."
                )
        for method in self.methods:
            _ = method.defaults

    def _need(self, path: str | None, where: str) -> None:
        if path is not None and not (self.folder / path).exists():
            raise InvalidArgument(
                f"{MANIFEST_FILE}: {where} names '{path}', which is not among the files."
            )

    def _has_module(self, path: str, runtime: PythonRuntime) -> bool:
        folders = [self.folder, *(self.folder / item for item in runtime.imports)]
        # A module may also be inside an imported archive, which is not opened here.
        return any(item.is_file() or (item / path).is_file() for item in folders)


def read_content(folder: Path) -> VersionContent:
    """Read the documents in a version's folder; raises StageUnreadable, InvalidArgument."""
    manifest = read_manifest(folder)
    description = read_description(folder)
    return VersionContent(folder, manifest, description, methods_of(manifest, description, folder))
