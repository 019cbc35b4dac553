"""Node hash to manifest: what a node's result is, and where. Written last, so a file without one does not exist."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from flowfile_dagster.columns.schema import schema_from_json, schema_to_json
from flowfile_dagster.errors import SettingsError
from flowfile_dagster.store.blobs import published_by_replace

FORMAT_VERSION = 1


@dataclass(frozen=True)
class StoredTable:
    """One stored output: the hash and size of its Arrow file, its number of rows, its schema."""

    content_hash: str
    bytes: int
    rows: int
    schema: pl.Schema


@dataclass(frozen=True)
class Written:
    """The state of a file that a sink wrote, to notice when somebody changes it."""

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Manifest:
    """The result of one node.

    `outputs` by handle. `parts` are the ingredients of the node hash, to tell why another result was a miss.
    `open_handles`: what a gate decided; None for every other node. `seconds` is the time it took to compute.
    """

    node_hash: str
    outputs: Mapping[str, StoredTable]
    parts: Mapping[str, str] = field(default_factory=dict[str, str])
    open_handles: tuple[str, ...] | None = None
    written: Written | None = None
    seconds: float = 0.0
    created: str = ""


def manifest_path(folder: Path, node_hash: str) -> Path:
    """Where a node hash lives."""
    return folder / node_hash[:2] / f"{node_hash}.json"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Publish a manifest by replace."""
    value = asdict(manifest)
    value["format"] = FORMAT_VERSION
    value["outputs"] = {
        handle: {**asdict(table), "schema": schema_to_json(table.schema)} for handle, table in manifest.outputs.items()
    }
    write_json(manifest_path(folder, manifest.node_hash), value)


def read_manifest(folder: Path, node_hash: str) -> Manifest | None:
    """The manifest of a node hash; None where there is none that can be read in this format."""
    value = read_json(manifest_path(folder, node_hash))
    if value is None or value.get("format") != FORMAT_VERSION or value.get("node_hash") != node_hash:
        return None
    try:
        return _parse_manifest(value)
    except (AttributeError, KeyError, TypeError, ValueError, SettingsError):
        return None


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Publish a JSON file by replace."""
    with published_by_replace(path) as temporary:
        temporary.write_text(json.dumps(value, ensure_ascii=False, sort_keys=True), encoding="utf-8")


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object from a file; None where the file is absent or holds none."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


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
    )
