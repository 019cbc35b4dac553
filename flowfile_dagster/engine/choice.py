"""Which of Polars' engines runs what."""

from __future__ import annotations

from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.engine.collect import Engine
from flowfile_dagster.flow.graph import ExecutionMode, FlowNode
from flowfile_dagster.plan.segments import Segment


def default_engine(mode: ExecutionMode) -> Engine:
    """Development keeps every order that an operation defines; performance leaves the choice to Polars."""
    return "in-memory" if mode == "development" else "auto"


def engine_that_runs(segment: Segment, node: FlowNode, engine: Engine) -> Engine:
    """The engine that is behind a choice: bundles, and sinks where the choice is Polars', run on the streaming one."""
    is_streamed = segment.bundle is not None or Trait.SINK in node.traits
    return "streaming" if engine == "auto" and is_streamed else engine
