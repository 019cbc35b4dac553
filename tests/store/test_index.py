import json
import random
from typing import Any

import polars as pl
import pytest

from flowfile_dagster.store.index import (
    DamageError,
    Manifest,
    StoredTable,
    Written,
    manifest_from_bytes,
    manifest_name,
    manifest_to_bytes,
)

COLUMNS: dict[str, Any] = {
    "a": pl.Int64,
    "b": pl.Datetime("us", "UTC"),
    "c": pl.List(pl.Struct({"d": pl.Decimal(10, 2)})),
}
SCHEMA = pl.Schema(COLUMNS)
TABLE = StoredTable("c" * 32, 100, 3, SCHEMA)
HASH = "ab" + "0" * 62
FULL = Manifest(
    HASH, {"output-0": TABLE, "output-1": TABLE}, {"settings": "s"}, ("output-1",), Written("/é", 1, 2), 0.5, "t"
)


def with_checksum(value: dict[str, Any]) -> bytes:
    """A manifest that was written like this, rather than one that was damaged."""
    from flowfile_dagster.store.index import json_checksum

    rest = {name: item for name, item in value.items() if name != "checksum"}
    return json.dumps({**rest, "checksum": json_checksum(rest)}).encode()


@pytest.mark.parametrize(
    "manifest",
    [
        FULL,
        Manifest(HASH, {}),
        Manifest(HASH, {"output-0": TABLE}, open_handles=()),
        Manifest(HASH, {}, is_ordered=False),
    ],
)
def test_manifest_survives_write_and_read(manifest: Manifest) -> None:
    assert manifest_from_bytes(manifest_to_bytes(manifest), HASH) == manifest


def test_manifest_lies_under_its_node_hash() -> None:
    assert manifest_name(HASH) == f"nodes/ab/{HASH}.json"


GARBAGE = [b"", b"{", b"[]", b"null", b"7", b"\xff\xfe", b'{"format": 3}', b"\0" * 100, b"[" * 200_000]


@pytest.mark.parametrize("content", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_damage(content: bytes) -> None:
    with pytest.raises(DamageError):
        manifest_from_bytes(content, HASH)


def test_manifest_of_another_format_is_no_manifest_and_no_damage() -> None:
    value = json.loads(manifest_to_bytes(FULL))
    assert manifest_from_bytes(with_checksum({**value, "format": 4}), HASH) is None
    assert manifest_from_bytes(b'{"format": 1, "node_hash": "x"}', HASH) is None


def test_manifest_that_was_cut_off_or_changed_anywhere_is_damage() -> None:
    content, chance = manifest_to_bytes(FULL), random.Random(1)
    for _ in range(300):
        place = chance.randrange(len(content))
        flipped = content[place] ^ (1 << chance.randrange(8))
        for damaged in (content[:place], content[:place] + bytes([flipped]) + content[place + 1 :]):
            with pytest.raises(DamageError):
                manifest_from_bytes(damaged, HASH)


def test_manifest_of_another_node_is_damage() -> None:
    with pytest.raises(DamageError, match="another node hash"):
        manifest_from_bytes(manifest_to_bytes(FULL), "cd" * 32)


@pytest.mark.parametrize(
    "change",
    [
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
def test_manifest_of_another_form_is_damage(change: dict[str, Any]) -> None:
    value = json.loads(manifest_to_bytes(FULL))
    with pytest.raises(DamageError, match="other fields"):
        manifest_from_bytes(with_checksum({**value, **change}), HASH)


def test_manifest_without_a_field_is_no_manifest() -> None:
    value = json.loads(manifest_to_bytes(FULL))
    for field in value:
        rest = {name: item for name, item in value.items() if name != field}
        if field in ("checksum", "format"):
            continue
        with pytest.raises(DamageError):
            manifest_from_bytes(with_checksum(rest), HASH)
