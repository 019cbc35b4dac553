"""What happened to a segment in a run, told of its root; `fused` are the other nodes that took part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from flowfile_dagster.engine.collect import Engine
from flowfile_dagster.errors import NodeError
from flowfile_dagster.store.index import Manifest


@dataclass(frozen=True)
class NodeReused:
    """An equal result was there already. `damage` tells of its own stored result where that could not be used."""

    node_id: int
    manifest: Manifest
    fused: tuple[int, ...] = ()
    damage: str = ""


@dataclass(frozen=True)
class NodeComputed:
    """The node ran. `why`: what made it miss (``first``, ``settings``, ``source``, ``upstream``, ``version``, …).

    `engine` ran its plan. `damage` tells of the stored result where that was there and could not be used.
    """

    node_id: int
    manifest: Manifest
    why: str
    seconds: float
    engine: Engine
    fused: tuple[int, ...] = ()
    damage: str = ""


@dataclass(frozen=True)
class NodeSkipped:
    """The node did not run: `is_deliberate` where a gate decided so, else because an input failed."""

    node_id: int
    because: str
    is_deliberate: bool


@dataclass(frozen=True)
class NodeFailed:
    """The node failed."""

    node_id: int
    error: NodeError


NodeEvent: TypeAlias = NodeReused | NodeComputed | NodeSkipped | NodeFailed
