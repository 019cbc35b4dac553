"""Content hashes of source files, remembered so that an unchanged file is never read again."""

from __future__ import annotations

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flowfile_dagster.store.index import read_json, write_json

#: A file changed this recently may change again within the same tick of the file system's clock (nanoseconds).
_SETTLING_TIME = 2_000_000_000
#: Files are hashed in pieces of this size, several at once. Another size gives large files another hash.
_PIECE = 8 << 20
_READ_AT_ONCE = 1 << 20
#: The version of what is remembered: hashes that were made in another way are made anew.
_FORMAT = 2


class FingerprintMemory:
    """Remembers a file's content hash by path, size, modification time and inode."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._recalled: dict[Path, tuple[tuple[int, int, int], str]] = {}

    def content_hash(self, path: Path) -> str:
        """The hash of a file's content, see `hash_source`; read only where its state differs from the remembered one.

        Raises:
            OSError: the file cannot be read.
        """
        remembered = self.remembered(path)
        if remembered is not None:
            return remembered
        before = stat_signature(path)
        content_hash = hash_source(path)
        is_settled = time.time_ns() - before[1] > _SETTLING_TIME
        if is_settled and stat_signature(path) == before:
            value = {"format": _FORMAT, "path": str(path), "state": list(before), "content_hash": content_hash}
            write_json(self._path(path), value)
        return content_hash

    def remembered(self, path: Path) -> str | None:
        """The content hash, if it is known without reading the file."""
        state = stat_signature(path)
        if path in self._recalled and self._recalled[path][0] == state:
            return self._recalled[path][1]
        value = read_json(self._path(path))
        if value is None or value.get("state") != list(state) or value.get("format") != _FORMAT:
            return None
        self._recalled[path] = (state, str(value["content_hash"]))
        return str(value["content_hash"])

    def _path(self, path: Path) -> Path:
        name = hashlib.sha256(str(path).encode()).hexdigest()
        return self._folder / name[:2] / f"{name}.json"


def hash_source(path: Path) -> str:
    """sha256 (hex) of a file; of a large one, that of the sha256 digests of its pieces, which threads can share.

    Raises:
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    if size <= _PIECE:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="flowfile-hash") as pool:
        digests = list(pool.map(lambda start: _hash_piece(path, start), range(0, size, _PIECE)))
    return hashlib.sha256(b"".join(digests)).hexdigest()


def _hash_piece(path: Path, start: int) -> bytes:
    digest, left = hashlib.sha256(), _PIECE
    with path.open("rb", buffering=0) as stream:
        stream.seek(start)
        while left > 0 and (chunk := stream.read(min(left, _READ_AT_ONCE))):
            digest.update(chunk)
            left -= len(chunk)
    return digest.digest()


def stat_signature(path: Path) -> tuple[int, int, int]:
    """Size in bytes, modification time in nanoseconds, inode."""
    state = path.stat()
    return state.st_size, state.st_mtime_ns, state.st_ino
