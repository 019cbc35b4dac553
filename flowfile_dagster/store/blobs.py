"""Content hash to Arrow IPC file: immutable, published by replace, never overwritten while it is whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import polars as pl

from flowfile_dagster.errors import DataError, StoreError
from flowfile_dagster.store.digest import hash_result, is_same_content, write_result
from flowfile_dagster.store.fingerprints import FingerprintMemory
from flowfile_dagster.store.index import DamageError, StoredTable
from flowfile_dagster.store.local_files import dropped_on_failure, make_folder, temporary_name

BLOBS = "data"

#: Reading so small a file costs less than remembering that it is whole (bytes).
_READ_AGAIN = 1 << 20
#: Only a larger one is remembered as soon as it is written: the first hit on another may as well read it (bytes).
_NOTED_AT_ONCE = 16 << 20


class Blobs(Protocol):
    """The data files of a store."""

    def write(self, table: pl.DataFrame) -> StoredTable:
        """Store a table.

        Raises:
            DataError: a column holds Python objects, which Arrow cannot store.
            StoreError: the file cannot be written; nothing is left of it.
        """

    def check(self, table: StoredTable, *, anew: bool = False) -> bool:
        """Whether the file of a table is there and whole; False where it is not there.

        `anew`: a file on this machine is read whatever is remembered of it.

        Raises:
            DamageError: it is there, and is not what was written.
        """

    def is_at_hand(self, table: StoredTable) -> bool:
        """Whether the file of a table is on this machine already."""

    def path(self, table: StoredTable) -> Path:
        """The file of a table on this machine.

        Raises:
            StoreError: it cannot be brought here.
        """


def blob_name(content_hash: str) -> str:
    """The file of a content hash within the store."""
    return f"{BLOBS}/{content_hash[:2]}/{content_hash}.arrow"


class LocalBlobs:
    """Data files below one local folder. A large file that was found whole is not read again until it changes."""

    def __init__(self, base: Path, fingerprints: Path) -> None:
        self._base = str(base)
        self._folder = str(base / BLOBS)
        self._memory = FingerprintMemory(fingerprints, lambda path: hash_result(path)[0])

    def is_at_hand(self, table: StoredTable) -> bool:
        """See `Blobs.is_at_hand`."""
        return True

    def path(self, table: StoredTable) -> Path:
        """See `Blobs.path`."""
        return Path(self._path(table))

    def _path(self, table: StoredTable) -> str:
        return f"{self._base}/{blob_name(table.content_hash)}"

    def check(self, table: StoredTable, *, anew: bool = False) -> bool:
        """See `Blobs.check`."""
        path = self.path(table)
        try:
            size = path.stat().st_size
            if size != table.bytes:
                raise DamageError(f"it has {size:,} bytes instead of {table.bytes:,}")
            if self._content_hash(path, size, anew) != table.content_hash:
                raise DamageError("its content hash differs")
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise StoreError(str(path), f"cannot be read: {error.strerror}") from error
        return True

    def _content_hash(self, path: Path, size: int, anew: bool) -> str:
        if size <= _READ_AGAIN:
            return hash_result(path)[0]
        return self._memory.hash_anew(path) if anew else self._memory.content_hash(path)

    def write(self, table: pl.DataFrame) -> StoredTable:
        """See `Blobs.write`."""
        with self.staged(table) as (temporary, stored):
            self.keep(temporary, stored)
        return stored

    @contextmanager
    def staged(self, table: pl.DataFrame) -> Iterator[tuple[str, StoredTable]]:
        """A table in a temporary file, which `keep` takes away; it is gone if the block fails."""
        schema = table.schema
        for name, dtype in schema.items():
            if isinstance(dtype, pl.Object):
                raise DataError(f"column {name!r} holds Python objects, which cannot be stored; give it a Polars type")
        temporary = temporary_name(self._folder)
        try:
            with dropped_on_failure(temporary):
                make_folder(self._folder)
                yield temporary, StoredTable(*write_result(table, temporary), table.height, schema)
        except OSError as error:
            cause = f"a result cannot be written: {error.strerror or error}"
            raise StoreError(error.filename2 or self._folder, cause) from error

    def keep(self, temporary: str, stored: StoredTable) -> None:
        """Put a finished file into place, or drop it and use the one that is there."""
        path = self._path(stored)
        if os.path.exists(path) and self._is_there(temporary, path, stored):
            # Collected as garbage just now, or another user's, whose times are not ours to set: ours takes its place.
            with suppress(FileNotFoundError, PermissionError):
                os.utime(path)  # tells garbage collection that it is in use
                self._note(path, stored)
                os.unlink(temporary)
                return
        try:
            os.replace(temporary, path)
        except FileNotFoundError:
            make_folder(os.path.dirname(path))
            os.replace(temporary, path)
        with suppress(FileNotFoundError):  # garbage collection looks at it just now, and puts it back
            self._note(path, stored)

    def _note(self, path: str, stored: StoredTable) -> None:
        if stored.bytes > _NOTED_AT_ONCE:
            self._memory.settle(Path(path), stored.content_hash)

    def _is_there(self, temporary: str, path: str, stored: StoredTable) -> bool:
        try:
            if not self.check(stored):
                return False
        except DamageError:
            return False
        if not is_same_content(temporary, path):
            raise StoreError(path, "another result with the same content hash is stored; remove it and run again")
        return True
