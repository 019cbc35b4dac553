"""A store on an object store that fsspec reaches: ``s3://``, ``gs://``, ``az://`` and others.

An object is put as a whole, so the PUT of the manifest is the commit. Results are read from copies on this machine,
whose content hash is checked when they arrive: what reads them needs no credentials and knows no object store.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from math import inf
from pathlib import Path
from typing import Any

import polars as pl

from flowfile_dagster.errors import MissingExtraError, StoreError
from flowfile_dagster.store.blobs import BLOBS, LocalBlobs, blob_name
from flowfile_dagster.store.digest import hash_result
from flowfile_dagster.store.files import FileFacts
from flowfile_dagster.store.fingerprints import VERIFIED
from flowfile_dagster.store.index import DamageError, StoredTable
from flowfile_dagster.store.local_files import make_folder, read_json, temporary_name, user_cache, write_json

#: An object that was modified less than this ago needs no touch, which is a PUT (seconds).
_FRESH = 600.0

#: Copies that nothing has read for this long make room for others (seconds).
_COPY_LIFETIME = 86_400.0

#: The extra of this package that brings what fsspec needs for a scheme.
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az", "adl": "az"}


def is_url(location: str) -> bool:
    """Whether a location is an object store rather than a folder."""
    return "://" in location


def copies_folder(url: str) -> Path:
    """Where the copies of an object store's results are on this machine."""
    return user_cache() / "copies" / hashlib.sha256(url.encode()).hexdigest()[:16]


class ObjectFolder:
    """The `StoreFiles` of a prefix in an object store.

    Credentials come from where the library behind the URL looks for them (environment, instance profile) or from
    `options`; they have no place in the URL.

    Raises:
        StoreError: the URL holds credentials, or its scheme is unknown.
        MissingExtraError: the library for its scheme is not installed.
    """

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        self._url = url.rstrip("/")
        scheme, _, rest = url.partition("://")
        bucket = rest.partition("/")[0]
        if not rest.strip("/"):
            raise StoreError(url, f"names no bucket; write {scheme}://bucket/prefix")
        is_secret = "@" in bucket or (":" in bucket and "@" in rest)
        if is_secret and scheme not in ("abfs", "abfss"):
            raise StoreError(f"{scheme}://…", "take the credentials out of the URL: use the environment or a resource")
        self._files, self._root = _open(self._url, scheme, options or {})

    @property
    def location(self) -> str:
        """The URL."""
        return self._url

    def read(self, name: str) -> bytes | None:
        """See `StoreFiles.read`."""
        with self._failures(name, "read"):
            try:
                return bytes(self._files.cat_file(self._path(name)))
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        """See `StoreFiles.write`."""
        with self._failures(name, "written"):
            self._files.pipe_file(self._path(name), content)

    def touch(self, name: str) -> bool:
        """See `StoreFiles.touch`. There is no other way than to put the object again."""
        facts = self.facts(name)
        if facts is not None and time.time() - facts.modified > _FRESH:
            content = self.read(name)
            if content is not None:
                with suppress(StoreError):
                    self.write(name, content)
        return facts is not None

    def list_files(self, folder: str) -> Iterator[tuple[str, FileFacts]]:
        """See `StoreFiles.list_files`."""
        with self._failures(folder, "listed"):
            try:
                found = self._files.find(self._path(folder), detail=True)
            except FileNotFoundError:
                return
        for path, info in sorted(found.items()):
            yield path[path.index(self._root) + len(self._root) + 1 :], _facts(info)

    def remove(self, name: str, unless_modified_after: float) -> bool:
        """See `StoreFiles.remove`."""
        facts = self.facts(name)
        if facts is None or facts.modified > unless_modified_after:
            return False
        with self._failures(name, "removed"):
            self._files.rm_file(self._path(name))
        return True

    def facts(self, name: str) -> FileFacts | None:
        """Size and time of an object; None where there is none."""
        with self._failures(name, "looked at"):
            try:
                return _facts(self._files.info(self._path(name)))
            except FileNotFoundError:
                return None

    def upload(self, name: str, file: str) -> None:
        """Put a file in place as a whole.

        Raises:
            StoreError: it cannot be written.
        """
        with self._failures(name, "written"):
            self._files.put_file(file, self._path(name))

    def download(self, name: str, file: str) -> None:
        """Copy an object into a file.

        Raises:
            StoreError: it cannot be read.
        """
        with self._failures(name, "read"):
            self._files.get_file(self._path(name), file)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _failures(self, name: str, what: str) -> Iterator[None]:
        """Every library has errors of its own; their first line says enough."""
        try:
            yield
        except StoreError:
            raise
        except Exception as error:
            raise StoreError(f"{self._url}/{name}", f"cannot be {what}: {_first_line(error)}") from error


class CopiedBlobs:
    """The data files of an object store, each with a copy on this machine as soon as it is read or written here."""

    def __init__(self, remote: ObjectFolder, copies: Path, *, is_read_only: bool = False) -> None:
        self._remote = remote
        self._is_read_only = is_read_only
        self._base = copies
        self._copies = LocalBlobs(copies, copies / VERIFIED)
        self._has_room = False

    def write(self, table: pl.DataFrame) -> StoredTable:
        """See `Blobs.write`."""
        self._make_room()
        with self._copies.staged(table) as (temporary, stored):
            self._remote.upload(blob_name(stored.content_hash), temporary)
            self._copies.keep(temporary, stored)
        return stored

    def check(self, table: StoredTable, *, anew: bool = False) -> bool:
        """See `Blobs.check`. The content is checked when it is copied here."""
        facts = self._remote.facts(blob_name(table.content_hash))
        if facts is not None and facts.size != table.bytes:
            raise DamageError(f"it has {facts.size:,} bytes instead of {table.bytes:,}")
        if facts is not None and read_json(self._note(table)) == {"modified": facts.modified}:
            raise DamageError("its content hash differs")
        return facts is not None

    def is_at_hand(self, table: StoredTable) -> bool:
        """See `Blobs.is_at_hand`."""
        try:
            return self._copies.check(table)
        except DamageError:
            return False

    def path(self, table: StoredTable) -> Path:
        """See `Blobs.path`. An object with other content counts as damaged from then on."""
        with suppress(DamageError):
            if self._copies.check(table):
                return self._copies.path(table)
        name = blob_name(table.content_hash)
        self._make_room()
        folder = str(self._base / BLOBS)
        make_folder(folder)
        temporary = temporary_name(folder)
        try:
            self._remote.download(name, temporary)
            if hash_result(Path(temporary)) != (table.content_hash, table.bytes):
                self._condemn(name, table)
                raise StoreError(f"{self._remote.location}/{name}", "its content hash differs; run again to compute it")
            self._copies.keep(temporary, table)
        finally:
            Path(temporary).unlink(missing_ok=True)
        return self._copies.path(table)

    def _condemn(self, name: str, table: StoredTable) -> None:
        """Remove an object, for every machine to see; of a store that is only read, note here that it is damaged."""
        if not self._is_read_only:
            self._remote.remove(name, unless_modified_after=inf)
        elif facts := self._remote.facts(name):
            with suppress(OSError):
                write_json(self._note(table), {"modified": facts.modified})

    def _note(self, table: StoredTable) -> Path:
        return self._base / "damaged" / f"{table.content_hash}.json"

    def _make_room(self) -> None:
        """Remove copies that nobody used for long; once for an opened store, since every copy is looked at."""
        if self._has_room:
            return
        self._has_room = True
        for path in (self._base / BLOBS).rglob("*"):
            with suppress(OSError):
                state = path.stat()
                if path.is_file() and max(state.st_mtime, state.st_atime) < time.time() - _COPY_LIFETIME:
                    path.unlink()


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _open(url: str, scheme: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs

        files, root = url_to_fs(url, use_listings_cache=False, **options)
    except Exception as error:
        if isinstance(error, ImportError) and scheme in _EXTRAS:
            raise MissingExtraError(f"a store at {scheme}://", _EXTRAS[scheme]) from None
        raise StoreError(url, f"no object store that can be used: {_first_line(error)}") from error
    if "file" in files.protocol:
        raise StoreError(url, "no object store: a folder is named by its path, without file://")
    return files, str(root).rstrip("/")


def _facts(info: Mapping[str, Any]) -> FileFacts:
    modified = next(
        (info[key] for key in ("LastModified", "last_modified", "updated", "mtime", "created") if info.get(key)), None
    )
    if isinstance(modified, str):
        modified = datetime.fromisoformat(modified.replace("Z", "+00:00"))
    if isinstance(modified, datetime):
        modified = modified.replace(tzinfo=modified.tzinfo or timezone.utc).timestamp()
    return FileFacts(int(info["size"]), float(modified or time.time()))
