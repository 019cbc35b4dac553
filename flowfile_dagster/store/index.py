"""Node hash to manifest: what a node's result is, and where. Written last, so a file without one does not exist."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from flowfile_dagster.columns.schema import schema_from_json, schema_to_json
from flowfile_dagster.errors import SettingsError

FORMAT_VERSION = 3
MANIFESTS = "nodes"


class DamageError(Exception):
    """A file of the store is not as it was written; the text says in what way."""


@dataclass(frozen=True)
class StoredTable:
    """One stored output: the hash and size of its Arrow file, its number of rows, its schema."""

    content_hash: str
    bytes: int
    rows: int
    schema: pl.Schema


@dataclass(frozen=True)
class Written:
    """The state of a file that a sink wrote, to notice when somebody changes it; the number of its rows, if known."""

    path: str
    size: int
    mtime_ns: int
    rows: int | None = None


@dataclass(frozen=True)
class Manifest:
    """The result of one node.

    `outputs` by handle. `parts` are the ingredients of the node hash, to tell why another result was a miss.
    `open_handles`: what a gate decided; None for every other node. `seconds` is the time it took to compute.
    `is_ordered`: whether the rows stand in the order that the operation defines, or in any. A sort defines none for
    rows with equal keys: they follow its input, whose order may be open.
    """

    node_hash: str
    outputs: Mapping[str, StoredTable]
    parts: Mapping[str, str] = field(default_factory=dict[str, str])
    open_handles: tuple[str, ...] | None = None
    written: Written | None = None
    seconds: float = 0.0
    created: str = ""
    is_ordered: bool = True


def manifest_name(node_hash: str) -> str:
    """The file of a node hash within the store."""
    return f"{MANIFESTS}/{node_hash[:2]}/{node_hash}.json"


def manifest_to_bytes(manifest: Manifest) -> bytes:
    """The content of a manifest's file: JSON with a checksum of everything else in it."""
    value = {
        **vars(manifest),
        "format": FORMAT_VERSION,
        "outputs": {
            handle: {**vars(table), "schema": schema_to_json(table.schema)}
            for handle, table in manifest.outputs.items()
        },
        "parts": dict(manifest.parts),
        "written": manifest.written and vars(manifest.written),
    }
    return with_checksum(value)


def manifest_from_bytes(content: bytes, node_hash: str) -> Manifest | None:
    """The manifest of a node hash; None for one of another format, whose fields mean other things.

    Raises:
        DamageError: the file is cut off, was changed, or belongs to another node.
    """
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        raise DamageError("it is no JSON text") from None
    if not isinstance(value, dict):
        raise DamageError("it is no JSON object")
    checksum = value.pop("checksum", None)
    if checksum is None and value.get("format") != FORMAT_VERSION:
        return None
    if checksum != json_checksum(value):
        raise DamageError("its checksum differs")
    if value.get("format") != FORMAT_VERSION:
        return None
    if value.get("node_hash") != node_hash:
        raise DamageError("it belongs to another node hash")
    try:
        return _parse_manifest(value)
    except (AttributeError, KeyError, TypeError, ValueError, SettingsError):
        raise DamageError("it has other fields than a manifest") from None


def is_of_later_format(content: bytes) -> bool:
    """Whether a manifest, if it is one, was written by a later version of this package."""
    try:
        version = json.loads(content).get("format")
    except (ValueError, RecursionError, AttributeError):
        return False
    return isinstance(version, int) and version > FORMAT_VERSION


def with_checksum(value: Mapping[str, Any]) -> bytes:
    """JSON text with a checksum of everything else in it."""
    return json.dumps({**value, "checksum": json_checksum(value)}, ensure_ascii=False, sort_keys=True).encode()


def json_checksum(value: Mapping[str, Any]) -> str:
    """sha256 (hex) of the JSON text with sorted keys and no spaces."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _parse_manifest(value: Mapping[str, Any]) -> Manifest:
    handles, written = value["open_handles"], value["written"]
    return Manifest(
        node_hash=value["node_hash"],
        outputs={
            handle: StoredTable(**{**table, "schema": schema_from_json(table["schema"])})
            for handle, table in value["outputs"].items()
        },
        parts=value["parts"],
        open_handles=None if handles is None else tuple(handles),
        written=None if written is None else Written(**written),
        seconds=value["seconds"],
        created=value["created"],
        is_ordered=value["is_ordered"],
    )
