"""Text files on stages, small ones, as statements name them: specifications and deployments."""

from __future__ import annotations

from dataclasses import dataclass

from nunatak.access.privileges.declared import Case, Nothing, OneOf, OnTargets, Target
from nunatak.errors import InvalidArgument
from nunatak.sql.language.statement import Context
from nunatak.stages.locations import STAGE_EXCEPT
from nunatak.stages.service import Stages


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

    def targets(self, context: Context, stages: Stages) -> list[Target]:
        """The stage; a temporary one and the user's own need nothing."""
        return stages.locate(context.session, self.location).targets()

    def read(self, context: Context, stages: Stages) -> str:
        """Its text; raises ObjectNotFound, StageUnreadable, InvalidArgument."""
        found = stages.locate(context.session, self.location)
        return found.read_text(self.location)


def reads_file(of: str) -> OneOf:
    """Requirements of reading the file of an attribute, where one is given."""
    read = OnTargets("READ", StagedText.targets, "the stage of the file", STAGE_EXCEPT)
    return OneOf(
        (
            Case(type(None), "without a file", (Nothing(why="the text is in the statement"),)),
            Case(StagedText, "with a file", (read,)),
        ),
        of,
    )
