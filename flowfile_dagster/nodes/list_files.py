"""One row per file of a folder.

Kept: folders come first, then names without regard to case, across the whole tree; the type filter never removes
folders; without `include_hidden` the contents of hidden folders are listed all the same; times are local and naive.
Not kept: a folder that cannot be read is an error instead of missing from the list, and Flowfile's limit to its
user-data folder does not apply. Equal names are ordered by path.
"""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
from pydantic import Field, field_validator, model_validator

from flowfile_dagster.columns.lineage import ColumnLineage
from flowfile_dagster.contract.context import BuildContext, PathResolver
from flowfile_dagster.contract.node_type import NO_INPUT, MaybeSchema, NodeType, Source, Trait
from flowfile_dagster.contract.settings import NodeSettings
from flowfile_dagster.errors import DataError, SettingsError
from flowfile_dagster.nodes._file_paths import MAX_ENTRIES, too_many_entries


class ListFilesSettings(NodeSettings):
    """Settings of `ListFiles`."""

    path: str = ""
    file_types: tuple[str, ...] = ()
    recursive: bool = False
    max_depth: int = Field(default=5, ge=1, le=50)
    include_hidden: bool = False
    include_files: bool = True
    include_directories: bool = False
    max_files: int | None = Field(default=None, ge=1)

    @field_validator("file_types", mode="before")
    @classmethod
    def _without_dots(cls, given: Any) -> Any:
        if given is None:
            return ()
        words = re.split(r"[,\s]+", given) if isinstance(given, str) else [str(word).strip() for word in given]
        return tuple(bare for word in words if (bare := word.lstrip(".").lower()))

    @model_validator(mode="after")
    def _lists_something(self) -> ListFilesSettings:
        if not self.include_files and not self.include_directories:
            raise ValueError("include_files or include_directories must be true")
        return self


class ListFiles(NodeType[ListFilesSettings]):
    """List a folder."""

    type = "list_files"
    Settings = ListFilesSettings
    ports = NO_INPUT
    traits = frozenset({Trait.SOURCE})
    schema: ClassVar[pl.Schema] = pl.Schema(
        {
            "file_name": pl.String(),
            "file_path": pl.String(),
            "directory": pl.String(),
            "relative_path": pl.String(),
            "file_type": pl.String(),
            "size_bytes": pl.Int64(),
            "last_modified": pl.Datetime("us"),
            "created_date": pl.Datetime("us"),
            "is_directory": pl.Boolean(),
        }
    )

    def check(self, settings: ListFilesSettings) -> None:
        if not settings.path:
            raise SettingsError("path", "no folder is chosen")

    def build(self, settings: ListFilesSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> pl.LazyFrame:
        self.check(settings)
        root = _root(settings, context)
        if not root.is_dir():
            raise DataError(f"path: there is no folder {root}")
        rows = [_row(entry, root) for entry in _entries(settings, root)]
        columns = [[row[i] for row in rows] for i in range(len(self.schema))]
        return pl.DataFrame(
            [pl.Series(name, cells, dtype=dtype) for (name, dtype), cells in zip(self.schema.items(), columns)]
        ).lazy()

    def predict(
        self, settings: ListFilesSettings, inputs: Sequence[MaybeSchema], context: BuildContext
    ) -> Mapping[str, MaybeSchema]:
        return {"output-0": self.schema}

    def lineage(
        self, settings: ListFilesSettings, inputs: Sequence[pl.Schema], output: pl.Schema
    ) -> ColumnLineage | None:
        return dict.fromkeys(output, ())

    def sources(self, settings: ListFilesSettings, paths: PathResolver) -> tuple[Source, ...]:
        if not settings.path:
            return ()
        root = _root(settings, paths)
        entries = _entries(settings, root) if root.is_dir() else []
        pattern = str(Path(glob.escape(str(root)), "**" if settings.recursive else "", "*"))
        choice = settings.model_dump_json(exclude={"path"})
        return (Source(str(root), tuple(entries), content=False, pattern=pattern, choice=choice),)


def _root(settings: ListFilesSettings, paths: PathResolver) -> Path:
    return paths.resolve_path(settings.path).resolve()


def _entries(settings: ListFilesSettings, root: Path) -> list[Path]:
    """What is listed, in order. A folder reached twice through links is walked once."""
    found: list[tuple[bool, str, str, Path]] = []
    walked: set[Path] = set()
    seen = 0
    pending = [(root, 0)]
    while pending:
        folder, depth = pending.pop(0)
        if (real := folder.resolve()) in walked:
            continue
        walked.add(real)
        children = _children(folder)
        seen += len(children)
        if seen > MAX_ENTRIES:
            raise too_many_entries(root)
        for entry in children:
            state = _state(entry)
            is_folder = _is_folder(state)
            if is_folder and settings.recursive and depth < settings.max_depth:
                pending.append((entry, depth + 1))
            if _is_wanted(settings, entry, state):
                found.append((not is_folder, entry.name.lower(), str(entry), entry))
    return [entry for *_, entry in sorted(found)][: settings.max_files]


def _children(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):  # deleted since it was listed
        return []
    except PermissionError as error:
        raise DataError(f"path: the folder {folder} cannot be read: {error.strerror}") from error


def _state(entry: Path) -> os.stat_result | None:
    """None for a link that leads nowhere, or what was deleted since it was listed."""
    try:
        return entry.stat()
    except OSError:
        return None


def _is_folder(state: os.stat_result | None) -> bool:
    return state is not None and stat.S_ISDIR(state.st_mode)


def _file_type(entry: Path, state: os.stat_result | None) -> str:
    return "" if state is None else entry.suffix[1:]


def _is_wanted(settings: ListFilesSettings, entry: Path, state: os.stat_result | None) -> bool:
    if entry.name.startswith(".") and not settings.include_hidden:
        return False
    if _is_folder(state):
        return settings.include_directories
    if not settings.include_files:
        return False
    return not settings.file_types or _file_type(entry, state).lower() in settings.file_types


def _row(entry: Path, root: Path) -> tuple[Any, ...]:
    """The values of `ListFiles.schema`; a link that leads nowhere has no type, size 0 and the times of the epoch."""
    state = _state(entry)
    size, modified, created = (0, 0.0, 0.0) if state is None else (state.st_size, state.st_mtime, state.st_ctime)
    return (
        entry.name,
        str(entry),
        str(entry.parent),
        str(entry.relative_to(root)),
        _file_type(entry, state),
        size,
        datetime.fromtimestamp(modified),
        datetime.fromtimestamp(created),
        _is_folder(state),
    )
