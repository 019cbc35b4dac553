"""Which files of a folder are flow files."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

#: ``.flowfile`` is the old pickle format: found, so that it can be refused with a word on how to convert it.
FLOW_SUFFIXES = (".yaml", ".yml", ".json", ".flowfile")
#: The tests of a flow, beside it.
TESTS_SUFFIX = ".tests.yaml"
_LOOKED_AT = 1 << 20
_WORDS = (b"flowfile_version", b"flowfile_settings", b"flowfile_name", b"setting_input")


def find_flow_files(path: Path) -> list[Path]:
    """The flow files under a folder, sorted, without hidden ones; a path that is no folder stands for itself.

    A text file with none of the words of a flow file is somebody else's; what cannot be read as text counts as a
    flow file that is broken, so that it is not overlooked. So does a folder that cannot be looked into.
    """
    if not path.is_dir():
        return [path]
    found: list[Path] = []

    def note(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            found.append(Path(error.filename))

    for folder, inner, names in os.walk(path, onerror=note):
        inner[:] = [name for name in inner if not name.startswith(".")]
        found += [Path(folder, name) for name in names if _is_flow_name(name)]
    return sorted(file for file in found if not _is_other_text(file))


def _is_flow_name(name: str) -> bool:
    return name.lower().endswith(FLOW_SUFFIXES) and not name.startswith(".") and not name.endswith(TESTS_SUFFIX)


def _is_other_text(file: Path) -> bool:
    if file.suffix.lower() == ".flowfile" or not file.is_file():
        return False
    try:
        with file.open("rb") as stream:
            start = stream.read(_LOOKED_AT)
        is_whole = len(start) < _LOOKED_AT  # else its last character may be cut
        codecs.getincrementaldecoder("utf-8")().decode(start, is_whole)
    except (OSError, UnicodeDecodeError):
        return False
    return bool(start.strip()) and b"\0" not in start and not any(word in start for word in _WORDS)
