"""Refs: which node hash the latest materialization of a key has, and the one that each run made.

refs/<key…>.json                    the latest
refs/<key…>.runs/<run id>.json      one for each run, for its own steps and as the history of the key
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from urllib.parse import quote

from flowfile_dagster.store.index import json_checksum, with_checksum

REFS = "refs"

#: Longer parts of a key are cut and told apart by a hash: file systems allow 255 bytes.
MAX_NAME = 120
_RUNS = ".runs"


@dataclass(frozen=True)
class Ref:
    """What a materialization of a key points to. `run_id` is empty where it was made by none."""

    node_hash: str
    handle: str
    run_id: str = ""


def of_partition(key: Sequence[str], partition: str | None) -> tuple[str, ...]:
    """The key of the results of one partition; the key itself for what has none."""
    return tuple(key) if partition is None else (*key, f"@{partition}")


def ref_name(key: Sequence[str], run_id: str = "") -> str:
    """The file of a key's latest ref, or of a run's, within the store."""
    *folders, last = [_safe(part) for part in key]
    name = f"{last}{_RUNS}/{_safe(run_id)}" if run_id else last
    return "/".join([REFS, *folders, f"{name}.json"])


def runs_folder(key: Sequence[str]) -> str:
    """The folder of the runs' refs of a key, within the store."""
    return f"{ref_name(key).removesuffix('.json')}{_RUNS}"


def key_of_run_ref(name: str) -> str | None:
    """What the runs' refs of one key have in common in their names; None for the name of a latest ref."""
    folder = name.rpartition("/")[0]
    return folder if folder.endswith(_RUNS) else None


def ref_to_bytes(ref: Ref, name: str) -> bytes:
    """The content of a ref's file, which tells the name of the file."""
    return with_checksum({**asdict(ref), "name": name})


def ref_from_bytes(content: bytes | None, name: str | None = None) -> Ref | None:
    """The ref in a file's content; None where there is none, or it is not as it was written, under `name` if given."""
    try:
        value = json.loads(content or b"")
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    checksum = value.pop("checksum", None)  # older refs have none, nor a name
    if checksum is not None and checksum != json_checksum(value):
        return None
    if name is not None and value.get("name", name) != name:
        return None
    ref = Ref(*(str(value.get(field) or "") for field in ("node_hash", "handle", "run_id")))
    return ref if ref.node_hash else None


def _safe(part: str) -> str:
    """A part of a key as a file name: it holds no dot, so that no key looks like a folder of runs."""
    name = quote(part, safe="").replace(".", "%2E") or "%"
    return name if len(name) <= MAX_NAME else f"{name[:MAX_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
