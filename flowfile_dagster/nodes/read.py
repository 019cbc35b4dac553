"""Read a file, or the files of a folder.

Kept: types come from a window of rows that grows until the first rows fit; dates are recognised in UTF-8 csv only;
folders are read recursively, sorted by full path; Excel engines differ in names and types; `fields` is ignored.
Not kept: where Flowfile loses values silently (lossy csv, late Excel text, late ndjson keys) this reads them or
fails; settings that Flowfile ignores (`quote_char`, `ignore_errors`, `include_file_paths` of every type, …) count;
json is read as an array of records; a column that text and empty Excel cells share keeps its nulls.
"""

from __future__ import annotations

import glob
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import polars as pl
from polars.exceptions import PolarsError
from pydantic import Field, field_validator

from flowfile_dagster.columns.lineage import ColumnLineage
from flowfile_dagster.contract.context import BuildContext, PathResolver
from flowfile_dagster.contract.node_type import NO_INPUT, MaybeSchema, NodeType, Source, Trait
from flowfile_dagster.contract.settings import NodeSettings, SettingsBlock
from flowfile_dagster.errors import DataError, DuplicateColumnError, SettingsError, without_secrets
from flowfile_dagster.nodes._csv_scan import CsvSource, CsvTable, check_header, decoded_bytes, scan_delimited
from flowfile_dagster.nodes._excel_reader import ExcelTable, read_excel
from flowfile_dagster.nodes._file_paths import (
    check_file,
    files_below,
    files_pattern,
    has_pattern,
    is_foreign_address,
    is_url,
    matching_files,
    resolve_pattern,
    with_name,
)
from flowfile_dagster.nodes._file_tables import FileTableOwner

#: The extension of each type that a folder can be read as.
_FOLDER_EXTENSIONS = {"csv": "csv", "parquet": "parquet", "ipc": "arrow"}
#: The types that Polars fetches over HTTP.
_URL_TYPES = frozenset({"csv", "parquet", "ndjson", "ipc"})
_COLUMNAR_TYPES = frozenset({"parquet", "ipc"})
_LAZY_TYPES = frozenset({"csv", "parquet", "ipc", "ndjson"})
#: Types of columns by which Polars' parquet reader panics when it filters.
_UNFILTERED = (pl.Int128, pl.UInt128, pl.Null)
#: csv keys that a json file has a use for, or that say nothing about the data.
_JSON_KEYS = frozenset({"file_type", "encoding", "infer_schema_length", "ignore_errors", "row_delimiter"})


class PlainTable(SettingsBlock):
    """A type without settings of its own."""

    file_type: Literal["parquet", "ipc", "ndjson", "avro", "ipc_stream"]


class ReceivedFile(FileTableOwner):
    """What is read, and as what."""

    path: str
    name: str | None = None
    file_type: Literal["csv", "json", "parquet", "excel", "ipc", "ndjson", "avro", "ipc_stream"]
    scan_mode: Literal["single_file", "directory"] = "single_file"
    include_file_paths: str | None = None
    table_settings: Annotated[CsvTable | ExcelTable | PlainTable, Field(discriminator="file_type")]

    @field_validator("include_file_paths", mode="before")
    @classmethod
    def _blank_is_none(cls, given: Any) -> Any:
        return (given.strip() or None) if isinstance(given, str) else given

    @property
    def has_utf8_text(self) -> bool:
        """Whether Polars can decode the file itself."""
        return not isinstance(self.table_settings, CsvTable) or self.table_settings.is_utf8


class ReadSettings(NodeSettings):
    """Settings of `Read`."""

    received_file: ReceivedFile


@dataclass(frozen=True)
class Located:
    """The files behind a path: their name in messages and in the graph, themselves, what Polars scans, their glob."""

    uri: str
    files: tuple[Path, ...]
    scanned: list[str] | str
    is_folder: bool = False
    pattern: str | None = None


class Read(NodeType[ReadSettings]):
    """Read files."""

    type = "read"
    Settings = ReadSettings
    ports = NO_INPUT
    traits = frozenset({Trait.SOURCE})

    def traits_of(self, settings: ReadSettings) -> frozenset[Trait]:
        file = settings.received_file
        traits = set(self.traits)
        if is_url(file.path):
            traits.add(Trait.VOLATILE)
        if file.file_type in _COLUMNAR_TYPES:
            traits.add(Trait.NARROW)
        elif file.file_type not in _LAZY_TYPES or not file.has_utf8_text:
            traits.add(Trait.BARRIER)
        return frozenset(traits)

    def identity(self, settings: ReadSettings) -> dict[str, Any]:
        """Without the path, for the source fingerprint says what is read."""
        file = settings.received_file
        identity = super().identity(settings)
        if not is_url(file.path):
            del identity["received_file"]["path"], identity["received_file"]["name"]
        return identity

    def check(self, settings: ReadSettings) -> None:
        file, field = settings.received_file, "received_file"
        if file.table_settings.file_type != file.file_type:
            raise SettingsError(
                f"{field}.table_settings.file_type",
                f"it is {file.table_settings.file_type!r}, but file_type is {file.file_type!r}",
            )
        if not file.path:
            raise SettingsError(f"{field}.path", "no file is chosen")
        _check_address(file)
        if file.scan_mode == "directory" and (file.file_type not in _FOLDER_EXTENSIONS or not file.has_utf8_text):
            raise SettingsError(
                f"{field}.scan_mode", "a folder can be read as csv in a UTF-8 encoding, as parquet and as ipc only"
            )
        if isinstance(file.table_settings, CsvTable):
            file.table_settings.check(f"{field}.table_settings")
            if file.file_type == "json":
                _check_json(file.table_settings)

    def build(self, settings: ReadSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> pl.LazyFrame:
        self.check(settings)
        file = settings.received_file
        located = _locate(file, context)
        _check_existence(file, located)
        if file.file_type in _LAZY_TYPES:
            return _scan(file, located, context)
        return _with_path(_read_eagerly(file, located.files[0], context).lazy(), file, located.files[0])

    def lineage(self, settings: ReadSettings, inputs: Sequence[pl.Schema], output: pl.Schema) -> ColumnLineage | None:
        return dict.fromkeys(output, ())

    def predict(
        self, settings: ReadSettings, inputs: Sequence[MaybeSchema], context: BuildContext
    ) -> Mapping[str, MaybeSchema]:
        """Opaque for a URL: loading a flow works without a network."""
        if is_url(settings.received_file.path):
            return {"output-0": None}
        return super().predict(settings, inputs, context)

    def sources(self, settings: ReadSettings, paths: PathResolver) -> tuple[Source, ...]:
        located = _locate(settings.received_file, paths)
        shows_paths = settings.received_file.include_file_paths is not None
        return (Source(located.uri, located.files, shows_paths=shows_paths, pattern=located.pattern),)


def _check_address(file: ReceivedFile) -> None:
    field = "received_file.path"
    if is_foreign_address(file.path):
        raise SettingsError(
            field, f"{file.path!r} is not a local file: use a cloud storage reader, or copy the file to a local path"
        )
    if not is_url(file.path):
        return
    if file.scan_mode == "directory":
        raise SettingsError(field, "a URL cannot be read as a folder")
    if file.file_type not in _URL_TYPES or not file.has_utf8_text:
        raise SettingsError(field, "a URL can be read as csv in a UTF-8 encoding, parquet, ipc and ndjson only")


def _check_json(table: CsvTable) -> None:
    for key, field in CsvTable.model_fields.items():
        if key not in _JSON_KEYS and getattr(table, key) != field.default:
            raise SettingsError(f"received_file.table_settings.{key}", "it has no meaning for json; remove it")


def _locate(file: ReceivedFile, paths: PathResolver) -> Located:
    if is_url(file.path):
        return Located(without_secrets(file.path), (), file.path)
    if file.scan_mode == "directory":
        return _located_set(resolve_pattern(file.path, paths), _FOLDER_EXTENSIONS[file.file_type])
    path = paths.resolve_path(with_name(file.path, file.name))
    if path.is_dir() and file.file_type in _LAZY_TYPES:
        pattern = str(Path(glob.escape(str(path)), "**", "*"))
        return Located(str(path), files_below(path), str(path), is_folder=True, pattern=pattern)
    if file.file_type == "ipc" and has_pattern(path.name) and not path.exists():
        return _located_set(path, "arrow")
    return Located(str(path), (path,), [str(path)])


def _located_set(path: Path, extension: str) -> Located:
    pattern = files_pattern(path, extension)
    files = matching_files(path, pattern)
    return Located(str(path), files, [str(found) for found in files], pattern=pattern)


def _check_existence(file: ReceivedFile, located: Located) -> None:
    if is_url(file.path):
        return
    if not located.files:
        raise DataError(f"received_file.path: no files match {located.uri} (from {file.path!r})")
    for path in located.files:
        try:
            check_file(path)
        except DataError as error:
            raise DataError(f"received_file.path: {error}") from error


def _scan(file: ReceivedFile, located: Located, context: BuildContext) -> pl.LazyFrame:
    options: dict[str, Any] = {"glob": located.is_folder}
    if file.include_file_paths:
        options["include_file_paths"] = file.include_file_paths
    if isinstance(file.table_settings, CsvTable):
        return _scan_text(file, file.table_settings, located, context)
    if file.file_type == "ndjson":
        return _scan_ndjson(file, located)
    scan = _scan_parquet if file.file_type == "parquet" else pl.scan_ipc
    if len(located.files) > 1 and not located.is_folder:
        _check_same_columns([scan(str(path), glob=False).collect_schema() for path in located.files], located)
    return scan(located.scanned, **options)


def _scan_parquet(source: str | list[str], **options: Any) -> pl.LazyFrame:
    """A scan whose reader does not filter by the types that it panics on, 128-bit integers and times in milliseconds.

    On Polars 1.39 it fails on Null, too. Columns of these types are computed, to the values they have: what is computed
    is not filtered by while it is read.
    """
    frame = pl.scan_parquet(source, **options)
    types = set(frame.collect_schema().dtypes())
    if types.isdisjoint((*_UNFILTERED, pl.Time)):
        return frame
    return frame.with_columns(pl.col(*_UNFILTERED).to_physical(), pl.col(pl.Time).to_physical().cast(pl.Time))


def _scan_text(file: ReceivedFile, table: CsvTable, located: Located, context: BuildContext) -> pl.LazyFrame:
    if table.is_utf8:
        for path in located.files:
            check_header(table, path)
        source = CsvSource(located.scanned, located.uri, file.include_file_paths, located.is_folder)
        return scan_delimited(table, source, context)
    (path,) = located.files
    content = decoded_bytes(path, table.encoding, is_lossy=table.ignore_errors)
    return _with_path(scan_delimited(table, CsvSource(content, located.uri), context), file, path)


def _scan_ndjson(file: ReceivedFile, located: Located) -> pl.LazyFrame:
    """All rows count for the types: Polars drops keys, and fails on types, that its first rows do not show."""
    path = located.scanned if isinstance(located.scanned, str) else glob.escape(located.uri)
    return pl.scan_ndjson(path, infer_schema_length=None, include_file_paths=file.include_file_paths)


def _read_eagerly(file: ReceivedFile, path: Path, context: BuildContext) -> pl.DataFrame:
    rows = 0 if context.is_prediction else None
    table = file.table_settings
    try:
        if isinstance(table, ExcelTable):
            return read_excel(path, table)
        if isinstance(table, CsvTable):
            content = decoded_bytes(path, table.encoding, is_lossy=table.ignore_errors)
            return pl.read_json(io.BytesIO(content), infer_schema_length=None)
        if table.file_type == "avro":
            return pl.read_avro(path, n_rows=rows)
        return pl.read_ipc_stream(path, n_rows=rows)
    except PolarsError as error:
        cause = str(error).strip().partition("\n")[0]
        raise DataError(f"{path}: cannot be read as {file.file_type}: {cause}") from error


def _with_path(frame: pl.LazyFrame, file: ReceivedFile, path: Path) -> pl.LazyFrame:
    name = file.include_file_paths
    if not name:
        return frame
    if name in frame.collect_schema():
        raise DuplicateColumnError(name, "include_file_paths")
    return frame.with_columns(pl.lit(str(path)).alias(name))


def _check_same_columns(schemas: Sequence[pl.Schema], located: Located) -> None:
    """Raise where the files of a folder do not fit together: Polars notices only when it reads the rows."""
    first = schemas[0]
    for path, schema in zip(located.files, schemas):
        if set(schema) != set(first):
            raise DataError(
                f"{path} has the columns {sorted(schema)}, but {located.files[0]} has {sorted(first)}: "
                "all files of a folder must have the same columns"
            )
        for name, dtype in schema.items():
            if _comparable(dtype) != _comparable(first[name]):
                raise DataError(
                    f"{path}: column {name!r} is {dtype}, but in {located.files[0]} it is {first[name]}: "
                    "all files of a folder must have the same types"
                )


def _comparable(dtype: Any) -> Any:
    """The dtype without what Polars levels by itself: the order of struct fields, and time zones."""
    if isinstance(dtype, pl.Struct):
        return pl.Struct(
            {field.name: _comparable(field.dtype) for field in sorted(dtype.fields, key=lambda field: field.name)}
        )
    if isinstance(dtype, pl.List):
        return pl.List(_comparable(dtype.inner))
    if isinstance(dtype, pl.Array):
        return pl.Array(_comparable(dtype.inner), dtype.size)
    return pl.Datetime(dtype.time_unit) if isinstance(dtype, pl.Datetime) else dtype
