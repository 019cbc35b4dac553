"""Content hash to Arrow IPC file: immutable, published by replace, never overwritten while it is whole."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import polars as pl

from flowfile_dagster.errors import DataError

_CHUNK = 1 << 20


@contextmanager
def published_by_replace(path: Path) -> Iterator[Path]:
    """A unique temporary name beside `path`; what is written there replaces `path` if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{uuid4().hex}.tmp"
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_table(folder: Path, table: pl.DataFrame) -> tuple[str, int]:
    """Write a table into the blob folder; gives its content hash (sha256 of the file) and size in bytes.

    Raises:
        DataError: a column holds Python objects, which Arrow cannot store.
    """
    for name, dtype in table.schema.items():
        if dtype == pl.Object:
            raise DataError(f"column {name!r} holds Python objects, which cannot be stored; give it a Polars type")
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{uuid4().hex}.tmp"
    try:
        table.write_ipc(temporary, compression="uncompressed")
        content_hash, size = hash_file(temporary)
        path = blob_path(folder, content_hash)
        if not _has_size(path, size):
            path.parent.mkdir(exist_ok=True)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return content_hash, size


def _has_size(path: Path, size: int) -> bool:
    """Whether the file is there whole; one that was cut off is replaced by the same content."""
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def blob_path(folder: Path, content_hash: str) -> Path:
    """Where a content hash lives."""
    return folder / content_hash[:2] / f"{content_hash}.arrow"


def hash_file(path: Path) -> tuple[str, int]:
    """sha256 (hex) and size in bytes of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size
