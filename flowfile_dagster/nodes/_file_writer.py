"""Write a frame to a file so that the old file stays whole until the new one is complete. Gives the number of rows."""

from __future__ import annotations

import csv
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, TextIO
from uuid import uuid4

import polars as pl
from polars.exceptions import PolarsError

from flowfile_dagster.columns.difference import explain_difference
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.errors import DataError, SettingsError

_SCRATCH_FOLDER = re.compile(r"\.[0-9a-f]{32}\.tmp")
#: A network file system may not tell one machine of another's locks: a writer there shows by its age only (seconds).
_GRACE = 86_400

_MAGIC_BYTES = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}


@contextmanager
def scratch_file(target: Path) -> Iterator[Path]:
    """A new name beside `target`; whatever stands there at the end is removed.

    It has a folder of its own: a Polars sink that fails may open its file after it has told the failure. It is renamed
    before it is removed, so that no file comes into it meanwhile.

    Raises:
        DataError: there can be no new file beside `target`.
    """
    folder = target.with_name(f".{uuid4().hex}.tmp")
    try:
        folder.mkdir()
    except OSError as error:
        raise DataError(f"nothing can be written into the folder {target.parent}: {error.strerror}") from error
    scratch = folder / "new"
    try:
        with locked_folder(scratch):
            yield scratch
    finally:
        with suppress(OSError):
            folder = folder.rename(folder.with_name(f".{uuid4().hex}.tmp"))
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def replacement_of(target: Path) -> Iterator[Path]:
    """A scratch file that takes the place of `target` if the block succeeds."""
    _remove_leftovers(target.parent)
    with scratch_file(target) as scratch:
        yield scratch
        if target.exists():
            shutil.copymode(target, scratch)
        os.replace(scratch, target)  # noqa: PTH105


@contextmanager
def locked_folder(target: Path) -> Iterator[None]:
    """Let one writer at a time into the folder of `target`, where the system can lock a folder."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_leftovers(folder: Path) -> None:
    """Remove the scratch folders of killed writers: old ones whose lock nobody holds, with nothing else in them."""
    try:
        import fcntl
    except ImportError:
        return
    for found in folder.glob(".*.tmp"):
        with suppress(OSError):
            if _SCRATCH_FOLDER.fullmatch(found.name) and found.stat().st_mtime < time.time() - _GRACE:
                descriptor = os.open(found, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    (found / "new").unlink(missing_ok=True)
                    found.rmdir()
                finally:
                    os.close(descriptor)


def write_csv(
    frame: pl.LazyFrame, path: Path, context: BuildContext, *, delimiter: str, encoding: str, keeps_rows: bool
) -> int:
    """Every field in quotes; new rows go after those of an existing file, without a second header.

    Raises:
        DataError: for nested columns, text that the encoding does not have, or another header in the file.
    """
    schema = frame.collect_schema()
    nested = [name for name, dtype in schema.items() if dtype.is_nested()]
    if nested:
        raise DataError(f"column {nested[0]!r} is {schema[nested[0]]}: csv has no form for nested values")
    is_continued = keeps_rows and path.exists() and path.stat().st_size > 0
    if is_continued:
        _check_header(path, list(schema), delimiter, encoding)
    with replacement_of(path) as scratch:
        if encoding == "utf8" and not is_continued:
            return _sink_csv(frame, scratch, context, delimiter, has_header=True)
        with scratch_file(path) as rows:
            count = _sink_csv(frame, rows, context, delimiter, has_header=not is_continued)
            _join_text(path if is_continued else None, rows, scratch, encoding)
            return count


def write_ndjson(
    frame: pl.LazyFrame,
    path: Path,
    context: BuildContext,
    *,
    compression: Literal["uncompressed", "gzip", "zstd"],
    keeps_rows: bool,
) -> int:
    """One object per line, appended to the lines of an existing file."""
    is_continued = keeps_rows and path.exists() and path.stat().st_size > 0
    if is_continued:
        _check_ndjson(path, list(frame.collect_schema()), compression)
    with replacement_of(path) as scratch:
        if not is_continued:
            return _sink_ndjson(frame, scratch, context, compression)
        shutil.copyfile(path, scratch)
        with scratch_file(path) as rows:
            count = _sink_ndjson(frame, rows, context, compression)
            with rows.open("rb") as new, scratch.open("r+b") as old:
                old.seek(-1, os.SEEK_END)
                if compression == "uncompressed" and old.read(1) != b"\n":
                    old.write(b"\n")
                old.seek(0, os.SEEK_END)
                shutil.copyfileobj(new, old)
            return count


def write_parquet(
    frame: pl.LazyFrame,
    path: Path,
    context: BuildContext,
    *,
    compression: Literal["lz4", "uncompressed", "snappy", "gzip", "brotli", "zstd"],
    keeps_rows: bool,
) -> int:
    """A parquet file; the rows of an existing one come first."""
    whole = _after(pl.scan_parquet(path, glob=False), frame, path) if keeps_rows and path.exists() else frame
    with replacement_of(path) as scratch:
        return context.sink(whole, lambda rows: rows.sink_parquet(scratch, compression=compression, lazy=True))


def write_ipc(
    frame: pl.LazyFrame,
    path: Path,
    context: BuildContext,
    *,
    compression: Literal["uncompressed", "lz4", "zstd"],
    keeps_rows: bool,
) -> int:
    """An Arrow file; the rows of an existing one come first."""
    whole = _after(pl.scan_ipc(path, glob=False), frame, path) if keeps_rows and path.exists() else frame
    with replacement_of(path) as scratch:
        return context.sink(whole, lambda rows: rows.sink_ipc(scratch, compression=compression, lazy=True))


def write_avro(
    frame: pl.LazyFrame,
    path: Path,
    context: BuildContext,
    *,
    compression: Literal["uncompressed", "snappy", "deflate"],
    keeps_rows: bool,
) -> int:
    """An Avro file; the rows of an existing one come first.

    Always of one chunk: Polars cannot read the file that it writes from several.
    """
    with replacement_of(path) as scratch:
        rows = context.collect(frame)
        rows.rechunk().write_avro(scratch, compression=compression)
        if keeps_rows and path.exists():
            new = pl.read_avro(scratch)
            whole = context.collect(_after(pl.read_avro(path).lazy(), new.lazy(), path))
            whole.rechunk().write_avro(scratch, compression=compression)
        return rows.height


def _after(old: pl.LazyFrame, new: pl.LazyFrame, path: Path) -> pl.LazyFrame:
    try:
        difference = explain_difference(old.collect_schema(), new.collect_schema())
    except PolarsError as error:
        raise DataError(f"{path}: cannot append, the file cannot be read: {error}") from error
    if difference:
        raise DataError(f"{path}: cannot append, the new rows do not have the columns of the file: {difference}")
    return pl.concat([old, new], how="vertical")


def _sink_csv(frame: pl.LazyFrame, path: Path, context: BuildContext, delimiter: str, *, has_header: bool) -> int:
    return context.sink(
        frame,
        lambda rows: rows.sink_csv(
            path, separator=delimiter, quote_style="always", include_header=has_header, lazy=True
        ),
    )


def _sink_ndjson(
    frame: pl.LazyFrame, path: Path, context: BuildContext, compression: Literal["uncompressed", "gzip", "zstd"]
) -> int:
    return context.sink(
        frame, lambda rows: rows.sink_ndjson(path, compression=compression, check_extension=False, lazy=True)
    )


def _check_header(path: Path, columns: list[str], delimiter: str, encoding: str) -> None:
    codec = "utf-8-sig" if encoding == "utf8" else encoding
    try:
        with path.open(encoding=codec, newline="") as lines:
            header = next(csv.reader(lines, delimiter=delimiter), [])
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: cannot append, the file is not text in the encoding {encoding}") from error
    if header != columns:
        raise DataError(f"{path}: cannot append, the file has the columns {header}, the new rows {columns}")


def _join_text(old: Path | None, rows: Path, target: Path, encoding: str) -> None:
    """Write the text of `old` and then that of `rows`, which is UTF-8, in another encoding."""
    with target.open("w", encoding=encoding, newline="") as out:
        if old is not None:
            with old.open(encoding=encoding, newline="") as text:
                if not _copy_text(text, out).endswith("\n"):
                    out.write("\n")
        with rows.open(encoding="utf8", newline="") as text:
            try:
                _copy_text(text, out)
            except UnicodeEncodeError as error:
                unknown = error.object[error.start : error.end]
                raise SettingsError(
                    "output_settings.table_settings.encoding",
                    f"{encoding!r} has no {unknown!r}; utf-8 has every character",
                ) from error


def _copy_text(text: TextIO, out: TextIO) -> str:
    """Copy all text and return its last piece."""
    last = ""
    while piece := text.read(1 << 20):
        out.write(last := piece)
    return last


def _check_ndjson(path: Path, columns: list[str], compression: str) -> None:
    with path.open("rb") as file:
        start = file.read(4)
    found = next((name for name, magic in _MAGIC_BYTES.items() if start.startswith(magic)), "uncompressed")
    if found != compression:
        raise DataError(f"{path}: cannot append, the compression of the file is {found}, of the new rows {compression}")
    with path.open("rb") as file:
        try:
            existing = list(pl.scan_ndjson(file, infer_schema_length=None).collect_schema())
        except PolarsError as error:
            raise DataError(f"{path}: cannot append, the file cannot be read: {error}") from error
    if set(existing) != set(columns):
        raise DataError(f"{path}: cannot append, the file has the keys {existing}, the new rows {columns}")
