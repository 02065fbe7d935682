"""COPY INTO @stage: writing a query's rows to files of a stage."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from sqlglot import exp

from nunatak.catalog.sqltypes import NUMBER, SEMI_STRUCTURED, TEXT
from nunatak.disk import settle
from nunatak.errors import InvalidArgument, Unsupported
from nunatak.stages.places import StagePlace, file_inside
from nunatak.warehouse.copy.file_formats import FileFormat
from nunatak.warehouse.copy.options import CopyOptions, copy_options
from nunatak.warehouse.copy.staged import resolved_format, stages_of
from nunatak.warehouse.core.dialect import quoted
from nunatak.warehouse.core.results import Field, Result, StatementKind, rows_result
from nunatak.warehouse.engine.engine import identifier, literal
from nunatak.warehouse.query.execution import Execution

UNLOAD_FIELDS = (
    Field("rows_unloaded", NUMBER),
    Field("input_bytes", NUMBER),
    Field("output_bytes", NUMBER),
)
_DETAILED = (Field("FILE_NAME", TEXT), Field("FILE_SIZE", NUMBER), Field("ROW_COUNT", NUMBER))
_PARTITION = "__NUNATAK_PARTITION"
_SUFFIXES = {"CSV": ".csv", "JSON": ".json", "PARQUET": ".parquet"}
_DEFAULT_COMPRESSION = {"CSV": "gzip", "JSON": "gzip", "PARQUET": "snappy"}
_COMPRESSIONS = {"GZIP": "gzip", "ZSTD": "zstd", "SNAPPY": "snappy", "NONE": "none"}
_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"


def copy_into_stage(execution: Execution, tree: exp.Copy, location: str) -> Result:
    """COPY INTO @stage/path FROM table or (query)."""
    options = copy_options(tree)
    place = stages_of(execution).place(execution.session, location, write=True)
    form = resolved_format(execution, place, options.file_format)
    query, fields = _query(execution, tree.args["files"][0], options)
    unload = _Unload(execution, place, form, options)
    work = place.folder.resolve() / f".unload-{uuid.uuid4().hex}"
    work.mkdir(mode=0o700)
    try:
        rows = unload.write(query, fields, work)
        files = unload.publish(work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    size = sum(file_inside(place, name).stat().st_size for name in files)
    if options.flag("DETAILED_OUTPUT"):
        detailed = [[name, file_inside(place, name).stat().st_size, rows] for name in files]
        return rows_result(_DETAILED, detailed, kind=StatementKind.COPY)
    return rows_result(UNLOAD_FIELDS, [[rows, size, size]], kind=StatementKind.COPY)


def _query(
    execution: Execution, source: exp.Expr, options: CopyOptions
) -> tuple[str, tuple[Field, ...]]:
    query = exp.select("*").from_(source.copy()) if isinstance(source, exp.Table) else source.this
    if options.partition_by is not None:
        partition = exp.alias_(options.partition_by.copy(), quoted(_PARTITION))
        inner = exp.Subquery(this=query, alias=exp.TableAlias(this=quoted("UNLOADED")))
        query = exp.select("*", partition).from_(inner)
    translated = execution.translator.translate(query)
    return translated.sql, execution.translator.described(translated)


class _Unload:
    """Files of one statement: written to a folder of their own, then moved to their names."""

    def __init__(
        self, execution: Execution, place: StagePlace, form: FileFormat, options: CopyOptions
    ) -> None:
        self._execution = execution
        self._place = place
        self._form = form
        self._options = options
        named = form.packing
        default = _DEFAULT_COMPRESSION[form.type]
        self._compression = default if named == "AUTO" else _COMPRESSIONS.get(named, "")
        if not self._compression or (form.type != "PARQUET" and self._compression == "snappy"):
            raise Unsupported(f"Unsupported: writing {form.type} files with {named} compression.")

    def write(self, query: str, fields: Sequence[Field], work: Path) -> int:
        """Write the rows below `work`; answers how many there were."""
        names = [field.name for field in fields if field.name != _PARTITION]
        keeps_names = self._options.flag("HEADER") or self._form.type == "JSON"
        shown = names if keeps_names else [f"_COL_{index}" for index in range(len(names))]
        listed = [identifier(name) for name in shown]
        if len(fields) > len(names):
            listed.append(identifier(_PARTITION))
        target = work / "out" if self._partitioned else work / f"data{self._suffix}"
        are_documents = self._form.type == "JSON" and _are_documents(fields)
        writer = self._document_writer() if are_documents else self._writer()
        counted = self._execution.connection.execute(
            f"COPY (SELECT * FROM ({query}) AS q({', '.join(listed)})) "
            f"TO {literal(str(target))} ({', '.join(writer)})"
        )
        return int(counted[0][0])

    def publish(self, work: Path) -> list[str]:
        """Move the files to their names in the stage; answers those. Raises InvalidArgument when
        one is there already and OVERWRITE is not set."""
        moves = list(self._moves(work))
        if not self._options.flag("OVERWRITE"):
            for _, name in moves:
                if file_inside(self._place, name).exists():
                    raise InvalidArgument(
                        "Files already existing at the unload destination: "
                        f"{name}. Use overwrite option to force unloading."
                    )
        for path, name in moves:
            target = file_inside(self._place, name)
            settle(path, target)
        return [name for _, name in moves]

    @property
    def _partitioned(self) -> bool:
        return self._options.partition_by is not None

    @property
    def _suffix(self) -> str:
        packed = {"gzip": ".gz", "zstd": ".zst"}.get(self._compression, "")
        if self._form.type == "PARQUET":
            return f".{self._compression}.parquet" if self._compression != "none" else ".parquet"
        return _SUFFIXES[self._form.type] + packed

    def _document_writer(self) -> list[str]:
        """Documents as they are, one a line: lines of one column without quotes."""
        compression = "uncompressed" if self._compression == "none" else self._compression
        plain = [f"{option} ''" for option in ("QUOTE", "ESCAPE", "NULLSTR")]
        return [
            "FORMAT csv",
            f"COMPRESSION {compression}",
            "HEADER false",
            "DELIMITER '\x01'",
            *plain,
        ]

    def _writer(self) -> list[str]:
        form = self._form
        options = [f"FORMAT {form.type.lower()}"]
        compression = "uncompressed" if self._compression == "none" else self._compression
        if form.type == "PARQUET" or self._compression != "none":
            options.append(f"COMPRESSION {compression}")
        if form.type == "CSV":
            quote = form.text("FIELD_OPTIONALLY_ENCLOSED_BY")
            nulls = form.options.get("NULL_IF") or ["\\N"]
            null = nulls if isinstance(nulls, str) else nulls[0]
            options += [
                f"HEADER {self._options.flag('HEADER')}",
                f"DELIMITER {literal(form.text('FIELD_DELIMITER', ',') or '')}",
                f"QUOTE {literal(quote or chr(34))}",
                f"ESCAPE {literal(form.text('ESCAPE') or quote or chr(34))}",
                f"NULLSTR {literal(str(null))}",
            ]
        if self._partitioned:
            options += [f"PARTITION_BY ({identifier(_PARTITION)})", "WRITE_PARTITION_COLUMNS false"]
        return options

    def _moves(self, work: Path) -> list[tuple[Path, str]]:
        """Each written file with its name in the stage."""
        path = self._place.path
        if self._options.flag("SINGLE"):
            [file] = [file for file in work.rglob("*") if file.is_file()]
            return [(file, path if path and not path.endswith("/") else f"{path}data")]
        if not self._partitioned:
            prefix = path if path and not path.endswith("/") else f"{path}data"
            return [
                (file, f"{prefix}_0_0_{index}{self._suffix}")
                for index, file in enumerate(sorted(work.rglob("*")))
                if file.is_file()
            ]
        moves = []
        base = path if not path or path.endswith("/") else f"{path}/"
        for index, file in enumerate(sorted(file for file in work.rglob("*") if file.is_file())):
            value = unquote(file.parent.name.partition("=")[2])
            folder = "" if value == _NULL_PARTITION else f"{value}/"
            name = f"{base}{folder}data_{self._execution.query_id or 'query'}_0_0_{index}"
            moves.append((file, name + self._suffix))
        return moves


def _are_documents(fields: Sequence[Field]) -> bool:
    """Whether the rows are one semi-structured value each, which is a document of its own."""
    return len(fields) == 1 and fields[0].type.kind in SEMI_STRUCTURED
