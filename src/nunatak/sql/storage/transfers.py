"""PUT, GET, LIST and REMOVE: files of stages and of model versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from nunatak.access.privileges.declared import OnTargets, Target
from nunatak.access.privileges.requirement import OWNERSHIP, StandingRequirement
from nunatak.catalog.sqltypes import NUMBER
from nunatak.catalog.store import Key, Record
from nunatak.errors import InvalidArgument
from nunatak.models.registry import Models
from nunatak.models.snowfiles import SCHEME, ListedFile, ModelFiles, SnowAddress, parse_address
from nunatak.models.versions import MODEL
from nunatak.patterns import matching
from nunatak.sql.language.statement import Context, Modifiers, grammar, properties
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.language.values import boolean, integer, stage_path
from nunatak.sql.session.parameters import literal
from nunatak.stages.locations import STAGE_EXCEPT, StageLocation
from nunatak.stages.service import Stages
from nunatak.warehouse.core.results import Field, Result, StatementKind, Transfer, rows_result

STAGES, MODELS = "stages", "models"
_LOCAL = "file://"
_LIST_FIELDS = (Field("name"), Field("size", NUMBER), Field("md5"), Field("last_modified"))
_OPTIONS: dict[str, Any] = {
    "PARALLEL": integer,
    "AUTO_COMPRESS": boolean,
    "SOURCE_COMPRESSION": lambda cursor: str(literal(cursor)),
    "OVERWRITE": boolean,
    "PATTERN": TokenCursor.string,
}
Location = StageLocation | SnowAddress


def _local_path(text: str) -> str:
    if not text.startswith(_LOCAL):
        raise InvalidArgument(f"'{text}' is not a local file: write file:///path.")
    return text.removeprefix(_LOCAL)


def _location(context: Context, text: str, stages: Stages) -> Location:
    if text.startswith(SCHEME):
        return parse_address(text, context.session.qualify)
    return stages.locate(context.session, text)


def _on(attribute: str, *, write: bool) -> OnTargets:
    """A privilege on the stage, or the model, that the location of an attribute leads to."""

    def targets(statement: Any, context: Context, stages: Stages) -> list[Target]:
        location = _location(context, getattr(statement, attribute), stages)
        if isinstance(location, SnowAddress):
            return [Target(MODEL, Key.of(MODEL, location.model).title)]
        return location.targets()

    if write:
        owned = (*STAGE_EXCEPT, (MODEL, OWNERSHIP))
        return OnTargets("WRITE", targets, "the stage", owned)
    return OnTargets("READ", targets, "the stage or model", STAGE_EXCEPT)


_MAY_PUT, _MAY_GET = _on("target", write=True), _on("source", write=False)


def _still(rule: OnTargets, record: Record | None) -> StandingRequirement | None:
    """Requirement of a rule on an object; None where the files are of the user or the session."""
    return None if record is None else StandingRequirement(rule.asked(record.key.kind), record.id)


def _read_local(cursor: TokenCursor) -> str:
    """A local path, quoted or bare; a bare one ends at a blank."""
    if cursor.at_string():
        return _local_path(cursor.string())
    start = cursor.tokens[cursor.position].start if not cursor.done else len(cursor.text)
    text = cursor.text[start:].split(maxsplit=1)[0] if not cursor.done else ""
    end = start + len(text)
    while not cursor.done and cursor.tokens[cursor.position].start < end:
        cursor.position += 1
    return _local_path(text)


@dataclass(frozen=True, kw_only=True)
class Put:
    """PUT 'file://…' @stage[/path] options."""

    source: str
    target: str
    options: dict[str, Any] = field(default_factory=dict)
    fields: tuple[Field, ...] = ()

    def run(self, context: Context, stages: Stages, models: Models) -> Transfer:
        """Tell the client where the files go."""
        location = _location(context, self.target, stages)
        if isinstance(location, SnowAddress):
            key = f"{MODELS}/{ModelFiles(models).upload_prefix(location)}"
            record: Record | None = models.get(location.model).record
        else:
            location.folder()
            record = location.record
            key = f"{STAGES}/{location.id}/{location.path}"
        return Transfer(
            upload=True,
            sources=(self.source,),
            keys=(key,),
            parallel=self.options.get("PARALLEL", 4),
            auto_compress=self.options.get("AUTO_COMPRESS", True),
            source_compression=self.options.get("SOURCE_COMPRESSION", "auto_detect").lower(),
            overwrite=self.options.get("OVERWRITE", False),
            needs=_still(_MAY_PUT, record),
        )


@grammar("PUT", needs=(_MAY_PUT,))
def put(cursor: TokenCursor, _: Modifiers) -> Put:
    """Parse PUT."""
    source = _read_local(cursor)
    return Put(source=source, target=stage_path(cursor), options=properties(cursor, _OPTIONS))


@dataclass(frozen=True, kw_only=True)
class Get:
    """GET @stage[/path] 'file://…' options."""

    source: str
    folder: str
    options: dict[str, Any] = field(default_factory=dict)
    fields: tuple[Field, ...] = ()

    def run(self, context: Context, stages: Stages, models: Models) -> Transfer:
        """Tell the client where the files are."""
        location, pattern = _location(context, self.source, stages), self.options.get("PATTERN")
        if isinstance(location, SnowAddress):
            rows = _model_files(location, pattern, models)
            chosen = [(row.name, f"{MODELS}/{row.key}") for row in rows]
            record: Record | None = models.get(location.model).record
        else:
            files, record = location.files_like(pattern), location.record
            chosen = [(item.name, f"{STAGES}/{location.id}/{item.name}") for item in files]
        return Transfer(
            upload=False,
            # Clients cut a source at its first slash, so every name is given one.
            sources=tuple(f"files/{PurePosixPath(name).name}" for name, _ in chosen),
            keys=tuple(key for _, key in chosen),
            local_folder=self.folder,
            parallel=self.options.get("PARALLEL", 10),
            needs=_still(_MAY_GET, record),
        )


@grammar("GET", needs=(_MAY_GET,))
def get(cursor: TokenCursor, _: Modifiers) -> Get:
    """Parse GET."""
    source = stage_path(cursor)
    folder = _read_local(cursor)
    return Get(source=source, folder=folder, options=properties(cursor, _OPTIONS))


@dataclass(frozen=True, kw_only=True)
class ListFiles:
    """LIST | LS @stage[/path] [PATTERN = '…']."""

    location: str
    pattern: str | None
    fields: tuple[Field, ...] = _LIST_FIELDS

    def run(self, context: Context, stages: Stages, models: Models) -> Result:
        """One row for each file."""
        location = _location(context, self.location, stages)
        if isinstance(location, SnowAddress):
            rows = [
                [row.name, row.size_bytes, row.md5, _http_time(row.modified_on)]
                for row in _model_files(location, self.pattern, models)
            ]
        else:
            rows = [
                [
                    location.prefix + item.name,
                    item.size_bytes,
                    item.md5,
                    _http_time(item.modified_on),
                ]
                for item in location.files_like(self.pattern, prefix=location.prefix)
            ]
        return rows_result(_LIST_FIELDS, rows, kind=StatementKind.SHOW)


@grammar("LIST", "LS", needs=(_on("location", write=False),))
def list_files(cursor: TokenCursor, _: Modifiers) -> ListFiles:
    """Parse LIST."""
    location = stage_path(cursor)
    pattern = properties(cursor, {"PATTERN": TokenCursor.string}).get("PATTERN")
    return ListFiles(location=location, pattern=pattern)


@dataclass(frozen=True, kw_only=True)
class RemoveFiles:
    """REMOVE | RM @stage[/path] [PATTERN = '…']."""

    location: str
    pattern: str | None
    fields: tuple[Field, ...] = (Field("name"), Field("result"))

    def run(self, context: Context, stages: Stages) -> Result:
        """Delete the files; one row for each."""
        location = _location(context, self.location, stages)
        if isinstance(location, SnowAddress):
            raise InvalidArgument("Files of a model version cannot be removed: drop the version.")
        removed = location.remove_files(self.pattern)
        rows = [[location.prefix + file.name, "removed"] for file in removed]
        return rows_result(self.fields, rows, kind=StatementKind.SHOW)


@grammar("REMOVE", "RM", needs=(_on("location", write=True),))
def remove_files(cursor: TokenCursor, _: Modifiers) -> RemoveFiles:
    """Parse REMOVE."""
    location = stage_path(cursor)
    pattern = properties(cursor, {"PATTERN": TokenCursor.string}).get("PATTERN")
    return RemoveFiles(location=location, pattern=pattern)


def _model_files(address: SnowAddress, pattern: str | None, models: Models) -> Sequence[ListedFile]:
    """The files of a model that match a pattern."""
    rows = ModelFiles(models).listing(address)
    if pattern is None:
        return rows
    chosen = matching([row.name for row in rows], pattern)
    return [row for row, is_chosen in zip(rows, chosen, strict=True) if is_chosen]


def _http_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
