"""How the path texts of readers and writers are understood."""

from __future__ import annotations

import glob
import os
import re
import stat
from pathlib import Path, PurePath, PureWindowsPath

from flowfile_dagster.contract.context import PathResolver
from flowfile_dagster.errors import DataError

#: Folders with more files and folders below them are not looked through: a slip such as ``/`` would take for ever.
MAX_ENTRIES = 100_000

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_MAGIC = re.compile(r"[*?\[]")


def is_url(text: str) -> bool:
    """Whether Polars fetches the text over HTTP."""
    return text.lower().startswith(("http://", "https://"))


def is_foreign_address(text: str) -> bool:
    """Whether the text names an object store or the like, which file nodes do not reach."""
    return bool(_SCHEME.match(text)) and not is_url(text)


def with_name(path: str, name: str | None) -> str:
    """`path` with `name` appended, unless its last part contains the name or its tail equals it."""
    own = PurePath(path)
    if not name or name in own.name:
        return path
    tail = PurePath(name).parts
    return path if own.parts[-len(tail) :] == tail else str(own / PureWindowsPath(name).name)


def has_pattern(text: str) -> bool:
    """Whether the text has characters that a glob pattern gives a meaning."""
    return bool(_MAGIC.search(text))


def resolve_pattern(text: str, paths: PathResolver) -> Path:
    """The absolute path of a folder, file or pattern; only the part before the pattern is looked up."""
    whole = paths.resolve_path(text).resolve()
    if whole.exists() or not has_pattern(text):
        return whole
    parts = PurePath(text).parts
    start = next(i for i, part in enumerate(parts) if has_pattern(part))
    return paths.resolve_path(str(PurePath(*parts[:start]))).resolve().joinpath(*parts[start:])


def check_file(path: Path) -> None:
    """Raise a `DataError` for what is no file: nobody may ever write to a pipe, and a device may never end.

    Raises:
        DataError: it is absent, a folder, or something else that is no regular file.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"there is no file {path}") from error
    if not stat.S_ISREG(mode):
        raise DataError(f"{path} is {'a folder' if stat.S_ISDIR(mode) else 'a device, pipe or socket'}, not a file")


def files_below(folder: Path) -> tuple[Path, ...]:
    """Every regular file of a folder tree, sorted.

    Raises:
        DataError: the tree has more than `MAX_ENTRIES` entries.
    """
    found = [Path(entry.path) for entry in _entries_below(folder)]
    return tuple(sorted(path for path in found if path.is_file()))


def too_many_entries(folder: Path) -> DataError:
    """What is said of a folder that is not looked through."""
    return DataError(f"more than {MAX_ENTRIES:,} files and folders lie below {folder}; name a folder further down")


def _entries_below(folder: Path, depth: int | None = None) -> list[os.DirEntry[str]]:
    """What a recursive pattern comes by, links included; folders that may not be read count as empty, as there."""
    found: list[os.DirEntry[str]] = []
    pending = [(str(folder), 1)]
    while pending:
        name, level = pending.pop()
        try:
            with os.scandir(name) as listing:
                entries = list(listing)
        except OSError:
            continue
        found += entries
        if len(found) > MAX_ENTRIES:
            raise too_many_entries(folder)
        if depth is None or level < depth:
            pending.extend((entry.path, level + 1) for entry in entries if _is_folder(entry))
    return found


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links in a circle
        return False


def _refuse_endless(pattern: Path) -> None:
    """Raise a `DataError` where Python's `glob` would look through more than `MAX_ENTRIES` entries."""
    start = next(i for i, part in enumerate(pattern.parts) if has_pattern(part))
    depth = None if "**" in pattern.parts else len(pattern.parts) - start
    _entries_below(Path(*pattern.parts[:start]), depth)


def files_pattern(path: Path, extension: str) -> str | None:
    """The glob of a folder tree's files with the extension in any case, or the given glob; None for a file."""
    if path.is_file():
        return None
    if has_pattern(str(path)) and not path.is_dir():
        return str(path)
    letters = "".join(f"[{letter.lower()}{letter.upper()}]" for letter in extension)
    return str(Path(glob.escape(str(path)), "**", f"*.{letters}"))


def matching_files(path: Path, pattern: str | None) -> tuple[Path, ...]:
    """The files that a glob matches, each once; without one the file itself. Sorted by code points, no hidden ones.

    Raises:
        DataError: more than `MAX_ENTRIES` files and folders would have to be looked at.
    """
    if pattern is None:
        return (path,)
    if path.is_dir() or not has_pattern(str(path)):
        _entries_below(path)
    else:
        _refuse_endless(path)
    return tuple(found for found in sorted(_matching(pattern), key=str) if found.is_file())


def _matching(pattern: str) -> set[Path]:
    """What Python's `glob` finds, part by part: at once, it walks a tree again for every way to read its ``**``."""
    anchor, *parts = PurePath(pattern).parts
    *inner, last = [part for part, following in zip(parts, [*parts[1:], ""]) if not part == following == "**"]
    folders = {Path(anchor)}
    for part in inner:
        below = {found for folder in folders for found in _found_in(folder, f"{part}{os.sep}")}
        folders = folders | below if part == "**" else below
    return {found for folder in folders for found in _found_in(folder, last)}


def _found_in(folder: Path, pattern: str) -> list[Path]:
    return [folder / name for name in glob.glob(pattern, root_dir=folder, recursive=True)]  # noqa: PTH207
