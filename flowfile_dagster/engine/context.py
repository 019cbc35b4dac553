"""What nodes get to see of the engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from flowfile_dagster.contract.settings import ParameterValue
from flowfile_dagster.engine.collect import Engine, collect
from flowfile_dagster.flow.graph import FlowGraph


@dataclass(frozen=True)
class NodeContext:
    """The `BuildContext` of the nodes of one flow."""

    graph: FlowGraph
    is_prediction: bool = False
    engine: Engine = "in-memory"
    keeps_order: bool = True

    @property
    def parameters(self) -> dict[str, ParameterValue]:
        """The values of the flow's parameters."""
        return dict(self.graph.parameters)

    def resolve_path(self, text: str) -> Path:
        """See `FlowGraph.resolve_path`."""
        return self.graph.resolve_path(text)

    def collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Run a plan."""
        return collect(frame, self.engine)
