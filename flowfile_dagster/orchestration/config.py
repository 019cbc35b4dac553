"""What a project says about its flows besides the flow files: the same words in Python and in ``defs.yaml``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import dagster as dg
from pydantic import Field

from flowfile_dagster.contract.settings import ParameterValue
from flowfile_dagster.engine.collect import Engine
from flowfile_dagster.flow.graph import ExecutionMode
from flowfile_dagster.orchestration.partitions import Partitions

_T = TypeVar("_T")


class NodeConfig(dg.Model, dg.Resolvable):
    """What is said of one node.

    Attributes:
        engine: which of Polars' engines runs it, where its result is collected.
    """

    engine: Engine | None = None


class FlowConfig(dg.Model, dg.Resolvable):
    """What is said of one flow; what is left out is as for all flows.

    Attributes:
        mode: ``development`` (one asset per node) or ``performance`` (one per fused segment).
        engine: which of Polars' engines runs the plans.
        parameters: values of the flow's parameters, which replace the defaults that stand in the flow file.
        required_parameters: parameters that every run has to give; Flowfile itself knows only defaults.
        partitions: how the flow is partitioned, and the parameters that a partition sets.
        max_partitions_per_run: how many partitions of a backfill one run takes on; default: all of them.
        nodes: by the node's name, as it stands in asset keys.
    """

    mode: ExecutionMode | None = None
    engine: Engine | None = None
    parameters: Mapping[str, ParameterValue] = Field(default_factory=dict)
    required_parameters: Sequence[str] = ()
    partitions: Partitions | None = None
    max_partitions_per_run: int | None = Field(default=None, ge=1)
    nodes: Mapping[str, NodeConfig] = Field(default_factory=dict)


def first_given(*values: _T | None) -> _T | None:
    """The first value that is not None."""
    return next((value for value in values if value is not None), None)
