"""Small files in a local folder, published by replace: a reader sees the old one or the new one, whole."""

from __future__ import annotations

import ctypes
import json
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import IO, Any

import pydantic_core

from flowfile_dagster.errors import StoreError
from flowfile_dagster.store.files import FileFacts

TEMPORARY_SUFFIX = ".tmp"

#: `FALLOC_FL_KEEP_SIZE` of Linux: the file is no longer than what was written.
_KEEP_SIZE = 1
#: The part of the free room that is set aside at most: the size is an estimate, and others write to the disk, too.
_SHARE_OF_ROOM = 8
_fallocate = ctypes.CDLL(None).fallocate if sys.platform == "linux" else None
if _fallocate is not None:
    _fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def user_cache() -> Path:
    """The user's folder for what can be made again.

    Raises:
        RuntimeError: the user has no home.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flowfile-dagster"


def temporary_name(folder: str) -> str:
    """A path in `folder` that nobody else has; what a killed process leaves under it, garbage collection removes."""
    return f"{folder}/.{os.urandom(16).hex()}{TEMPORARY_SUFFIX}"


@contextmanager
def published_by_replace(path: str) -> Iterator[str]:
    """A unique temporary path beside `path`; what is written there replaces `path` if the block succeeds."""
    folder = os.path.dirname(path)
    temporary = temporary_name(folder)
    make_folder(folder)
    with dropped_on_failure(temporary):
        yield temporary
        os.replace(temporary, path)


@contextmanager
def dropped_on_failure(temporary: str) -> Iterator[None]:
    """The file, if it was made, is gone when the block fails."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


@contextmanager
def blocks_reserved(file: FileIO, size: int) -> Iterator[None]:
    """Have room for `size` bytes set aside while an empty file is written; what is too much is given back.

    ext4 writes a file a fifth faster that need not look for room page by page. Where it cannot be done, nothing is
    lost. `os.posix_fallocate` would write the file once more on systems that have no such call, as NFS. An estimate may
    be thousands of times too high, as Polars counts a text once for each row that has it, and the disk would be full.
    """
    if _fallocate is not None and size <= _room(file) // _SHARE_OF_ROOM:
        _fallocate(file.fileno(), _KEEP_SIZE, 0, size)
    yield
    if _fallocate is not None:
        file.truncate(os.fstat(file.fileno()).st_size)


def _room(file: FileIO) -> int:
    """What is free where a file is (bytes)."""
    disk = os.fstatvfs(file.fileno())
    return disk.f_bavail * disk.f_frsize


def make_folder(folder: str) -> None:
    """Make a folder with those above it, where it is not there: looking costs less than trying."""
    if not os.path.isdir(folder):
        os.makedirs(folder, exist_ok=True)


def write_json(path: Path, value: Mapping[str, Any], mode: int = 0o666) -> None:
    """Publish a JSON file by replace, with permissions less the user's mask."""
    content = json.dumps(value, ensure_ascii=False, sort_keys=True).encode()
    with published_by_replace(str(path)) as temporary, _new_file(temporary, mode) as file:
        file.write(content)


def _new_file(path: str, mode: int = 0o666) -> IO[bytes]:
    """Made and opened at once: what is written to an empty file, ext4 sends to the disk before it goes on."""
    return open(path, "xb", opener=lambda name, flags: os.open(name, flags, mode))


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object from a file; None where the file is absent or holds none."""
    try:
        value = pydantic_core.from_json(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


class LocalFolder:
    """The `StoreFiles` of a local folder. Looking creates nothing."""

    def __init__(self, base: Path) -> None:
        self._base = base

    @property
    def location(self) -> str:
        """The folder."""
        return str(self._base)

    def read(self, name: str) -> bytes | None:
        """See `StoreFiles.read`."""
        try:
            return (self._base / name).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoreError(str(self._base / name), f"cannot be read: {error.strerror}") from error

    def write(self, name: str, content: bytes) -> None:
        """See `StoreFiles.write`."""
        try:
            with published_by_replace(f"{self._base}/{name}") as temporary, _new_file(temporary) as file:
                file.write(content)
        except OSError as error:
            raise StoreError(str(self._base / name), f"cannot be written: {error.strerror}") from error

    def touch(self, name: str) -> bool:
        """See `StoreFiles.touch`."""
        try:
            os.utime(self._base / name)
        except FileNotFoundError:
            return False
        except OSError:
            return True  # a store that is only read is not collected by its readers
        return True

    def list_files(self, folder: str) -> Iterator[tuple[str, FileFacts]]:
        """See `StoreFiles.list_files`."""
        walk = os.walk(self._base / folder, onerror=_raise_unless_gone)
        for path in sorted(Path(inner, name) for inner, _, names in walk for name in names):
            facts = _facts(path)
            if facts is not None:
                yield path.relative_to(self._base).as_posix(), facts

    def remove(self, name: str, unless_modified_after: float) -> bool:
        """See `StoreFiles.remove`.

        The file is moved away, looked at once more, and put back if somebody has come to use it: between a look and an
        unlink under its own name, a writer could lose it.
        """
        path = self._base / name
        aside = Path(temporary_name(str(path.parent)))
        try:
            if path.stat().st_mtime > unless_modified_after:
                return False
            path.replace(aside)
            if aside.stat().st_mtime > unless_modified_after:
                if not path.exists():
                    aside.replace(path)
                return False
            return True
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreError(str(path), f"cannot be removed: {error.strerror}") from error
        finally:
            aside.unlink(missing_ok=True)


def _raise_unless_gone(error: OSError) -> None:
    """What cannot be looked at is no empty folder: what is in there may name what would go for want of a name."""
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise StoreError(str(error.filename), f"cannot be read: {error.strerror}") from error


def _facts(path: Path) -> FileFacts | None:
    try:
        state = path.stat()
    except OSError as error:
        _raise_unless_gone(error)
        return None
    return FileFacts(state.st_size, state.st_mtime) if stat.S_ISREG(state.st_mode) else None
