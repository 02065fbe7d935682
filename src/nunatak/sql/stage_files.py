"""Small text files on stages, as statements name them: specifications and deployments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nunatak.access.requirement import Requirement
from nunatak.catalog.names import split_name
from nunatak.catalog.store import Key
from nunatak.errors import InvalidArgument, StageUnreadable
from nunatak.sql.stages import STAGE, find_file_object
from nunatak.sql.statement import Context

FILE_LIMIT_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class StageFile:
    """A file by the name of its stage and its path there."""

    stage: tuple[str, ...]
    path: str

    @classmethod
    def parse(cls, location: str) -> StageFile:
        """Read `@db.schema.stage/folder/file`; raises InvalidArgument."""
        name, _, path = location.removeprefix("@").partition("/")
        if not location.startswith("@") or not name or not path.strip("/"):
            raise InvalidArgument(f"'{location}' is no file on a stage: write @stage/path/file.")
        return cls(split_name(name), path.strip("/"))

    def requirements(self, context: Context) -> Iterable[Requirement]:
        """READ on the stage; a temporary one is the session's own."""
        name = context.session.qualify(self.stage)
        if context.session.temporary(STAGE, name) is not None:
            return ()
        return [Requirement("READ", STAGE, Key.of(STAGE, name).title)]

    def read(self, context: Context) -> str:
        """Its text; raises ObjectNotFound, StageUnreadable, InvalidArgument."""
        stage_id = str(find_file_object(context, STAGE, self.stage)["id"])
        root = (context.rooms.settings.folder("stages") / stage_id).resolve()
        file = (root / self.path).resolve()
        if not file.is_relative_to(root):
            raise InvalidArgument(f"'{self.path}' leads out of the stage.")
        try:
            if file.stat().st_size > FILE_LIMIT_BYTES:
                raise InvalidArgument(f"'{self.path}' has more than {FILE_LIMIT_BYTES} bytes.")
            return file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise StageUnreadable(
                f"File '{self.path}' of stage {'.'.join(self.stage)} cannot be read: upload it as "
                "text in UTF-8, without compression."
            ) from error
