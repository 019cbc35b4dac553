"""Content hashes of files: XXH3-128 for results, which are written far more often than read; sha256 for sources.

XXH3 is no defence against somebody who makes two files collide on purpose. `blobs` therefore compares the bytes before
it lets a new result share the file of an old one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import xxhash

_CHUNK = 1 << 18

#: Sources are hashed in pieces of this size, several at once. Another size gives large files another hash.
_PIECE = 8 << 20
_READ_AT_ONCE = 1 << 20

#: How long to wait for more when a file that is being written has been read to its end (seconds).
_PAUSE = 0.002


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
    digest = xxhash.xxh3_128()
    size = _read_into(digest, path, _set_event())
    return digest.hexdigest(), size


@dataclass
class FollowedDigest:
    """What is known of a file that was hashed while it was written; complete when the block ends."""

    content_hash: str = ""
    size: int = 0
    failures: list[OSError] = field(default_factory=list[OSError])


@contextmanager
def hashed_while_written(path: Path) -> Iterator[FollowedDigest]:
    """Hash what the block writes into `path`, from its start to its end, in a thread that follows the writer.

    On a second core it costs next to no time: a second pass over a file costs a quarter of writing it.

    Raises:
        OSError: the file cannot be read back.
    """
    path.touch()
    followed, is_written, digest = FollowedDigest(), Event(), xxhash.xxh3_128()

    def follow() -> None:
        try:
            followed.size = _read_into(digest, path, is_written)
        except OSError as error:
            followed.failures.append(error)

    follower = Thread(target=follow, name="flowfile-digest", daemon=True)
    follower.start()
    try:
        yield followed
    finally:
        is_written.set()
        follower.join()
    if followed.failures:
        raise followed.failures[0]
    followed.content_hash = digest.hexdigest()


def _read_into(digest: xxhash.xxh3_128, path: Path, is_written: Event) -> int:
    """Read a file to its end, which is where it ends once it is written; gives its size."""
    size, buffer = 0, memoryview(bytearray(_CHUNK))
    with path.open("rb", buffering=0) as stream:
        while True:
            was_written = is_written.is_set()
            count = stream.readinto(buffer) or 0
            if count:
                digest.update(buffer[:count])
                size += count
            elif was_written:
                return size
            else:
                is_written.wait(_PAUSE)


def _set_event() -> Event:
    event = Event()
    event.set()
    return event
