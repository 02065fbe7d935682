"""Stages and file formats: named places for files, and named ways to read them.

A stage is a record whose `spec.id` names its folder; temporary ones live in a session only.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from nunatak.access.privileges.requirement import Requirement
from nunatak.access.service import Access
from nunatak.catalog.kinds import FileFormatSpec, StageSpec
from nunatak.catalog.names import QualifiedName, split_name
from nunatak.catalog.objects import Change, Created, Existing, Objects, require_schema
from nunatak.catalog.store import Catalog, Key, Record
from nunatak.catalog.temporary import TemporaryObject
from nunatak.config import Settings
from nunatak.errors import ObjectExists
from nunatak.stages.folders import (
    STAGE,
    TABLE,
    folder_of,
    remove_folder,
    remove_folders,
    remove_of_session,
    temporary_folder,
    user_folder,
)
from nunatak.stages.locations import OWN, STAGE_EXCEPT, StageLocation, WrittenLocation
from nunatak.stages.places import StagePlace
from nunatak.stages.viewer import Viewer

FILE_FORMAT = "FILE_FORMAT"
Spec = Mapping[str, Any]


class Stages:
    """The stages and file formats of the account. `kind` is STAGE or FILE_FORMAT; a `spec` of a
    stage holds FILE_FORMAT, DIRECTORY, ENCRYPTION and COPY_OPTIONS, that of a format `options`.

    Who may is decided before, except in `place` and `file_format`, which the query engine calls.
    Safe to use from many threads.
    """

    def __init__(self, catalog: Catalog, access: Access, settings: Settings) -> None:
        self._catalog = catalog
        self._objects = Objects(catalog)
        self._access = access
        self._settings = settings

    def create(
        self,
        key: Key,
        owner: str,
        *,
        spec: Spec,
        comment: str = "",
        existing: Existing = Existing.REFUSE,
    ) -> Created:
        """Add a stage, which is empty, or a file format. Raises ObjectExists, or ObjectNotFound
        when the schema is missing."""
        made = self._objects.create(
            key, owner, existing=existing, spec=_new_spec(key.kind, spec), comment=comment
        )
        remove_folders(self._settings, [made.replaced] if made.replaced else [])
        return made

    def create_temporary(
        self,
        viewer: Viewer,
        key: Key,
        *,
        spec: Spec,
        existing: Existing = Existing.REFUSE,
    ) -> Created:
        """Add one that only the session sees; raises as `create`."""
        name = key.qualified
        with self._catalog.read() as tx:
            require_schema(tx, key)
        if viewer.temporary(key.kind, name) is not None:
            if existing is Existing.KEEP:
                return Created(is_kept=True)
            if existing is Existing.REFUSE:
                raise ObjectExists(key.label, key.title)
            self.drop_temporary(viewer, key.kind, name)
        viewer.add_temporary(TemporaryObject(key.kind, name, _new_spec(key.kind, spec).document()))
        return Created()

    def alter(
        self, key: Key, changes: Spec, *, comment: str | None = None, if_exists: bool = False
    ) -> None:
        """Change a stage; `changes` of a file format are options, of which the others stay.
        Raises ObjectNotFound."""

        def changed(_: object, record: Record) -> Change:
            if key.kind == STAGE:
                return Change(spec=StageSpec.read(record.spec).changed(changes), comment=comment)
            options = {**FileFormatSpec.read(record.spec).options, **changes}
            return Change(spec=FileFormatSpec(options=options), comment=comment)

        self._objects.change(key, changed, if_exists=if_exists)

    def rename(self, key: Key, to: Key, *, if_exists: bool = False) -> None:
        """Give one another name or schema; raises ObjectNotFound, ObjectExists."""
        self._objects.rename(key, to, if_exists=if_exists)

    def drop(self, key: Key, *, if_exists: bool = False) -> bool:
        """Remove one, a stage with its files; whether it was there. Raises ObjectNotFound."""
        gone = self._objects.drop(key, if_exists=if_exists)
        remove_folders(self._settings, [gone] if gone else [])
        return gone is not None

    def drop_temporary(self, viewer: Viewer, kind: str, name: QualifiedName) -> bool:
        """Forget one that only the session sees, with its files; whether there was one."""
        gone = viewer.drop_temporary(kind, name)
        if gone is not None and kind == STAGE:
            remove_folder(self._settings, StageSpec.read(gone.spec).id)
        return gone is not None

    def end_session(self, viewer: Viewer) -> None:
        """Remove what a session leaves: its temporary stages, and those of its temporary tables."""
        for temporary in viewer.temporaries(STAGE):
            self.drop_temporary(viewer, STAGE, temporary.name)
        remove_of_session(self._settings, viewer.id)

    def stage(self, viewer: Viewer, name: QualifiedName) -> StageSpec:
        """The folder and options of a stage, a temporary one first; raises ObjectNotFound."""
        return StageSpec.read(self._kept(viewer, STAGE, name))

    def format(self, viewer: Viewer, name: QualifiedName) -> FileFormatSpec:
        """The options of a file format, a temporary one first; raises ObjectNotFound."""
        return FileFormatSpec.read(self._kept(viewer, FILE_FORMAT, name))

    def locate(self, viewer: Viewer, text: str) -> StageLocation:
        """The stage of a location; raises InvalidArgument, ObjectNotFound, NoCurrentContext."""
        written, root = WrittenLocation.parse(text), self._settings.folder("stages")
        if written.stage == OWN:
            return StageLocation(root, user_folder(viewer.user), "", written.path, None)
        if written.table:
            name = viewer.qualify(split_name(written.place + written.table))
            record, folder = self._of_table(viewer, name)
            return StageLocation(root, folder, name.name.lower(), written.path, record)
        name = viewer.qualify(split_name(written.stage))
        stage, is_temporary = self.stage(viewer, name), viewer.temporary(STAGE, name) is not None
        return StageLocation(
            root,
            stage.id,
            name.name.lower(),
            written.path,
            None if is_temporary else self._objects.get(Key.of(STAGE, name)),
            stage.FILE_FORMAT or {},
        )

    def place(self, session: Viewer, location: str, *, write: bool) -> StagePlace:
        """Place that a location leads to; raises ObjectNotFound, PrivilegeMissing,
        InvalidArgument."""
        found = self.locate(session, location)
        for kind, name in found.targets():
            privilege = dict(STAGE_EXCEPT).get(kind, "WRITE" if write else "READ")
            self._access.require(Requirement(privilege, kind, name), role=session.in_force)
        return StagePlace(
            folder=found.folder(),
            path=found.path,
            shown=found.shown,
            file_format=found.file_format,
        )

    def file_format(self, session: Viewer, name: str) -> Spec:
        """The options of a named format; raises ObjectNotFound, PrivilegeMissing."""
        qualified = session.qualify(split_name(name))
        found = self.format(session, qualified)
        if session.temporary(FILE_FORMAT, qualified) is None:
            title = Key.of(FILE_FORMAT, qualified).title
            self._access.require(Requirement("USAGE", FILE_FORMAT, title), role=session.in_force)
        return found.options

    def _kept(self, viewer: Viewer, kind: str, name: QualifiedName) -> Spec:
        temporary = viewer.temporary(kind, name)
        if temporary is not None:
            return temporary.spec
        return self._objects.get(Key.of(kind, name)).spec

    def _of_table(self, viewer: Viewer, name: QualifiedName) -> tuple[Record | None, str]:
        if (temporary := viewer.temporary(TABLE, name)) is not None:
            return None, temporary_folder(viewer.id, temporary.id)
        key = Key.of(TABLE, name)
        with self._catalog.read() as tx:
            record = tx.get(key)
        folder = folder_of(record)
        assert folder is not None, "tables have stages"
        return record, folder


def _new_spec(kind: str, spec: Spec) -> StageSpec | FileFormatSpec:
    """A new stage has an id of its own, which names its folder."""
    if kind == STAGE:
        return StageSpec.read({"id": uuid.uuid4().hex, **spec})
    return FileFormatSpec.read(spec)
