"""Libraries that only some nodes need."""

from __future__ import annotations

from importlib.util import find_spec

from flowfile_dagster.errors import MissingExtraError


def require_library(module: str, what: str, extra: str) -> None:
    """Say before a run that a library is missing which is imported only in a run.

    Raises:
        MissingExtraError: it is not installed; names the extra that brings it.
    """
    if find_spec(module) is None:
        raise MissingExtraError(what, extra)
