"""Small text files on stages, as statements name them: specifications and deployments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nunatak.access.privileges.requirement import Requirement
from nunatak.errors import InvalidArgument
from nunatak.sql.language.statement import Context


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
        return context.rooms.stages.locate(context.session, self.location).requirement("READ")

    def read(self, context: Context) -> str:
        """Its text; raises ObjectNotFound, StageUnreadable, InvalidArgument."""
        found = context.rooms.stages.locate(context.session, self.location)
        return found.read_text(self.location)
