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

#: Size, modification time and inode of files, and what stands for their content.
SourceState: TypeAlias = dict[Path, tuple[int, int, int, str]]


def fingerprint_sources(sources: Sequence[Source], content_hash: Callable[[Path], str]) -> str:
    """One hash for the state of all sources of a node; empty text for a node that reads none.

    A single file counts by its content, wherever it lies; of those of a folder, their names within it count too, for
    the folders between may say what is in them (``year=2024``).

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
    patterns = PurePath(pattern).parts
    places = _with_skipped(patterns, {0})
    for part in PurePath(path).parts:
        places = _with_skipped(patterns, {after for place in places for after in _after(patterns, place, part)})
    return len(patterns) in places


def _with_skipped(patterns: Sequence[str], places: set[int]) -> set[int]:
    """The places in a pattern, and those behind each ``**`` that may stand for nothing."""
    reached = set(places)
    for place, pattern in enumerate(patterns):
        if pattern == "**" and place in reached:
            reached.add(place + 1)
    return reached


def _after(patterns: Sequence[str], place: int, part: str) -> tuple[int, ...]:
    """The place that one part of a path leads to from another one; none where it does not fit."""
    if place == len(patterns):
        return ()
    if patterns[place] == "**":
        return (place,)
    return (place + 1,) if fnmatchcase(part, patterns[place]) else ()


def source_state(sources: Sequence[Source], content_hash: Callable[[Path], str]) -> SourceState:
    """The state of every file whose content is read. Another content may have the same size and time.

    Raises:
        OSError: a file cannot be looked at.
    """
    return {
        path: (*stat_signature(path), content_hash(path))
        for source in sources
        if source.content
        for path in source.files
    }


def check_unchanged(before: SourceState, after: SourceState, except_for: Path | None = None) -> None:
    """Raise a `DataError` if a file is not as it was, or came or went: nobody knows what was read."""
    for path in sorted((before.keys() | after.keys()) - {except_for}):
        if before.get(path) != after.get(path):
            raise DataError(f"{path} changed while it was read; run the node again")


def _fingerprint(source: Source, content_hash: Callable[[Path], str]) -> object:
    if not source.content:
        return [source.uri, [_listing_entry(path) for path in source.files]]
    if not source.files:
        return source.uri
    if len(source.files) == 1 and source.pattern is None and not source.shows_paths:
        return content_hash(source.files[0])
    return [
        [str(path) if source.shows_paths else _name_within(source, path), content_hash(path)] for path in source.files
    ]


def _name_within(source: Source, path: Path) -> str:
    return path.relative_to(source.uri).as_posix() if path.is_relative_to(source.uri) else path.name


def _listing_entry(path: Path) -> list[object]:
    """A link that leads nowhere is listed, too, and a file may be deleted since it was."""
    try:
        state = path.stat()
    except OSError:
        return [str(path), None, None]
    return [str(path), state.st_size, state.st_mtime_ns]
