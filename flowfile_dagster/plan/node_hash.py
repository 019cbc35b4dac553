"""The node hash: what identifies a node's result before it is computed. Pure; knows no store and no clock.

It holds the format version, the node's type and its semantics version, the execution-relevant settings, the inputs
with slot and handle, the fingerprints of sources and Polars' major version, as sha256 over canonical JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowfile_dagster.compat import POLARS_MAJOR
from flowfile_dagster.flow.graph import FlowNode
from flowfile_dagster.flow.wiring import Input

HASH_FORMAT = 1

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode


def canonical_hash(value: Any) -> str:
    """sha256 (hex) of a JSON value, the same in every process and on every machine."""
    return hashlib.sha256(_encode(value).encode()).hexdigest()


def settings_hash(node: FlowNode) -> str:
    """What the node itself says, without its inputs: the static part, and Dagster's code version."""
    settings: Any = node.settings
    return canonical_hash(
        {
            "format": HASH_FORMAT,
            "type": node.node_type,
            "semantics": node.kind.semantics_version,
            "settings": None if settings is None else node.kind.identity(settings),
            "output_fields": None if node.output_fields is None else node.output_fields.model_dump(mode="json"),
        }
    )


@dataclass(frozen=True)
class NodeIdentity:
    """The ingredients of a node hash by name, and the hash."""

    parts: Mapping[str, str]
    node_hash: str


class NodeHashes:
    """The node hashes of one graph. Nothing is hashed twice, though a run asks when it plans and when it computes."""

    def __init__(self) -> None:
        self._settings: dict[int, str] = {}
        self._identities: dict[int, tuple[object, NodeIdentity]] = {}

    def identify(self, node: FlowNode, inputs: Sequence[Input], upstream: Sequence[str], sources: str) -> NodeIdentity:
        """The identity of a node; arguments as for `hash_parts`."""
        asked = (tuple(inputs), tuple(upstream), sources)
        last, identity = self._identities.get(node.node_id, (None, None))
        if identity is None or last != asked:
            if node.node_id not in self._settings:
                self._settings[node.node_id] = settings_hash(node)
            parts = hash_parts(self._settings[node.node_id], inputs, upstream, sources)
            identity = NodeIdentity(parts, combine(parts))
            self._identities[node.node_id] = (asked, identity)
        return identity


def hash_parts(own_settings: str, inputs: Sequence[Input], upstream: Sequence[str], sources: str) -> dict[str, str]:
    """The ingredients of a node hash by name.

    Args:
        own_settings: the node's `settings_hash`.
        inputs: those that take part.
        upstream: one hash for each of these, in order.
        sources: the fingerprint of what the node reads outside.
    """
    return {
        "settings": own_settings,
        "upstream": upstream_hash(inputs, upstream),
        "source": sources,
        "version": f"polars {POLARS_MAJOR}",
    }


def upstream_hash(inputs: Sequence[Input], upstream: Sequence[str]) -> str:
    """What a node is made of, as an ingredient: one hash per input, in order."""
    return canonical_hash([[item.slot, item.handle, hashed] for item, hashed in zip(inputs, upstream, strict=True)])


def combine(parts: Mapping[str, str]) -> str:
    """The node hash of its parts."""
    return canonical_hash(dict(parts))


def recipe_hash(parts: Mapping[str, str], contents: Sequence[str]) -> str:
    """What identifies a result by the contents of its inputs: a recomputed but equal input leads to the same one."""
    return canonical_hash({**parts, "upstream": "", "contents": list(contents)})


def explain_miss(parts: Mapping[str, str], previous: Mapping[str, str] | None) -> str:
    """Why a result is not there: the first ingredient that differs from the previous result's, or ``first``."""
    if previous is None:
        return "first"
    for name in ("version", "settings", "source", "upstream"):
        if parts.get(name) != previous.get(name):
            return name
    return "gone"
