"""How the path texts of readers and writers are understood (I/O facts 3.1, 3.2)."""

from __future__ import annotations

import glob
import re
from pathlib import Path, PurePath, PureWindowsPath

from flowfile_dagster.contract.context import PathResolver

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


def files_pattern(path: Path, extension: str) -> str | None:
    """The glob of a folder tree's files with the extension in any case, or the given glob; None for a file."""
    if path.is_file():
        return None
    if has_pattern(str(path)) and not path.is_dir():
        return str(path)
    letters = "".join(f"[{letter.lower()}{letter.upper()}]" for letter in extension)
    return str(Path(glob.escape(str(path)), "**", f"*.{letters}"))


def matching_files(path: Path, pattern: str | None) -> tuple[Path, ...]:
    """The files that a glob matches; without one the file itself. Sorted by code points, hidden ones left out."""
    if pattern is None:
        return (path,)
    return tuple(Path(found) for found in sorted(glob.glob(pattern, recursive=True)) if Path(found).is_file())  # noqa: PTH207
