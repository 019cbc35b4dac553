"""Rows of a test as frames, and the flow in which they stand in for nodes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from flowfile_dagster.columns.dtypes import parse_dtype
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import NO_INPUT, NodeType
from flowfile_dagster.contract.settings import NodeSettings
from flowfile_dagster.flow.graph import FlowGraph
from flowfile_dagster.testing.cases import Rows


class Fixture(NodeType[NodeSettings]):
    """Stands in for a node and delivers the rows of a test."""

    type = "fixture"
    Settings = NodeSettings
    ports = NO_INPUT

    def __init__(self, node_id: int, frame: pl.LazyFrame) -> None:
        self._node_id = node_id
        self._frame = frame

    def identity(self, settings: NodeSettings) -> dict[str, Any]:
        return {"node": self._node_id}

    def build(self, settings: NodeSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> pl.LazyFrame:
        return self._frame


def with_fixtures(graph: FlowGraph, frames: Mapping[int, pl.LazyFrame]) -> FlowGraph:
    """The graph with frames in place of nodes."""
    nodes = {
        node_id: replace(node, kind=Fixture(node_id, frames[node_id]), settings=NodeSettings(), inputs=(), problem=None)
        if node_id in frames
        else node
        for node_id, node in graph.nodes.items()
    }
    return replace(graph, nodes=nodes)


def read_rows(rows: Rows, folder: Path) -> pl.LazyFrame:
    """The frame of a test's rows.

    Raises:
        OSError, ValueError, TypeError, pl.exceptions.PolarsError: the file cannot be read, or values do not fit.
    """
    types = {name: parse_dtype(text) for name, text in rows.types.items()}
    if rows.file is None:
        return _frame(rows.rows or (), types)
    path = folder / rows.file
    if path.suffix.lower() == ".json":
        return _frame(_objects(json.loads(path.read_text(encoding="utf-8")), path), types)
    return pl.scan_csv(path, infer_schema_length=None).with_columns(
        pl.col(name).cast(dtype) for name, dtype in types.items()
    )


def _objects(content: Any, path: Path) -> list[dict[str, Any]]:
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise ValueError(f'{path.name} must hold a list of objects, such as [{{"id": 1}}]')
    return content


def _frame(rows: Sequence[Mapping[str, Any]], types: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    names = dict.fromkeys([*(name for row in rows for name in row), *types])
    return pl.LazyFrame([_series(name, [row.get(name) for row in rows], types.get(name)) for name in names])


def _series(name: str, values: Sequence[Any], dtype: pl.DataType | None) -> pl.Series:
    """A column; whole numbers among others are floats, and text becomes what it is declared to be."""
    if any(isinstance(value, float) for value in values):
        values = [float(value) if isinstance(value, int) else value for value in values]
    found = pl.Series(name, values)
    return found if dtype is None else found.cast(dtype)
