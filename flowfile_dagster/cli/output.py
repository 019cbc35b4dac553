"""What the commands print, fit for where it goes: a terminal, a file in a narrow encoding, a reader who leaves."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO, cast

#: What moves the cursor, colours, names windows or turns the direction of text. Names and data of others may hold it.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class _PlainText:
    """A stream that shows control characters, and what its encoding lacks, as in JSON: ``\\u001b``."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        plain = _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
        encoding = self._stream.encoding or "utf-8"
        return self._stream.write(plain.encode(encoding, "backslashreplace").decode(encoding))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def plain_output() -> Iterator[None]:
    """Have all that is printed be plain text; what cannot be written in the end is dropped without a word."""
    with redirect_stdout(_plain(sys.stdout)), redirect_stderr(_plain(sys.stderr)):
        try:
            yield
        finally:
            _flush_or_drop()


def _plain(stream: TextIO | None) -> TextIO | None:
    """A process may be started without output."""
    return None if stream is None else cast("TextIO", _PlainText(stream))


def _flush_or_drop() -> None:
    """The interpreter would try once more at its end, and complain."""
    try:
        print(end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
