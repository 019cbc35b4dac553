"""Content hashes of source files, remembered so that an unchanged file is never read again."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from flowfile_dagster.store.blobs import hash_file
from flowfile_dagster.store.index import read_json, write_json

#: A file changed this recently may change again within the same tick of the file system's clock (nanoseconds).
_SETTLING_TIME = 2_000_000_000


class FingerprintMemory:
    """Remembers a file's content hash by path, size, modification time and inode."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def content_hash(self, path: Path) -> str:
        """The sha256 of a file; read only where its state differs from the remembered one.

        Raises:
            OSError: the file cannot be read.
        """
        remembered = self.remembered(path)
        if remembered is not None:
            return remembered
        before = stat_signature(path)
        content_hash, _ = hash_file(path)
        is_settled = time.time_ns() - before[1] > _SETTLING_TIME
        if is_settled and stat_signature(path) == before:
            write_json(self._path(path), {"path": str(path), "state": list(before), "content_hash": content_hash})
        return content_hash

    def remembered(self, path: Path) -> str | None:
        """The content hash, if it is known without reading the file."""
        value = read_json(self._path(path))
        if value is None or value.get("state") != list(stat_signature(path)):
            return None
        return str(value["content_hash"])

    def _path(self, path: Path) -> Path:
        name = hashlib.sha256(str(path).encode()).hexdigest()
        return self._folder / name[:2] / f"{name}.json"


def stat_signature(path: Path) -> tuple[int, int, int]:
    """Size in bytes, modification time in nanoseconds, inode."""
    state = path.stat()
    return state.st_size, state.st_mtime_ns, state.st_ino
