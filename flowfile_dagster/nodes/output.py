"""Write the input to a file and deliver it unchanged.

Kept: csv has every field in quotes and always a header; the folder must exist; the name is not appended to a folder
text that already contains it; `fields` is ignored; `new file` replaces.
Not kept: `append` really appends, for every type; `create` fails on an existing file; `encoding` counts; a mode that
the file type does not have is an error; an absolute folder from a parameter is used as it is. The old file stays
until the new one is complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath, PureWindowsPath
from typing import Annotated, Literal, TypeAlias

import polars as pl
from pydantic import Field

from flowfile_dagster.columns.lineage import ColumnLineage, identity_lineage
from flowfile_dagster.contract.context import BuildContext, PathResolver
from flowfile_dagster.contract.node_type import NodeType, Target, Trait
from flowfile_dagster.contract.settings import NodeSettings, SettingsBlock
from flowfile_dagster.errors import DataError, SettingsError
from flowfile_dagster.nodes._csv_scan import UTF8_NAMES, check_encoding
from flowfile_dagster.nodes._excel_writer import append_to_sheet, update_sheet, write_workbook
from flowfile_dagster.nodes._file_paths import check_file, is_foreign_address, is_url, with_name
from flowfile_dagster.nodes._file_tables import FileTableOwner
from flowfile_dagster.nodes._file_writer import (
    locked_folder,
    write_avro,
    write_csv,
    write_ipc,
    write_ndjson,
    write_parquet,
)
from flowfile_dagster.nodes._optional import require_library

_MODES = {"overwrite": "overwrite", "new file": "overwrite", "create": "create", "append": "append", "update": "update"}


class OutputCsv(SettingsBlock):
    """How csv is written."""

    file_type: Literal["csv"] = "csv"
    delimiter: str = ","
    encoding: str = "utf-8"

    @property
    def codec(self) -> str:
        """The encoding as Python names it."""
        return "utf8" if self.encoding.lower() in UTF8_NAMES else self.encoding


class OutputParquet(SettingsBlock):
    """How parquet is written."""

    file_type: Literal["parquet"] = "parquet"
    compression: Literal["lz4", "uncompressed", "snappy", "gzip", "brotli", "zstd"] = "zstd"


class OutputExcel(SettingsBlock):
    """Which sheet is written."""

    file_type: Literal["excel"] = "excel"
    sheet_name: str = "Sheet1"


class OutputIpc(SettingsBlock):
    """How an Arrow file is written."""

    file_type: Literal["ipc"] = "ipc"
    compression: Literal["uncompressed", "lz4", "zstd"] = "uncompressed"


class OutputNdjson(SettingsBlock):
    """How JSON lines are written."""

    file_type: Literal["ndjson"] = "ndjson"
    compression: Literal["uncompressed", "gzip", "zstd"] = "uncompressed"


class OutputAvro(SettingsBlock):
    """How Avro is written."""

    file_type: Literal["avro"] = "avro"
    compression: Literal["uncompressed", "snappy", "deflate"] = "uncompressed"


OutputTable: TypeAlias = Annotated[
    OutputCsv | OutputParquet | OutputExcel | OutputIpc | OutputNdjson | OutputAvro, Field(discriminator="file_type")
]


class OutputFile(FileTableOwner):
    """What is written, where and how."""

    name: str
    directory: str
    file_type: str
    write_mode: str = "overwrite"
    table_settings: OutputTable

    @property
    def mode(self) -> str:
        """The write mode; old names are read as what they always meant."""
        return _MODES.get(self.write_mode, self.write_mode)


class OutputSettings(NodeSettings):
    """Settings of `Output`."""

    output_settings: OutputFile


class Output(NodeType[OutputSettings]):
    """Write a file."""

    type = "output"
    Settings = OutputSettings
    traits = frozenset({Trait.SINK, Trait.PASSTHROUGH})

    def traits_of(self, settings: OutputSettings) -> frozenset[Trait]:
        is_locking = settings.output_settings.mode != "overwrite"
        return self.traits | {Trait.EXCLUSIVE} if is_locking else self.traits

    def check(self, settings: OutputSettings) -> None:
        file, field = settings.output_settings, "output_settings"
        table = file.table_settings
        if table.file_type != file.file_type:
            raise SettingsError(
                f"{field}.table_settings.file_type", f"it is {table.file_type!r}, but file_type is {file.file_type!r}"
            )
        if not file.name and not file.directory:
            raise SettingsError(f"{field}.name", "no file is named")
        if is_url(file.directory) or is_foreign_address(file.directory):
            raise SettingsError(f"{field}.directory", f"{file.directory!r} is not a local folder")
        if file.write_mode not in _MODES:
            cause = f"{file.write_mode!r} is not a write mode; it must be one of {', '.join(_MODES)}"
            raise SettingsError(f"{field}.write_mode", cause)
        if file.mode == "update" and file.file_type != "excel":
            raise SettingsError(
                f"{field}.write_mode", f"{file.file_type} has no sheets to update; use overwrite or append"
            )
        if isinstance(table, OutputCsv):
            if len(table.delimiter.encode()) != 1:
                raise SettingsError(f"{field}.table_settings.delimiter", "it must be exactly one ASCII character")
            check_encoding(table.encoding, f"{field}.table_settings.encoding")

    def build(self, settings: OutputSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> pl.LazyFrame:
        (frame,) = frames
        if settings.output_settings.file_type == "excel":
            require_library("xlsxwriter", "writing Excel files", "excel")
        return frame

    def lineage(self, settings: OutputSettings, inputs: Sequence[pl.Schema], output: pl.Schema) -> ColumnLineage | None:
        return identity_lineage(output)

    def target(self, settings: OutputSettings, paths: PathResolver) -> Target:
        file = settings.output_settings
        text = with_name(file.directory, file.name)
        path = (paths.resolve_path(str(PurePath(text).parent)) / PurePath(text).name).resolve()
        if text == file.directory and file.name and path.is_dir():
            path = path / PureWindowsPath(file.name).name
        if file.file_type == "excel" and not path.suffix:
            path = path.with_suffix(".xlsx")
        return Target(path, is_repeatable=file.mode != "append")

    def write(self, settings: OutputSettings, frame: pl.LazyFrame, context: BuildContext) -> int:
        self.check(settings)
        file = settings.output_settings
        path = self.target(settings, context).path
        if not path.parent.is_dir():
            raise DataError(f"output_settings.directory: the folder {path.parent} does not exist")
        if path.exists():
            check_file(path)  # a file takes the place of what stands there
        if file.mode == "overwrite":
            return _write(file, frame, path, context)
        with locked_folder(path):
            if file.mode == "create" and path.exists():
                raise DataError(f"output_settings.write_mode: {path} already exists, and the mode is create")
            return _write(file, frame, path, context)


def _write(file: OutputFile, frame: pl.LazyFrame, path: Path, context: BuildContext) -> int:
    """Gives the number of rows that were written."""
    keeps_rows = file.mode == "append"
    table = file.table_settings
    if isinstance(table, OutputCsv):
        return write_csv(frame, path, context, delimiter=table.delimiter, encoding=table.codec, keeps_rows=keeps_rows)
    if isinstance(table, OutputParquet):
        return write_parquet(frame, path, context, compression=table.compression, keeps_rows=keeps_rows)
    if isinstance(table, OutputIpc):
        return write_ipc(frame, path, context, compression=table.compression, keeps_rows=keeps_rows)
    if isinstance(table, OutputNdjson):
        return write_ndjson(frame, path, context, compression=table.compression, keeps_rows=keeps_rows)
    if isinstance(table, OutputAvro):
        return write_avro(frame, path, context, compression=table.compression, keeps_rows=keeps_rows)
    rows = context.collect(frame)
    _write_excel(file, table.sheet_name or "Sheet1", rows, path)
    return rows.height


def _write_excel(file: OutputFile, sheet_name: str, table: pl.DataFrame, path: Path) -> None:
    if file.mode in ("append", "update") and path.exists():
        (append_to_sheet if file.mode == "append" else update_sheet)(table, path, sheet_name)
    else:
        write_workbook(table, path, sheet_name)
