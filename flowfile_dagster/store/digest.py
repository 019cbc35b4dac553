"""Content hashes of files: XXH3-128 for results, which are written far more often than read; sha256 for sources.

XXH3 is no defence against somebody who makes two files collide on purpose. `blobs` therefore compares the bytes before
it lets a new result share the file of an old one.
"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO, cast

import polars as pl
import pyarrow as pa
import xxhash

from flowfile_dagster.store.local_files import blocks_reserved

_CHUNK = 1 << 16
#: A table whose file is written from a copy in memory (bytes).
_COPIED_BELOW = 1 << 18

#: Sources are hashed in pieces of this size, several at once. Another size gives large files another hash.
_PIECE = 8 << 20
_READ_AT_ONCE = 1 << 20

#: Batches of one size make equal tables equal files, however the engine that made them divided its work.
ROWS_PER_BATCH = 1 << 17


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
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
            size += count
    return digest.hexdigest(), size


def write_result(table: pl.DataFrame, path: str) -> tuple[str, int]:
    """Write a table as an uncompressed Arrow IPC file, and give what `hash_result` would.

    Polars writes to a file that is open here, so that its pages can be hashed where they lie in memory: opening it once
    more, or copying a large one, costs more than the hash itself. For a small one a copy is the cheapest.

    Raises:
        OSError: the file cannot be written.
    """
    estimate = int(table.estimated_size())
    if estimate < _COPIED_BELOW:
        content = BytesIO()
        _write_ipc(table, content)
        with open(path, "wb") as file:
            file.write(content.getbuffer())
        return xxhash.xxh3_128_hexdigest(content.getbuffer()), content.tell()
    with open(path, "w+b", buffering=0) as file:
        with blocks_reserved(file, estimate):
            _write_ipc(table, cast("IO[bytes]", file))
        with mmap(file.fileno(), 0, access=ACCESS_READ) as pages:
            return xxhash.xxh3_128_hexdigest(pages), len(pages)


def _write_ipc(table: pl.DataFrame, file: IO[bytes]) -> None:
    """What `DataFrame.write_ipc` does, less what it does around it, which a small table would feel."""
    table.lazy().sink_ipc(
        file,
        compression="uncompressed",
        record_batch_size=ROWS_PER_BATCH,
        optimizations=pl.QueryOptFlags.none(),
        engine="streaming",
    )


def is_same_content(one: str, other: str) -> bool:
    """Whether two files hold the same bytes.

    Raises:
        OSError: a file cannot be read.
    """
    with pa.memory_map(one) as left, pa.memory_map(other) as right:
        return bool(left.read_buffer().equals(right.read_buffer()))
