"""What moves when the values of one source column change while every row stays where it is.

The flow is run as it is, then again with other values in one column of one source. A node that chooses, matches,
orders or groups rows by changed values would give other rows, and columns would move that are not made of those values.
So such a node decides by the old values: they are put back into the columns that it decides by, and the new ones go
along in columns of their own, to take the place of those outputs that are nothing but a copy.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import polars as pl

from flowfile_dagster import Flow
from flowfile_dagster.contract.node_type import NODE_FAILURES, Trait, by_handle
from flowfile_dagster.contract.output_fields import apply_output_fields
from flowfile_dagster.engine.context import NodeContext
from flowfile_dagster.flow.graph import FlowNode, output_field_handles
from tests.lineage.arrangement import (
    COMPARING,
    COMPUTING_ROWS,
    arranging_columns,
    has_free_order,
    is_arranged_alike,
)

Tables = dict[str, pl.DataFrame]
Cell = tuple[int, str, str]

_ROW, _OLD, _NEW = "§row", "§old", "§new"


@dataclass
class Moves:
    """Columns by (node id, handle, name). `possible` has those too that only may be a copy of what changed."""

    certain: set[Cell] = field(default_factory=set)
    possible: set[Cell] = field(default_factory=set)


class Bench:
    """A flow on the bench: its results as they are, and as they would be with other values in a source column."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self._context = NodeContext(flow.graph)
        self.tables: dict[int, Tables] = {}
        for node in flow.nodes.values():
            if node.can_run and all(item.node_id in self.tables for item in node.inputs):
                made = self._run(node, self._inputs(node, self.tables))
                if made is not None:
                    self.tables[node.node_id] = made

    def sources(self) -> Iterator[tuple[int, str]]:
        """Every column that the flow reads, as (node id, name)."""
        for node_id, tables in self.tables.items():
            if not self.flow.nodes[node_id].inputs:
                yield from ((node_id, name) for name in tables["output-0"].columns)

    def moves(self, node_id: int, values: pl.Series) -> Moves:
        """What moves if the source `node_id` has these values in the column of their name."""
        found = Moves()
        certain, is_clear = self._rerun(node_id, values, takes_doubtful=False)
        found.certain = self._moved(certain)
        found.possible = found.certain
        if not is_clear:
            found.possible = found.certain | self._moved(self._rerun(node_id, values, takes_doubtful=True)[0])
        return found

    def _moved(self, tables: Mapping[int, Tables]) -> set[Cell]:
        return {
            (node_id, handle, name)
            for node_id, outputs in tables.items()
            for handle, table in outputs.items()
            if table is not self.tables[node_id][handle]
            for name in table.columns
            if not _is_equal(table[name], self.tables[node_id][handle][name])
        }

    def _rerun(self, source: int, values: pl.Series, *, takes_doubtful: bool) -> tuple[dict[int, Tables], bool]:
        tables: dict[int, Tables] = {}
        is_clear = True
        for node_id, before in self.tables.items():
            node = self.flow.nodes[node_id]
            old, new = self._inputs(node, self.tables), self._inputs(node, tables)
            if node_id == source:
                tables[node_id] = {handle: table.with_columns(values) for handle, table in before.items()}
            elif all(one is other for one, other in zip(old, new)) or _says_nothing(node):
                tables[node_id] = before
            else:
                made, was_clear = self._arranged(node, old, new, takes_doubtful=takes_doubtful)
                computes_rows = node.node_type in COMPUTING_ROWS or not _is_level(old, new)
                is_taken = made is not None and (
                    _is_alike(before, made) or (takes_doubtful and computes_rows and _has_same_columns(before, made))
                )
                tables[node_id] = made if made is not None and is_taken else before
                is_clear = is_clear and was_clear and node.node_type not in COMPUTING_ROWS
        return tables, is_clear

    def _arranged(
        self, node: FlowNode, old: list[pl.DataFrame], new: list[pl.DataFrame], *, takes_doubtful: bool
    ) -> tuple[Tables | None, bool]:
        """The node over `new`, its rows arranged as over `old`; and whether that could be told for every column."""
        if not _is_level(old, new):
            return self._run(node, new), True
        decisive = [
            {name for name in names if not before[name].equals(after[name], null_equal=True)}
            for names, before, after in zip(arranging_columns(node, old), old, new)
        ]
        if not any(decisive) or self._keeps_rows(node, old, new, decisive):
            return self._run(node, new), True
        if node.node_type in COMPARING:
            return self._run(
                node, [a.with_columns(b[n] for n in names) for a, b, names in zip(new, old, decisive)]
            ), True
        frozen = [
            after.with_columns(
                *(before[name] for name in names),
                *(before[name].alias(f"{_OLD} {number} {name}") for name in before.columns),
                *(after[name].alias(f"{_NEW} {number} {name}") for name in names),
            )
            for number, (before, after, names) in enumerate(zip(old, new, decisive))
        ]
        made = self._run(node, frozen, is_finished=False)
        if made is None:
            return None, True
        results = {handle: _with_copies(table, takes_doubtful=takes_doubtful) for handle, table in made.items()}
        is_clear = all(clear for _, clear in results.values())
        return _finished(node, {handle: table for handle, (table, _) in results.items()}), is_clear

    def _keeps_rows(
        self, node: FlowNode, old: list[pl.DataFrame], new: list[pl.DataFrame], decisive: list[set[str]]
    ) -> bool:
        if node.node_type in COMPARING:
            return all(
                is_arranged_alike(node, before[name], after[name])
                for before, after, names in zip(old, new, decisive)
                for name in names
            )
        first, second = (
            self._run(node, [frame.with_row_index(f"{_ROW} {number}") for number, frame in enumerate(frames)])
            for frames in (old, new)
        )
        if first is None or second is None:
            return False
        marks = [f"{_ROW} {number}" for number in range(len(old))]
        return all(
            set(marks) <= set(table.columns) and table.select(marks).equals(second[handle].select(marks))
            for handle, table in first.items()
        )

    def _inputs(self, node: FlowNode, tables: Mapping[int, Tables]) -> list[pl.DataFrame]:
        return [tables[item.node_id][item.handle] for item in node.inputs]

    def _run(self, node: FlowNode, inputs: Sequence[pl.DataFrame], *, is_finished: bool = True) -> Tables | None:
        settings: Any = node.settings
        try:
            frames = by_handle(node.kind.compute(settings, [frame.lazy() for frame in inputs], self._context))
            tables = {handle: self._context.collect(frame) for handle, frame in frames.items()}
            return _finished(node, tables) if is_finished else tables
        except NODE_FAILURES:
            return None


def _is_equal(one: pl.Series, other: pl.Series) -> bool:
    """Whether nothing moved; a sum of floats may come out a little different each time, by the order of its parts."""
    if one.equals(other, null_equal=True):
        return True
    if (
        one.dtype != other.dtype
        or not one.dtype.is_float()
        or len(one) != len(other)
        or not one.is_null().equals(other.is_null())
    ):
        return False
    return bool(((one - other).abs() <= 1e-9 * other.abs()).fill_null(value=True).all())


def _finished(node: FlowNode, tables: Tables) -> Tables:
    settings: Any = node.settings
    config = settings.output_field_config
    if config is None:
        return tables
    chosen = output_field_handles(node)
    return {
        handle: apply_output_fields(config, table.lazy()).collect() if handle in chosen else table
        for handle, table in tables.items()
    }


def _says_nothing(node: FlowNode) -> bool:
    """Code ends a trace; what draws lots, or gives rows in any order, would move by itself."""
    return bool(node.traits & {Trait.RANDOM, Trait.VOLATILE, Trait.RUNS_USER_CODE}) or has_free_order(node)


def _is_alike(before: Tables, after: Tables) -> bool:
    return _has_same_columns(before, after) and all(
        table.height == after[handle].height for handle, table in before.items()
    )


def _has_same_columns(before: Tables, after: Tables) -> bool:
    return all(table.columns == after[handle].columns for handle, table in before.items())


def _is_level(old: Sequence[pl.DataFrame], new: Sequence[pl.DataFrame]) -> bool:
    return all(before.height == after.height for before, after in zip(old, new))


def _with_copies(table: pl.DataFrame, *, takes_doubtful: bool) -> tuple[pl.DataFrame, bool]:
    """New values in the columns that are a copy of an old one; without the columns that went along."""
    kept = [name for name in table.columns if not name.startswith((_OLD, _NEW))]
    old = {name.removeprefix(_OLD): table[name] for name in table.columns if name.startswith(_OLD)}
    new = {name.removeprefix(_NEW): table[name] for name in table.columns if name.startswith(_NEW)}
    is_clear = True
    changed: list[pl.Series] = []
    for name in kept:
        alike = [key for key, values in old.items() if values.equals(table[name], null_equal=True)]
        moving = [key for key in alike if key in new]
        if moving and len(alike) > 1:
            is_clear = False
        if moving and (len(alike) == 1 or takes_doubtful):
            changed.append(new[moving[0]].alias(name))
    return table.select(kept).with_columns(changed), is_clear


def other_values(column: pl.Series) -> Iterator[pl.Series]:
    """The column with other values of its type, in many ways: some leave the order as it is, some go far."""
    name, dtype = column.name, column.dtype
    distinct = column.unique(maintain_order=True)
    with contextlib.suppress(pl.exceptions.PolarsError):
        yield column.replace_strict(distinct, distinct.tail(-1).append(distinct.head(1)), return_dtype=dtype)
    for expression in _expressions(dtype):
        try:
            changed = column.to_frame().with_columns(expression(pl.col(name)).alias(name))[name]
        except pl.exceptions.PolarsError:
            continue
        if changed.dtype == dtype and not changed.equals(column, null_equal=True):
            yield changed


def _expressions(dtype: pl.DataType) -> Iterator[Callable[[pl.Expr], pl.Expr]]:
    def cast(expression: pl.Expr) -> pl.Expr:
        return expression.cast(dtype, strict=False)

    if dtype.is_integer() or dtype.is_float() or dtype.is_decimal():
        yield lambda column: cast(column.cast(pl.Float64) * 2 + 1 if dtype.is_float() else column + 1)
        yield lambda column: cast(column * 3)
        yield lambda column: cast(-column)
        yield lambda column: cast(column * 1000 + 500)
        yield lambda column: cast(column.cast(pl.Float64) / 1000)
        yield lambda column: cast(column - column + 7)
    elif isinstance(dtype, pl.String):
        yield lambda column: column + "q"
        yield lambda column: pl.lit("Z") + column
        yield (
            lambda column: (
                pl.when(column.str.to_uppercase() == column)
                .then(column.str.to_lowercase())
                .otherwise(column.str.to_uppercase())
            )
        )
        yield lambda column: column.str.replace_all(r"[1-8]", "9")
        yield lambda column: column.str.slice(1)
        yield lambda column: pl.lit(" ") + column + "  x1!"
        yield lambda column: pl.lit("")
    elif isinstance(dtype, pl.Boolean):
        yield lambda column: ~column
    elif isinstance(dtype, (pl.Date, pl.Datetime)):
        yield lambda column: cast(column + timedelta(days=400))
        yield lambda column: cast(column + timedelta(days=1, hours=5, minutes=7, seconds=11, milliseconds=13))
        yield lambda column: cast(column - timedelta(days=9000))
    elif isinstance(dtype, (pl.Time, pl.Duration)):
        yield lambda column: cast(column.to_physical() // 2)
    yield lambda column: column.reverse()
    yield lambda column: pl.concat([column.head(1), column.slice(1).reverse()])
    yield lambda column: pl.concat([column.tail(1), column.head(pl.len() - 1)])
    yield lambda column: pl.when(pl.int_range(pl.len()) % 2 == 0).then(column)
    yield lambda column: pl.lit(None, dtype=dtype)
    yield lambda column: column.fill_null(column.drop_nulls().first())
