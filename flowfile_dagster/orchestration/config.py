"""What a project says about its flows besides the flow files: the same words in Python and in ``defs.yaml``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import dagster as dg
from pydantic import Field

from flowfile_dagster.engine.collect import Engine
from flowfile_dagster.flow.graph import ExecutionMode

_T = TypeVar("_T")


class NodeConfig(dg.Model, dg.Resolvable):
    """What is said of one node.

    Attributes:
        engine: which of Polars' engines runs it, where its result is collected.
        redact: columns of its result whose values previews do not show, nor those of columns made from them.
    """

    engine: Engine | None = None
    redact: Sequence[str] = ()


class FlowConfig(dg.Model, dg.Resolvable):
    """What is said of one flow; what is left out is as for all flows.

    Attributes:
        mode: ``development`` (one asset per node) or ``performance`` (one per fused segment).
        engine: which of Polars' engines runs the plans.
        redact: columns whose values previews do not show, in whichever node, nor those of columns made from them.
        nodes: by the node's name, as it stands in asset keys.
    """

    mode: ExecutionMode | None = None
    engine: Engine | None = None
    redact: Sequence[str] = ()
    nodes: dict[str, NodeConfig] = Field(default_factory=dict)


def first_given(*values: _T | None) -> _T | None:
    """The first value that is not None."""
    return next((value for value in values if value is not None), None)
