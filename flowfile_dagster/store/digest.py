"""Content hashes of files: XXH3-128 for results, which are written far more often than read; sha256 for sources.

XXH3 is no defence against somebody who makes two files collide on purpose. `blobs` therefore compares the bytes before
it lets a new result share the file of an old one.
"""

from __future__ import annotations

import hashlib
import io
import os
from concurrent.futures import ThreadPoolExecutor
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO, Any, cast

import polars as pl
import xxhash

_CHUNK = 1 << 18

#: Sources are hashed in pieces of this size, several at once. Another size gives large files another hash.
_PIECE = 8 << 20
_READ_AT_ONCE = 1 << 20

#: Batches of one size make equal tables equal files, however the engine that made them divided its work.
_ROWS_PER_BATCH = 1 << 17

#: Sizes of tables in memory (bytes) between which another way of hashing them is the cheapest.
_SMALL = 1 << 19
_LARGE = 1 << 26

#: Linux keeps a file in memory in pieces of up to 2 MB, as large as they were written, and counts all of a piece as
#: memory of a process that maps the file and reads one byte there.
_WRITE_AT_ONCE = 1 << 20


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


def hash_result(path: Path) -> tuple[str, int]:
    """XXH3-128 (hex) and size in bytes of a file.

    Raises:
        OSError: the file cannot be read.
    """
    digest, size, buffer = xxhash.xxh3_128(), 0, memoryview(bytearray(_CHUNK))
    with path.open("rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            digest.update(buffer[:count])
            size += count
    return digest.hexdigest(), size


def write_result(table: pl.DataFrame, path: Path) -> tuple[str, int]:
    """Write a table as an uncompressed Arrow IPC file, and give what `hash_result` would.

    The bytes are hashed where they are at hand, for reading a file once more costs a quarter of writing it: a small one
    before it is written, a large one piece by piece while the processor still has it in its cache, and one between
    them, for which that would cost too many fresh pages of memory, in the pages of the finished file.

    Raises:
        OSError: the file cannot be written.
    """
    size = table.estimated_size()
    if size <= _SMALL:
        buffer = io.BytesIO()
        _write_ipc(table, buffer)
        content = buffer.getbuffer()
        path.write_bytes(content)
        return xxhash.xxh3_128_hexdigest(content), len(content)
    if size <= _LARGE:
        _write_ipc(table, path)
        with path.open("rb") as stream, mmap(stream.fileno(), 0, access=ACCESS_READ) as pages:
            return xxhash.xxh3_128_hexdigest(pages), len(pages)
    with _HashedFile(path) as file:
        _write_ipc(table, file)
    return file.digest.hexdigest(), file.size


def _write_ipc(table: pl.DataFrame, target: Path | io.IOBase) -> None:
    table.write_ipc(cast("IO[bytes]", target), compression="uncompressed", record_batch_size=_ROWS_PER_BATCH)


class _HashedFile(io.RawIOBase):
    """A new file that is hashed as it is written. It has no `fileno`, by which a writer could pass the digest by."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self.digest = xxhash.xxh3_128()
        self.size = 0

    def writable(self) -> bool:
        """See `io.IOBase.writable`."""
        return True

    def write(self, data: Any) -> int:
        """Write all of it."""
        content = memoryview(data)
        for start in range(0, len(content), _WRITE_AT_ONCE):
            piece = content[start : start + _WRITE_AT_ONCE]
            self.digest.update(piece)
            self._file.write(piece)
        self.size += len(content)
        return len(content)

    def close(self) -> None:
        """Write what is buffered, and close the file."""
        self._file.close()
        super().close()
