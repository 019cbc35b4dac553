"""What was found in files, remembered so that an unchanged file is never read again for it."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from flowfile_dagster.store.digest import hash_source
from flowfile_dagster.store.index import json_checksum
from flowfile_dagster.store.local_files import read_json, user_cache, write_json

#: Folders beside the results: content hashes of source files, types found in their rows, hashes of data files.
FINGERPRINTS = "fingerprints"
SCHEMAS = "schemas"
VERIFIED = "verified"

#: A file changed this recently may change again within the same tick of the file system's clock (seconds).
SETTLING_TIME = 2
_SETTLING_NS = SETTLING_TIME * 1_000_000_000
#: The version of what is remembered: hashes that were made in another way are made anew.
_FORMAT = 5


class FileMemory:
    """Remembers texts that were found in files, by path, size, modification and change time, and inode.

    `question` is what was looked for. A memory that cannot be written only forgets.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._recalled: dict[Path, tuple[list[int], str]] = {}

    def recall(self, path: Path, question: str, find: Callable[[], str]) -> str:
        """What is remembered, else what `find` gives.

        Raises:
            OSError: the file cannot be read.
        """
        remembered = self.remembered(path, question)
        return self.recall_anew(path, question, find) if remembered is None else remembered

    def recall_anew(self, path: Path, question: str, find: Callable[[], str]) -> str:
        """What `find` gives, remembered in place of what was.

        Raises:
            OSError: the file cannot be read.
        """
        started = time.time_ns()
        _, modified, *_ = before = _file_state(path)
        found = find()
        if started - modified > _SETTLING_NS and _file_state(path) == before:
            self._write(path, question, before, found)
        return found

    def remembered(self, path: Path, question: str = "") -> str | None:
        """What is known without reading the file."""
        state = _file_state(path)
        place = self._place(path, question)
        if place in self._recalled and self._recalled[place][0] == state:
            return self._recalled[place][1]
        value = read_json(place)
        if value is None or not _is_current(value, state):
            return None
        self._recalled[place] = (state, str(value["found"]))
        return str(value["found"])

    def forget_outdated(self, unless_modified_after: float) -> None:
        """Drop what is remembered of files that are no more or not as they were, and what killed processes left."""
        for entry in self._folder.glob("*/*"):
            value = read_json(entry) or {}
            path = Path(str(value.get("path", "")))
            with suppress(OSError):
                is_outdated = not path.is_file() or not _is_current(value, _file_state(path))
                if is_outdated and entry.stat().st_mtime <= unless_modified_after:
                    entry.unlink()

    def _write(self, path: Path, question: str, state: list[int], found: str) -> None:
        value = {"format": _FORMAT, "path": str(path), "state": state, "found": found}
        value["checksum"] = json_checksum(value)
        place = self._place(path, question)
        self._recalled.pop(place, None)
        with suppress(OSError, UnicodeError):  # JSON holds no file name beyond UTF-8
            write_json(place, value)

    def _place(self, path: Path, question: str) -> Path:
        name = hashlib.sha256(os.fsencode(path) + b"\0" + question.encode()).hexdigest()
        return self._folder / name[:2] / f"{name}.json"


class FingerprintMemory(FileMemory):
    """Remembers the content hashes of files."""

    def __init__(self, folder: Path, hash_file: Callable[[Path], str] = hash_source) -> None:
        super().__init__(folder)
        self._hash_file = hash_file

    def content_hash(self, path: Path) -> str:
        """The hash of a file; read only where its state differs from the remembered one.

        Raises:
            OSError: the file cannot be read.
        """
        return self.recall(path, "", partial(self._hash_file, path))

    def hash_anew(self, path: Path) -> str:
        """The hash of a file that is read whatever is remembered of it.

        Raises:
            OSError: the file cannot be read.
        """
        return self.recall_anew(path, "", partial(self._hash_file, path))

    def settle(self, path: Path, content_hash: str) -> None:
        """Remember the hash of a file that was just written.

        Its time is set back, so that a change within the same tick of the clock is one of the file's time, too.

        Raises:
            OSError: the file is gone, or its time cannot be set.
        """
        when = time.time_ns() - _SETTLING_NS
        os.utime(path, ns=(when, when))
        self._write(path, "", _file_state(path), content_hash)


@dataclass(frozen=True)
class SourceMemory:
    """What a run may know of source files before it reads them: what stands for their content, and their types."""

    content_hash: Callable[[Path], str]
    found_types: FileMemory | None


def fingerprint_memory(base: Path) -> FingerprintMemory:
    """What a store remembers of the content of source files; `base` is its folder on this machine."""
    return FingerprintMemory(base / FINGERPRINTS)


def source_memory(base: Path) -> SourceMemory:
    """What a store remembers of source files; `base` is its folder on this machine."""
    return SourceMemory(fingerprint_memory(base).content_hash, FileMemory(base / SCHEMAS))


def passing_source_memory() -> SourceMemory:
    """For results that do not outlive the process, and so need no hash of all that they were made from."""
    try:
        return SourceMemory(state_hash, FileMemory(user_cache() / SCHEMAS))
    except RuntimeError:
        return SourceMemory(state_hash, None)


def _is_current(value: Mapping[str, Any], state: list[int]) -> bool:
    """Whether what is remembered holds for this state of the file, and is as it was written."""
    if value.get("format") != _FORMAT or value.get("state") != state:
        return False
    rest = {name: item for name, item in value.items() if name != "checksum"}
    return value.get("checksum") == json_checksum(rest)


def state_hash(path: Path) -> str:
    """What stands for the content of a file without reading it: its path, size, times and inode.

    Raises:
        OSError: the file cannot be looked at.
    """
    return hashlib.sha256(repr((os.fsencode(path), _file_state(path))).encode()).hexdigest()


def stat_signature(path: Path) -> tuple[int, int, int]:
    """Size in bytes, modification time in nanoseconds, inode."""
    state = path.stat()
    return state.st_size, state.st_mtime_ns, state.st_ino


def _file_state(path: Path) -> list[int]:
    """The signature with the time of change, which no program can set: it tells of a file whose time was put back."""
    state = path.stat()
    return [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]
