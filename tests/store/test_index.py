import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flowfile_dagster.store.index import (
    Manifest,
    StoredTable,
    Written,
    manifest_path,
    read_json,
    read_manifest,
    write_json,
    write_manifest,
)

SCHEMA = pl.Schema({"a": pl.Int64, "b": pl.Datetime("us", "UTC"), "c": pl.List(pl.Struct({"d": pl.Decimal(10, 2)}))})
TABLE = StoredTable("c" * 64, 100, 3, SCHEMA)
HASH = "ab" + "0" * 62
FULL = Manifest(
    HASH, {"output-0": TABLE, "output-1": TABLE}, {"settings": "s"}, ("output-1",), Written("/x", 1, 2), 0.5, "t"
)


@pytest.mark.parametrize("manifest", [FULL, Manifest(HASH, {}), Manifest(HASH, {"output-0": TABLE}, open_handles=())])
def test_manifest_survives_write_and_read(tmp_path: Path, manifest: Manifest) -> None:
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path, HASH) == manifest
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [f"{HASH}.json"]


def test_manifest_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert read_manifest(tmp_path, HASH) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"7", b"\xff\xfe", b'{"format": 1}', b"\0" * 100])
def test_garbage_is_no_manifest(tmp_path: Path, content: bytes) -> None:
    path = manifest_path(tmp_path, HASH)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert read_manifest(tmp_path, HASH) is None


@pytest.mark.parametrize(
    "change",
    [
        {"format": 0},
        {"node_hash": "other"},
        {"outputs": []},
        {"outputs": None},
        {"outputs": {"output-0": {}}},
        {"outputs": {"output-0": None}},
        {"outputs": {"output-0": {"content_hash": "c", "bytes": 1, "rows": 1, "schema": [["a", "List"]]}}},
        {"outputs": {"output-0": {"content_hash": "c", "bytes": 1, "rows": 1, "schema": [["a"]]}}},
        {"open_handles": 7},
        {"written": {"path": "x"}},
        {"written": 7},
    ],
)
def test_manifest_of_another_form_is_none(tmp_path: Path, change: dict[str, Any]) -> None:
    write_manifest(tmp_path, FULL)
    path = manifest_path(tmp_path, HASH)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert read_manifest(tmp_path, HASH) is None


def test_manifest_without_a_field_is_none(tmp_path: Path) -> None:
    write_manifest(tmp_path, FULL)
    path = manifest_path(tmp_path, HASH)
    whole = json.loads(path.read_text())
    for field in whole:
        path.write_text(json.dumps({name: value for name, value in whole.items() if name != field}))
        assert read_manifest(tmp_path, HASH) is None, field


def test_json_keeps_every_character(tmp_path: Path) -> None:
    value = {"name": "é \u2028 \x00 😀", "nested": [{"a": None}]}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == value
