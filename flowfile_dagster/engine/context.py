"""What nodes get to see of the engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import polars as pl

from flowfile_dagster.columns.schema import refuse_patterns, schema_from_json, schema_to_json
from flowfile_dagster.contract.settings import ParameterValue
from flowfile_dagster.engine.collect import Engine, collect
from flowfile_dagster.engine.rendezvous import Rendezvous
from flowfile_dagster.flow.graph import FlowGraph
from flowfile_dagster.flow.parameters import parse_required_value
from flowfile_dagster.store.fingerprints import FileMemory

#: The frames of a node by handle.
NodeFrames: TypeAlias = Mapping[str, pl.LazyFrame]


@dataclass(frozen=True)
class NodeContext:
    """The `BuildContext` of the nodes of one flow. `known_schemas` are by identity of the frame.

    `found_schemas` remembers what was found in files; without it each is looked into.
    """

    graph: FlowGraph
    is_prediction: bool = False
    engine: Engine = "in-memory"
    keeps_order: bool = True
    found_schemas: FileMemory | None = None
    known_schemas: Mapping[int, pl.Schema] = field(default_factory=dict[int, pl.Schema])

    @property
    def parameters(self) -> dict[str, ParameterValue]:
        """The values of the flow's parameters."""
        return dict(self.graph.parameters)

    def parse_parameter(self, name: str, text: str) -> ParameterValue:
        """See `BuildContext.parse_parameter`."""
        return parse_required_value(self.graph.definitions[name], text)

    def resolve_path(self, text: str) -> Path:
        """See `FlowGraph.resolve_path`."""
        return self.graph.resolve_path(text)

    def collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Run a plan."""
        return collect(frame, self.engine)

    def alone(self) -> NodeContext:
        """The same for plans that are run by the way, such as those without rows that tell a type."""
        return self

    def sink(self, frame: pl.LazyFrame, to_file: Callable[[pl.LazyFrame], pl.LazyFrame]) -> int:
        """Run a plan and write its rows. Only the streaming engine has lazy sinks: another one collects first."""
        if self.engine == "streaming":
            heights: list[int] = []
            collect(to_file(_noting_heights(frame, heights)), "streaming")
            return sum(heights)
        table = self.collect(frame)
        collect(to_file(table.lazy()), "streaming")
        return table.height

    def schema_of(self, frame: pl.LazyFrame) -> pl.Schema:
        """The schema of a frame.

        Raises:
            DataError: Polars would take the name of a column for a pattern.
        """
        known = self.known_schemas.get(id(frame))
        if known:
            return known
        schema = frame.collect_schema()
        refuse_patterns(schema)
        return schema

    def recall_schema(self, path: Path, question: str, find: Callable[[], pl.Schema]) -> pl.Schema:
        """What `find` finds in a file, remembered as long as the file, `question` and Polars are the same."""
        if self.found_schemas is None:
            return find()
        asked = f"polars {pl.__version__}\n{question}"
        text = self.found_schemas.recall(path, asked, lambda: json.dumps(schema_to_json(find())))
        return schema_from_json(json.loads(text))


@dataclass(frozen=True)
class BundledContext(NodeContext):
    """The context of a segment that is collected together with others; `shared` are the frames that they share."""

    rendezvous: Rendezvous | None = None
    shared: Mapping[int, NodeFrames] = field(default_factory=dict[int, NodeFrames])

    def collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Run a plan together with those of the bundle."""
        table = None if self.rendezvous is None else self.rendezvous.collect(frame)
        return super().collect(frame) if table is None else table

    def alone(self) -> NodeContext:
        """See `NodeContext.alone`."""
        return replace(self, rendezvous=None)

    def sink(self, frame: pl.LazyFrame, to_file: Callable[[pl.LazyFrame], pl.LazyFrame]) -> int:
        """Write together with what the bundle collects."""
        if self.engine == "streaming" and self.rendezvous is not None:
            heights: list[int] = []
            if self.rendezvous.collect(to_file(_noting_heights(frame, heights))) is not None:
                return sum(heights)
        return super().sink(frame, to_file)


def _noting_heights(frame: pl.LazyFrame, heights: list[int]) -> pl.LazyFrame:
    """The same rows, whose number is noted piece by piece on their way into a file."""

    def note(piece: pl.DataFrame) -> pl.DataFrame:
        heights.append(piece.height)
        return piece

    return frame.map_batches(note, streamable=True)
