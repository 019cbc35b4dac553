"""The result store: content-addressed Arrow files, like git. Knows hashes, text keys and frames, no nodes.

Layout under the base folder or URL::

    data/<aa>/<content hash>.arrow         immutable Arrow IPC files
    nodes/<aa>/<node hash>.json            manifests: content hashes, rows, bytes, schemas, timings, a checksum
    refs/<key…>.json                       which node hash the latest materialization of a key has
    refs/<key…>.runs/<run id>.json         which one each run made

and on this machine, for a local store in the same folder::

    fingerprints/<aa>/<hash>.json          content hashes of source files, by path, size, times and inode
    schemas/<aa>/<hash>.json               types that were looked for in the rows of source files, in the same way
    verified/<aa>/<hash>.json              the same for data files, so that each is read for its hash once
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from flowfile_dagster.errors import StoreError
from flowfile_dagster.store.blobs import Blobs, LocalBlobs, blob_name
from flowfile_dagster.store.files import StoreFiles
from flowfile_dagster.store.fingerprints import VERIFIED
from flowfile_dagster.store.index import (
    MANIFESTS,
    DamageError,
    Manifest,
    StoredTable,
    Written,
    manifest_from_bytes,
    manifest_name,
    manifest_to_bytes,
)
from flowfile_dagster.store.local_files import LocalFolder
from flowfile_dagster.store.mapped import scan_mapped
from flowfile_dagster.store.objects import CopiedBlobs, ObjectFolder, copies_folder, is_url
from flowfile_dagster.store.refs import Ref, ref_from_bytes, ref_name, ref_to_bytes, runs_folder


@dataclass(frozen=True)
class Damage:
    """A file that is not as it was written, and in what way."""

    path: str
    cause: str

    def __str__(self) -> str:
        return f"{self.path} is damaged: {self.cause}"


class ResultStore:
    """Results under one base folder or URL. Opening it creates nothing.

    Args:
        location: a folder, or the URL of a prefix in an object store.
        read_from: another store, whose results count as results of this one. It is never written to.
        options: what fsspec wants to know for URLs, credentials among it. Default: the environment tells.
        reader: the folder of the store that reads from this one, which is then not written to.

    Attributes:
        base: the folder on this machine: the store itself, or what is kept here of an object store.
        damages: what `find` found damaged, by node hash.

    Raises:
        StoreError: the name is empty or that of a file, or the URL cannot be used.
        MissingExtraError: the library for the URL is not installed.
    """

    def __init__(
        self,
        location: Path | str,
        *,
        read_from: Path | str | None = None,
        options: Mapping[str, Any] | None = None,
        reader: Path | None = None,
    ) -> None:
        if not str(location).strip():
            raise StoreError("store", "its name is empty; give the path of a folder, or a URL")
        self.damages: dict[str, Damage] = {}
        self.files: StoreFiles
        self._blobs: Blobs
        self._run_id = ""
        if is_url(str(location)):
            remote = ObjectFolder(str(location), options)
            self.base = copies_folder(remote.location)
            self.files, self._blobs = remote, CopiedBlobs(remote, self.base, is_read_only=reader is not None)
        else:
            self.base = Path(location)
            if self.base.is_file():
                raise StoreError(str(location), "is a file; give the path of a folder, or a URL")
            self.files, self._blobs = LocalFolder(self.base), LocalBlobs(self.base, (reader or self.base) / VERIFIED)
        self._read_from = ResultStore(read_from, options=options, reader=self.base) if read_from else None
        if self._read_from is not None:
            self._read_from.damages = self.damages

    @property
    def location(self) -> str:
        """The folder or URL."""
        return self.files.location

    def of_run(self, run_id: str) -> ResultStore:
        """The store as a run sees it: what the run published comes first, and its refs are kept beside the latest."""
        store = copy(self)
        store._run_id = run_id
        return store

    def find(self, node_hash: str) -> Manifest | None:
        """The result of a node hash, if all of its files are there and whole. Finding it keeps it from collection.

        What is damaged counts as not there and is noted in `damages`.

        Raises:
            StoreError: the store cannot be read.
        """
        manifest = self._look_here(node_hash)
        if manifest is not None and self.files.touch(manifest_name(node_hash)):
            return manifest
        return None if self._read_from is None else self._read_from.look_up(node_hash)

    def look_up(self, node_hash: str) -> Manifest | None:
        """Like `find`, but leaves no trace.

        Raises:
            StoreError: the store cannot be read.
        """
        manifest = self._look_here(node_hash)
        return self._read_from.look_up(node_hash) if manifest is None and self._read_from is not None else manifest

    def verify(self) -> Mapping[str, Damage]:
        """Read every result of this store, whatever is remembered of it; gives what is damaged or lost, by node hash.

        Of an object store, the objects' sizes are looked at: their content is checked when it is copied here.

        Raises:
            StoreError: the store cannot be read.
        """
        for name, _ in self.files.list_files(MANIFESTS):
            node_hash = PurePosixPath(name).stem
            manifest = self._read_manifest(node_hash) if name.endswith(".json") else None
            for table in manifest.outputs.values() if manifest else ():
                if not self._is_whole(table, node_hash, anew=True):
                    lost = Damage(f"{self.location}/{blob_name(table.content_hash)}", "the file is missing")
                    self.damages.setdefault(node_hash, lost)
        return self.damages

    def path(self, table: StoredTable) -> Path:
        """The Arrow file of a stored table on this machine.

        Raises:
            StoreError: it cannot be copied here, or its content is damaged.
        """
        if self._read_from is not None and not self._is_here(table):
            return self._read_from.path(table)
        return self._blobs.path(table)

    def is_at_hand(self, table: StoredTable) -> bool:
        """Whether the file of a stored table lies on this machine, so that a look at it copies nothing."""
        if self._read_from is not None and not self._is_here(table):
            return self._read_from.is_at_hand(table)
        return self._blobs.is_at_hand(table)

    def place(self, table: StoredTable) -> str:
        """The path or URL of the file of a stored table."""
        if self._read_from is not None and not self._is_here(table):
            return self._read_from.place(table)
        return f"{self.location}/{blob_name(table.content_hash)}"

    def scan(self, table: StoredTable, rows: int | None = None) -> pl.LazyFrame:
        """A lazy frame over a stored table, or over what holds at least the first `rows` of it.

        Raises:
            StoreError: it is gone, or cannot be copied here.
        """
        path = self.path(table)
        try:
            return scan_mapped(path, table.schema, rows)
        except FileNotFoundError as error:
            raise StoreError(str(path), "is gone since it was found, as garbage most likely; run again") from error

    def write(self, table: pl.DataFrame) -> StoredTable:
        """Store a table; without a manifest that names it, it does not exist yet.

        Raises:
            DataError: a column holds Python objects.
            StoreError: it cannot be written; nothing is left of it.
        """
        return self._blobs.write(table)

    def record(
        self,
        node_hashes: Sequence[str],
        outputs: Mapping[str, StoredTable],
        *,
        parts: Mapping[str, str] | None = None,
        open_handles: Sequence[str] | None = None,
        written: Written | None = None,
        seconds: float = 0.0,
        is_ordered: bool = True,
    ) -> Manifest:
        """Publish a result under one or more hashes; gives the manifest of the first.

        Raises:
            StoreError: it cannot be written.
        """
        created = datetime.now(timezone.utc).isoformat(timespec="seconds")
        handles = None if open_handles is None else tuple(open_handles)
        manifests = [
            Manifest(node_hash, outputs, parts or {}, handles, written, seconds, created, is_ordered)
            for node_hash in node_hashes
        ]
        for manifest in reversed(manifests):
            self.files.write(manifest_name(manifest.node_hash), manifest_to_bytes(manifest))
            self.damages.pop(manifest.node_hash, None)
        return manifests[0]

    def publish(self, key: Sequence[str], ref: Ref) -> None:
        """Make `ref` the latest materialization of `key`, and that of this run.

        Raises:
            StoreError: it cannot be written.
        """
        ref = Ref(ref.node_hash, ref.handle, ref.run_id or self._run_id)
        for name in (*([ref_name(key, self._run_id)] if self._run_id else []), ref_name(key)):
            self.files.write(name, ref_to_bytes(ref, name))

    def latest(self, key: Sequence[str]) -> Ref | None:
        """The materialization of `key` by this run, else the latest.

        Raises:
            StoreError: the store cannot be read.
        """
        ref = self.of_this_run(key) or self._read_ref(ref_name(key))
        return self._read_from.latest(key) if ref is None and self._read_from is not None else ref

    def of_this_run(self, key: Sequence[str]) -> Ref | None:
        """The materialization of `key` by this run.

        Raises:
            StoreError: the store cannot be read.
        """
        return self._read_ref(ref_name(key, self._run_id)) if self._run_id else None

    def history(self, key: Sequence[str]) -> list[Ref]:
        """What runs made of `key`, the newest first; a result that several made counts for the newest.

        What the store to read from has comes after this store's own.

        Raises:
            StoreError: the store cannot be read.
        """
        found = sorted(self.files.list_files(runs_folder(key)), key=lambda item: item[1].modified, reverse=True)
        history: dict[str, Ref] = {}
        own = [self.latest(key), *(self._read_ref(name) for name, _ in found)]
        for ref in [*own, *([] if self._read_from is None else self._read_from.history(key))]:
            if ref is not None:
                history.setdefault(ref.node_hash, ref)
        return list(history.values())

    def _read_ref(self, name: str) -> Ref | None:
        return ref_from_bytes(self.files.read(name), name)

    def _look_here(self, node_hash: str) -> Manifest | None:
        manifest = self._read_manifest(node_hash)
        if manifest is not None and not all(self._is_whole(table, node_hash) for table in manifest.outputs.values()):
            return None
        return manifest

    def _read_manifest(self, node_hash: str) -> Manifest | None:
        name = manifest_name(node_hash)
        content = self.files.read(name)
        try:
            return None if content is None else manifest_from_bytes(content, node_hash)
        except DamageError as error:
            self.damages[node_hash] = Damage(f"{self.location}/{name}", str(error))
            return None

    def _is_whole(self, table: StoredTable, node_hash: str, *, anew: bool = False) -> bool:
        try:
            if self._blobs.check(table, anew=anew):
                return True
        except DamageError as error:
            self.damages[node_hash] = Damage(f"{self.location}/{blob_name(table.content_hash)}", str(error))
        return self._read_from is not None and self._read_from._is_whole(table, node_hash)

    def _is_here(self, table: StoredTable) -> bool:
        try:
            return self._blobs.check(table)
        except DamageError:
            return False
