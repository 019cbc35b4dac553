"""The result store: content-addressed Arrow files, like git. Knows hashes, text keys and frames, no nodes.

Layout under the base folder::

    data/<aa>/<content hash>.arrow     immutable Arrow IPC files
    nodes/<aa>/<node hash>.json        manifests: content hashes, rows, bytes, schemas, timings
    refs/<key…>.json                   which node hash the latest materialization of a key has
    fingerprints/<aa>/<hash>.json      content hashes of source files, by path, size, time and inode
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote

import polars as pl

from flowfile_dagster.store.blobs import blob_path, write_table
from flowfile_dagster.store.index import (
    Manifest,
    StoredTable,
    Written,
    manifest_path,
    read_json,
    read_manifest,
    write_json,
    write_manifest,
)

#: Longer parts of a key are cut and told apart by a hash: file systems allow 255 bytes.
MAX_NAME = 120


@dataclass(frozen=True)
class Ref:
    """What the latest materialization of a key points to."""

    node_hash: str
    handle: str
    run_id: str = ""


class ResultStore:
    """Results under one local base folder. Opening it creates nothing."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self._data = base / "data"
        self._nodes = base / "nodes"

    def find(self, node_hash: str) -> Manifest | None:
        """The result of a node hash, if all of its files are there in full size."""
        manifest = read_manifest(self._nodes, node_hash)
        if manifest is None or not all(self._is_whole(table) for table in manifest.outputs.values()):
            return None
        return manifest

    def path(self, table: StoredTable) -> Path:
        """The Arrow file of a stored table."""
        return blob_path(self._data, table.content_hash)

    def manifest_path(self, node_hash: str) -> Path:
        """The manifest file of a node hash."""
        return manifest_path(self._nodes, node_hash)

    def scan(self, table: StoredTable) -> pl.LazyFrame:
        """A lazy scan of a stored table."""
        if not table.schema:
            return pl.LazyFrame()
        return pl.scan_ipc(self.path(table))

    def write(self, table: pl.DataFrame) -> StoredTable:
        """Store a table; without a manifest that names it, it does not exist yet."""
        content_hash, size = write_table(self._data, table)
        return StoredTable(content_hash, size, table.height, table.schema)

    def record(
        self,
        node_hashes: Sequence[str],
        outputs: Mapping[str, StoredTable],
        *,
        parts: Mapping[str, str] | None = None,
        open_handles: Sequence[str] | None = None,
        written: Written | None = None,
        seconds: float = 0.0,
    ) -> Manifest:
        """Publish a result under one or more hashes; gives the manifest of the first."""
        created = datetime.now(timezone.utc).isoformat(timespec="seconds")
        handles = None if open_handles is None else tuple(open_handles)
        manifests = [
            Manifest(node_hash, outputs, parts or {}, handles, written, seconds, created) for node_hash in node_hashes
        ]
        for manifest in reversed(manifests):
            write_manifest(self._nodes, manifest)
        return manifests[0]

    def publish(self, key: Sequence[str], ref: Ref) -> None:
        """Make `ref` the latest materialization of `key`."""
        write_json(self._ref_path(key), asdict(ref))

    def latest(self, key: Sequence[str]) -> Ref | None:
        """The latest materialization of `key`."""
        value = read_json(self._ref_path(key)) or {}
        ref = Ref(*(str(value.get(field) or "") for field in ("node_hash", "handle", "run_id")))
        return ref if ref.node_hash else None

    def _ref_path(self, key: Sequence[str]) -> Path:
        return self.base.joinpath("refs", *(_safe(part) for part in key[:-1]), f"{_safe(key[-1])}.json")

    def _is_whole(self, table: StoredTable) -> bool:
        try:
            return self.path(table).stat().st_size == table.bytes
        except OSError:
            return False


def _safe(part: str) -> str:
    name = quote(part, safe="").replace(".", "%2E") or "%"
    return name if len(name) <= MAX_NAME else f"{name[:MAX_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
