"""Which of Polars' engines runs what."""

from __future__ import annotations

from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.engine.collect import Engine
from flowfile_dagster.flow.graph import ExecutionMode, FlowNode


def default_engine(mode: ExecutionMode) -> Engine:
    """Development keeps every order that an operation defines; performance leaves the choice to Polars."""
    return "in-memory" if mode == "development" else "auto"


def engine_that_runs(node: FlowNode, engine: Engine) -> Engine:
    """The engine that is behind a choice: sinks, where the choice is Polars', run on the streaming one."""
    return "streaming" if engine == "auto" and Trait.SINK in node.traits else engine
