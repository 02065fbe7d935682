"""Small text files on stages, as statements name them: specifications and deployments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nunatak.access.privileges.requirement import Requirement
from nunatak.errors import InvalidArgument, StageUnreadable
from nunatak.sql.language.statement import Context
from nunatak.sql.storage.locations import stage_location

FILE_LIMIT_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class StagedText:
    """A text file by its location, such as `@db.schema.stage/folder/file`."""

    location: str

    @classmethod
    def parse(cls, location: str) -> StagedText:
        """Check that a file is named, not a whole stage; raises InvalidArgument."""
        name, _, path = location.removeprefix("@").partition("/")
        if not location.startswith("@") or not name or not path.strip("/"):
            raise InvalidArgument(f"'{location}' is no file on a stage: write @stage/path/file.")
        return cls(location)

    def requirements(self, context: Context) -> Iterable[Requirement]:
        """READ on the stage; a temporary one and the user's own need nothing."""
        return stage_location(context, self.location).requirement("READ")

    def read(self, context: Context) -> str:
        """Its text; raises ObjectNotFound, StageUnreadable, InvalidArgument."""
        found = stage_location(context, self.location)
        root = found.folder(context.rooms.settings).resolve()
        file = (root / found.path.strip("/")).resolve()
        if not file.is_relative_to(root):
            raise InvalidArgument(f"'{self.location}' leads out of its stage.")
        try:
            if file.stat().st_size > FILE_LIMIT_BYTES:
                raise InvalidArgument(f"'{self.location}' has more than {FILE_LIMIT_BYTES} bytes.")
            return file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise StageUnreadable(
                f"File '{self.location}' cannot be read: upload it as text in UTF-8, without "
                "compression."
            ) from error
