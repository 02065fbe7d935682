"""File formats: the options of CSV, JSON and PARQUET files, and reading files with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nunatak.errors import InvalidArgument, Unsupported
from nunatak.warehouse.engine.engine import literal

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_TYPES = frozenset({"CSV", "JSON", "PARQUET"})
_WORDS = {"\\n": "\n", "\\t": "\t", "\\r\\n": "\r\n", "\\r": "\r", "TAB": "\t", "\\001": "\x01"}
_ENCODINGS = {"UTF8": "utf-8", "UTF-8": "utf-8", "UTF16": "utf-16", "ISO-8859-1": "latin-1"}
Options = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A file format's options, by upper-case name; None stands for NONE."""

    options: Options

    @property
    def type(self) -> str:
        """CSV, JSON or PARQUET; raises Unsupported for others."""
        name = str(self.options.get("TYPE") or "CSV").upper()
        if name not in _TYPES:
            raise Unsupported(f"Unsupported: files of the type {name}.")
        return name

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean option."""
        value = self.options.get(name, default)
        return str(value).upper() in {"TRUE", "1"}

    def text(self, name: str, default: str | None = None) -> str | None:
        """A text option, with the usual escapes; None for NONE."""
        value = self.options.get(name, default)
        if value is None or str(value).upper() == "NONE":
            return None
        return _WORDS.get(str(value), str(value))

    def count(self, name: str) -> int:
        """An option that is a number; zero when it is not set."""
        try:
            return int(self.options.get(name) or 0)
        except ValueError as error:
            raise InvalidArgument(f"{name} of the file format is a number.") from error

    @property
    def packing(self) -> str:
        """COMPRESSION in upper case; AUTO when it is not set."""
        given = self.options.get("COMPRESSION", "AUTO")
        named = "NONE" if given is None else str(given).upper()
        return "AUTO" if named == "AUTO_DETECT" else named

    @property
    def nulls(self) -> list[str]:
        """Texts that mean NULL in a CSV file."""
        given = self.options.get("NULL_IF", ["\\N"])
        texts = [given] if isinstance(given, str) else list(given or [])
        if self.flag("EMPTY_FIELD_AS_NULL", default=True) and "" not in texts:
            texts.append("")
        return texts

    def compression(self, head: bytes) -> str:
        """Compression of a file that begins so, in the engine's words."""
        named = self.packing
        if named == "AUTO":
            return (
                "gzip"
                if head.startswith(GZIP_MAGIC)
                else "zstd"
                if head.startswith(ZSTD_MAGIC)
                else "none"
            )
        known = {"GZIP": "gzip", "ZSTD": "zstd", "NONE": "none"}
        if named not in known:
            raise Unsupported(f"Unsupported: files with the compression {named}.")
        # A client may have stored a file as it was although the format says GZIP.
        return known[named] if named == "NONE" or head[:1] in (b"\x1f", b"\x28") else "none"


def merged(*given: Options) -> FileFormat:
    """One format of several sets of options, the later ones over the earlier."""
    options: dict[str, Any] = {}
    for some in given:
        options |= {name.upper(): value for name, value in some.items()}
    return FileFormat(options)


def _named(options: Mapping[str, str]) -> str:
    return "".join(f", {name} = {value}" for name, value in options.items())


def reader(
    files: Sequence[Path], form: FileFormat, *, columns: int = 0, exact: bool = False
) -> str:
    """A table function of the engine that reads files of one format.

    CSV: text columns COLUMN1, COLUMN2, … (`columns` of them; 0 to look into the file; `exact` ones
    where a line with fewer is an error unless the format says otherwise). JSON: one column `json`.
    PARQUET: the file's own columns. All have a column `filename`.
    """
    listed = "[" + ", ".join(literal(str(file)) for file in files) + "]"
    if form.type == "PARQUET":
        text = {"binary_as_string": "true"} if form.flag("BINARY_AS_TEXT", default=True) else {}
        return f"read_parquet({listed}, filename = true, union_by_name = true{_named(text)})"
    compression = form.compression(_head(files[0]))
    if form.type == "JSON":
        layout = "auto" if form.flag("STRIP_OUTER_ARRAY") else _json_layout(files[0], compression)
        options = {"format": literal(layout), "compression": literal(compression)}
        return f"read_json_objects({listed}, filename = true{_named(options)})"
    options = _csv(form, compression, columns, exact=exact)
    return f"read_csv({listed}, filename = true{_named(options)})"


def _csv(form: FileFormat, compression: str, columns: int, *, exact: bool) -> dict[str, str]:
    skip = form.count("SKIP_HEADER") + form.flag("PARSE_HEADER")
    is_padded = not (exact and form.flag("ERROR_ON_COLUMN_COUNT_MISMATCH", default=True))
    options = {
        "compression": literal(compression),
        "delim": literal(form.text("FIELD_DELIMITER", ",") or "\x00"),
        "quote": literal(form.text("FIELD_OPTIONALLY_ENCLOSED_BY") or ""),
        "escape": literal(_csv_escape(form)),
        "header": "false",
        "skip": str(skip),
        "null_padding": str(is_padded).lower(),
        "nullstr": "[" + ", ".join(map(literal, form.nulls)) + "]",
        "all_varchar": "true",
        "encoding": literal(_ENCODINGS.get(str(form.text("ENCODING", "UTF8")).upper(), "utf-8")),
        # Only in parallel it tells of a quote that nothing ends, rather than to let the rest of the
        # file go; but then it cannot pad lines when values go over several.
        "parallel": str(not is_padded).lower(),
    }
    if columns:
        names = ", ".join(f"'COLUMN{index + 1}': 'VARCHAR'" for index in range(columns))
        options |= {"auto_detect": "false", "columns": f"{{{names}}}"}
        del options["all_varchar"]
    return options


def _csv_escape(form: FileFormat) -> str:
    quote = form.text("FIELD_OPTIONALLY_ENCLOSED_BY")
    escape = form.text("ESCAPE")
    return escape or quote or ""


def _json_layout(file: Path, compression: str) -> str:
    """Documents one after another; a file that is one array is one document."""
    if compression != "none":
        return "auto"
    with file.open("rb") as stream:
        first = stream.read(4096).lstrip()[:1]
    return "unstructured" if first == b"[" else "auto"


def _head(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(4)
