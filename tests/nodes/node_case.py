"""Run one node on literal data: settings and frames in, frames out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl
from polars.testing import assert_frame_equal

from flowfile_dagster.contract.node_type import by_handle
from flowfile_dagster.contract.settings import ParameterValue
from flowfile_dagster.flow.document import ParameterDefinition, ParameterType
from flowfile_dagster.flow.parameters import parse_required_value
from flowfile_dagster.nodes import find_node_type


class LiteralContext:
    """A `BuildContext` that resolves paths under one folder."""

    def __init__(
        self,
        root: Path = Path(),
        *,
        is_prediction: bool = False,
        parameters: dict[str, ParameterValue] | None = None,
        engine: Literal["in-memory", "streaming"] = "in-memory",
    ) -> None:
        self.root = root
        self.keeps_order = True
        self.is_prediction = is_prediction
        self.parameters = parameters or {}
        self.engine = engine

    def parse_parameter(self, name: str, text: str) -> ParameterValue:
        types: dict[type, ParameterType] = {bool: "boolean", int: "integer", float: "float", str: "string"}
        return parse_required_value(ParameterDefinition(name=name, type=types[type(self.parameters[name])]), text)

    def resolve_path(self, text: str) -> Path:
        return (self.root / Path(text).expanduser()).resolve()

    def collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        return frame.collect(engine=self.engine)

    def sink(self, frame: pl.LazyFrame, to_file: Callable[[pl.LazyFrame], pl.LazyFrame]) -> int:
        to_file(frame).collect(engine="streaming")
        return frame.collect().height

    def schema_of(self, frame: pl.LazyFrame) -> pl.Schema:
        return frame.collect_schema()

    def recall_schema(self, path: Path, question: str, find: Callable[[], pl.Schema]) -> pl.Schema:
        return find()


def parse_settings(node_type: str, settings: dict[str, Any]) -> Any:
    """The validated settings of a node, as a flow file would give them."""
    return find_node_type(node_type).Settings.model_validate(settings)


def run_node(
    node_type: str, settings: dict[str, Any], *inputs: pl.DataFrame, context: LiteralContext | None = None
) -> dict[str, pl.DataFrame]:
    """All outputs of a node by handle; checks on the way that the prediction equals what is computed."""
    context = context or LiteralContext()
    node = find_node_type(node_type)
    parsed = parse_settings(node_type, settings)
    before = [frame.clone() for frame in inputs]
    node.check(parsed)
    frames = by_handle(node.compute(parsed, [frame.lazy() for frame in inputs], context))
    tables = {handle: context.collect(frame) for handle, frame in frames.items()}
    for frame, untouched in zip(inputs, before, strict=True):
        assert_frame_equal(frame, untouched)
    predicted = node.predict(
        parsed,
        [frame.schema for frame in inputs],
        LiteralContext(context.root, is_prediction=True, parameters=context.parameters),
    )
    for handle, table in tables.items():
        schema = predicted[handle]
        assert schema is None or schema == table.schema, f"{handle}: predicted {schema}, computed {table.schema}"
    assert len(tables) == len(node.handles(parsed))
    return tables


def assert_node(
    node_type: str,
    settings: dict[str, Any],
    inputs: Sequence[pl.DataFrame],
    expected: pl.DataFrame,
    *,
    check_row_order: bool = True,
    context: LiteralContext | None = None,
) -> None:
    """The node gives exactly `expected` on its first output: names, order of columns, dtypes, values."""
    assert_frame_equal(
        run_node(node_type, settings, *inputs, context=context)["output-0"], expected, check_row_order=check_row_order
    )


@dataclass(frozen=True)
class NodeCase:
    """A representative use of a node; `tests/every_node` runs the contract over the ``CASES`` of every mirror test.

    `settings` may be a function of a fresh folder, for nodes that read or write files.
    """

    settings: dict[str, Any] | Callable[[Path], dict[str, Any]]
    inputs: tuple[pl.DataFrame, ...] = ()
