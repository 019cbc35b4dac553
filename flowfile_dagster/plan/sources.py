"""The state of the files that a flow reads: looked at, never changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import TypeAlias

from flowfile_dagster.contract.node_type import Source
from flowfile_dagster.errors import DataError
from flowfile_dagster.plan.node_hash import canonical_hash
from flowfile_dagster.store.fingerprints import stat_signature

#: Size, modification time and inode of files.
SourceState: TypeAlias = dict[Path, tuple[int, int, int]]


def fingerprint_sources(sources: Sequence[Source], content_hash: Callable[[Path], str]) -> str:
    """One hash for the state of all sources of a node; empty text for a node that reads none.

    A single file counts by its content, wherever it lies; of several, their names within the source count too.

    Raises:
        OSError: a file cannot be read.
    """
    if not sources:
        return ""
    return canonical_hash([_fingerprint(source, content_hash) for source in sources])


def source_version(source: Source, content_hash: Callable[[Path], str]) -> str | None:
    """The state of one source, the same for every node that reads it; None for what is not made of files.

    Raises:
        OSError: a file cannot be read.
    """
    if source.pattern is None:
        return content_hash(source.files[0]) if source.files else None
    if not source.content:
        return canonical_hash([_listing_entry(path) for path in source.files])
    return canonical_hash([[str(path), content_hash(path)] for path in source.files])


def belongs_to(path: str, pattern: str) -> bool:
    """Whether a path, which need not exist, is one of those that a glob stands for."""
    return _matches(PurePath(path).parts, PurePath(pattern).parts)


def _matches(parts: Sequence[str], patterns: Sequence[str]) -> bool:
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return any(_matches(parts[index:], patterns[1:]) for index in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], patterns[0]) and _matches(parts[1:], patterns[1:])


def source_state(sources: Sequence[Source]) -> SourceState:
    """Size, time and inode of every file whose content is read.

    Raises:
        OSError: a file cannot be looked at.
    """
    return {path: stat_signature(path) for source in sources if source.content for path in source.files}


def check_unchanged(state: SourceState) -> None:
    """Raise a `DataError` if a file is not as it was: what was read of it may be a mixture."""
    for path, signature in state.items():
        if stat_signature(path) != signature:
            raise DataError(f"{path} changed while it was read; run the node again")


def _fingerprint(source: Source, content_hash: Callable[[Path], str]) -> object:
    if not source.content:
        return [source.uri, [_listing_entry(path) for path in source.files]]
    if not source.files:
        return source.uri
    if len(source.files) == 1 and not source.shows_paths:
        return content_hash(source.files[0])
    return [[str(path) if source.shows_paths else path.name, content_hash(path)] for path in source.files]


def _listing_entry(path: Path) -> list[object]:
    """A link that leads nowhere is listed, too, and a file may be deleted since it was."""
    try:
        state = path.stat()
    except OSError:
        return [str(path), None, None]
    return [str(path), state.st_size, state.st_mtime_ns]
