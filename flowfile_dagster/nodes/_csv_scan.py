"""Scan delimited text with the types that Flowfile finds, and never lose a value unasked."""

from __future__ import annotations

import codecs
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import polars as pl
from polars.exceptions import DuplicateError, PolarsError
from pydantic import Field

from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.settings import SettingsBlock
from flowfile_dagster.errors import DataError, DuplicateColumnError, SettingsError

#: What Polars takes: files, a folder or an address, or the bytes themselves.
ScanSource: TypeAlias = list[str] | str | bytes

UTF8_NAMES = frozenset({"utf-8", "utf8", "utf8-lossy", "utf-8-lossy"})
#: Numbers of rows to look at for types, after the number in the settings.
_WIDER_WINDOWS = (10_000, 100_000)
_WINDOW_OF_DECODED_TEXT = 100
#: More than a hundred thousand names of columns; looked through in pieces, of which the first is nearly always enough.
_LONGEST_HEADER = 4 << 20
_PIECE = 1 << 16
_LINE_ENDS = {"\n": "\n", "\r\n": "\n", "": "\n", "\\n": "\n", "\\r\\n": "\n", "\r": "\r", "\\r": "\r"}


class CsvTable(SettingsBlock):
    """How delimited text is written; JSON files carry the same keys."""

    file_type: Literal["csv", "json"] = "csv"
    starting_from_line: int = 0
    delimiter: str = ","
    has_headers: bool = True
    encoding: str = "utf-8"
    row_delimiter: str = "\n"
    quote_char: str | None = '"'
    infer_schema_length: int = Field(default=10_000, ge=0)
    infer_schema: bool = True
    truncate_ragged_lines: bool = False
    ignore_errors: bool = False

    @property
    def is_utf8(self) -> bool:
        """Whether Polars reads the encoding itself."""
        return self.encoding.lower() in UTF8_NAMES

    @property
    def quote(self) -> str | None:
        """The character around text; ``auto`` is what the editor offers for the usual one."""
        return '"' if self.quote_char == "auto" else self.quote_char or None

    def check(self, field: str) -> None:
        """Raise where a setting cannot be honoured."""
        if len(self.delimiter.encode()) != 1:
            raise SettingsError(f"{field}.delimiter", f"{self.delimiter!r} must be exactly one ASCII character")
        if self.quote and len(self.quote.encode()) != 1:
            raise SettingsError(f"{field}.quote_char", f"{self.quote_char!r} must be one ASCII character, or empty")
        if self.row_delimiter not in _LINE_ENDS and len(self.row_delimiter.encode()) != 1:
            raise SettingsError(f"{field}.row_delimiter", f"{self.row_delimiter!r} must be one ASCII character")
        check_encoding(self.encoding, f"{field}.encoding")


@dataclass(frozen=True)
class CsvSource:
    """What is scanned, and what it is called in messages."""

    scanned: ScanSource
    label: str
    include_file_paths: str | None = None
    is_folder: bool = False


def check_encoding(encoding: str, field: str) -> None:
    """Raise for an encoding that Python does not know."""
    if encoding.lower() in UTF8_NAMES:
        return
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise SettingsError(field, f"{encoding!r} is not the name of an encoding") from error


def check_header(table: CsvTable, path: Path) -> None:
    """Raise for a file whose first line has no end: reading it would make names of columns that fill the memory."""
    if not table.has_headers or path.name.lower().endswith(".gz"):
        return
    with path.open("rb") as stream:
        for _ in range(_LONGEST_HEADER // _PIECE):
            piece = stream.read(_PIECE)
            if len(piece) < _PIECE or _line_end(table).encode() in piece:
                return
    raise DataError(
        f"{path}: its header is longer than {_LONGEST_HEADER >> 20} MiB: check row_delimiter, "
        "or set has_headers: false if it has none"
    )


def decoded_bytes(path: Path, encoding: str, *, is_lossy: bool) -> bytes:
    """The text of a file, unpacked where its name ends in ``.gz``, as UTF-8.

    Raises:
        DataError: for bytes that the encoding does not know, unless `is_lossy`.
    """
    packed = path.read_bytes()
    content = gzip.decompress(packed) if path.name.lower().endswith(".gz") else packed
    if encoding.lower() in UTF8_NAMES:
        return content
    text = io.TextIOWrapper(
        io.BytesIO(content), encoding=encoding, errors="replace" if is_lossy else "strict", newline=""
    )
    try:
        return text.read().encode()
    except UnicodeError as error:
        raise DataError(
            f"{path}: is not text in the encoding {encoding!r} ({error}): set the encoding of the file, "
            "or ignore_errors: true to replace what cannot be read"
        ) from error


def scan_delimited(table: CsvTable, source: CsvSource, context: BuildContext) -> pl.LazyFrame:
    """The scan whose types fit the first rows of the file.

    Windows of rows are tried until one row can be read with the types found in them: Polars reads a whole batch for it.
    If none fits, it is an error unless `ignore_errors` asks for Flowfile's lossy reading: replaced bytes, nulls for
    what does not fit, no dates.
    """
    if not table.infer_schema:
        return _scan(table, source, infer_schema_length=0, ignore_errors=table.ignore_errors)
    failure: PolarsError | None = None
    for window, finds_dates in _attempts(table):
        options: dict[str, Any] = {"infer_schema_length": window, "try_parse_dates": finds_dates}
        try:
            if isinstance(source.scanned, bytes):
                return context.collect(_scan(table, source, **options)).lazy()
            options = _fitting_types(table, source, options, context)
        except PolarsError as error:
            if source.include_file_paths and isinstance(error, DuplicateError) and "file paths" in str(error):
                raise DuplicateColumnError(source.include_file_paths, "include_file_paths") from error
            failure = failure or error
        else:
            return _scan(table, source, **options, ignore_errors=table.ignore_errors)
    if table.ignore_errors:
        return _scan(table, source, encoding="utf8-lossy", ignore_errors=True)
    raise DataError(_explain(str(failure), source.label)) from failure


def _fitting_types(
    table: CsvTable, source: CsvSource, options: dict[str, Any], context: BuildContext
) -> dict[str, Any]:
    """The options with the types that they find in a single file: Polars then looks once, not for every plan.

    Looking for dates in 10,000 rows takes it a quarter of a second. Of several files each has its own header, which
    given types would overrule.

    Raises:
        PolarsError: no row can be read with the types.
    """
    scan = _scan(table, source, **options)

    def find() -> pl.Schema:
        return context.collect(scan.head(1)).schema

    if isinstance(source.scanned, (str, bytes)) or len(source.scanned) != 1:
        find()
        return options
    question = f"{table.model_dump_json()}\n{source.include_file_paths}\n{options}"
    found = context.recall_schema(Path(source.scanned[0]), question, find)
    types = {name: dtype for name, dtype in found.items() if name != source.include_file_paths}
    return {**options, "infer_schema_length": 0, "schema": types}


def _attempts(table: CsvTable) -> Iterator[tuple[int | None, bool]]:
    """How many rows to look at for types, and whether dates are among these.

    Where the dates of a column have several forms, Polars can read none of them as one, and all of them as text.
    """
    if table.is_utf8:
        yield from ((window, True) for window in _windows(table))
    if not (table.is_utf8 and table.ignore_errors):
        yield from ((window, False) for window in _windows(table))


def _windows(table: CsvTable) -> Iterator[int | None]:
    """How many rows to look at for types; Flowfile takes a fixed number where it decodes the text itself."""
    if not table.is_utf8:
        yield from (_WINDOW_OF_DECODED_TEXT, None)
        return
    yield table.infer_schema_length
    yield from (window for window in _WIDER_WINDOWS if window > table.infer_schema_length)


def _scan(table: CsvTable, source: CsvSource, **options: Any) -> pl.LazyFrame:
    is_lossy = table.is_utf8 and table.encoding.lower().endswith("lossy")
    if source.include_file_paths:
        options["include_file_paths"] = source.include_file_paths
    return pl.scan_csv(
        source.scanned,
        separator=table.delimiter,
        has_header=table.has_headers,
        skip_rows=table.starting_from_line,
        quote_char=table.quote,
        eol_char=_line_end(table),
        truncate_ragged_lines=table.truncate_ragged_lines,
        glob=source.is_folder,
        **{"encoding": "utf8-lossy" if is_lossy else "utf8", **options},
    )


def _line_end(table: CsvTable) -> str:
    return _LINE_ENDS.get(table.row_delimiter, table.row_delimiter)


def _explain(failure: str, label: str) -> str:
    cause = failure.strip().partition("\n")[0]
    if "utf-8" in cause.lower():
        advice = "the file is not UTF-8: set its encoding (for example ISO-8859-1), or utf8-lossy to replace bad bytes"
    elif "more fields" in cause:
        advice = "set the right delimiter and quote_char, or truncate_ragged_lines: true to drop the extra fields"
    elif "de-duplication" in cause:
        advice = "a column is there twice, and Polars' name for the second is taken: rename one in the header"
    elif "could not parse" in cause:
        advice = (
            "raise infer_schema_length, set infer_schema: false to read every column as text, or ignore_errors: true "
            "to turn values that do not fit into null"
        )
    else:
        advice = "check starting_from_line, delimiter and has_headers"
    return f"{label}: cannot be read as csv: {cause}: {advice}"
