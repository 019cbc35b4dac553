"""What a store asks of the place where its files are: a local folder or an object store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class FileFacts:
    """Size in bytes, and when the file was last modified (seconds since 1970)."""

    size: int
    modified: float


class StoreFiles(Protocol):
    """Small files by name: ``/``-separated text, relative to the base of the store."""

    @property
    def location(self) -> str:
        """The base, for messages."""

    def read(self, name: str) -> bytes | None:
        """The content of a file; None where there is none.

        Raises:
            StoreError: it cannot be read.
        """

    def write(self, name: str, content: bytes) -> None:
        """Put a file in place as a whole: who reads meanwhile gets the old one or the new one.

        Raises:
            StoreError: it cannot be written; what was there is untouched.
        """

    def touch(self, name: str) -> bool:
        """Note that a file is in use, so that garbage collection spares it; False if it is gone."""

    def list_files(self, folder: str) -> Iterator[tuple[str, FileFacts]]:
        """Every file below a folder, with its name.

        Raises:
            StoreError: not all of it can be looked at.
        """

    def remove(self, name: str, unless_modified_after: float) -> bool:
        """Remove a file, unless it was modified or touched after a moment; whether it was removed.

        Raises:
            StoreError: it cannot be removed.
        """
