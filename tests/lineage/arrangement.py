"""Which columns a node reads to arrange its rows: to choose, match, order or group them. From the settings alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import polars as pl

from flowfile_dagster.flow.graph import FlowNode

#: The rows that these make depend on which values are equal and which is larger, and on nothing else of them.
COMPARING = {"group_by", "pivot", "record_id", "sort", "sql_query", "unique", "window_functions"}
#: Rows that are computed from values, so that there is no arrangement to keep.
COMPUTING_ROWS = {"explode_hierarchy"}


def arranging_columns(node: FlowNode, inputs: Sequence[pl.DataFrame]) -> list[set[str]]:
    """For each input the columns whose values decide about rows."""
    settings: Any = node.settings
    every = [set(frame.columns) for frame in inputs]
    match node.node_type:
        case "join" | "fuzzy_match":
            pairs = settings.join_input.join_mapping
            found = [{pair.left_col for pair in pairs}, {pair.right_col for pair in pairs}]
        case "sql_query":
            found = [_named(_sql_parts(node)[0] + _sql_parts(node)[1], columns) for columns in every]
        case _ if len(inputs) == 1:
            found = [_of_one_input(node.node_type, settings, every[0]) | _ordering_columns(node)]
        case _:
            found = [set() for _ in inputs]
    return [names & columns for names, columns in zip(found, every)]


def is_arranged_alike(node: FlowNode, before: pl.Series, after: pl.Series) -> bool:
    """Whether other values in a column leave the rows of a comparing node as they are."""
    settings: Any = node.settings
    if node.node_type == "pivot" and before.name == settings.pivot_input.pivot_column:
        return False
    if node.node_type == "sql_query" and _named(_sql_parts(node)[0], {before.name}):
        return False
    pattern = _order if before.name in _ordering_columns(node) else _equality
    return pattern(before).equals(pattern(after), null_equal=True)


def has_free_order(node: FlowNode) -> bool:
    """Whether the rows come in any order, another one each time."""
    return node.node_type == "sql_query" and "GROUP" in _sql_parts(node)[1] and "ORDER" not in _sql_parts(node)[1]


def _sql_parts(node: FlowNode) -> tuple[str, str]:
    """What decides which rows there are, and what groups and orders them."""
    settings: Any = node.settings
    _, _, clauses = re.sub(r"\s+", " ", settings.sql_query_input.sql_code).partition(" FROM ")
    (start, *_) = (*(match.start() for match in re.finditer(r" (?:GROUP|ORDER) BY ", clauses)), len(clauses))
    return clauses[:start], clauses[start:]


def _named(text: str, columns: set[str]) -> set[str]:
    return {name for name in columns if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)}


def _ordering_columns(node: FlowNode) -> set[str]:
    settings: Any = node.settings
    if node.node_type == "sql_query":
        return {name.strip() for name in re.split(r"\W+", _sql_parts(node)[1])}
    if node.node_type == "sort":
        return {key.column for key in settings.sort_input}
    return {key.column for key in settings.window_input.order_by} if node.node_type == "window_functions" else set()


def _order(values: pl.Series) -> pl.Series:
    return values.rank("dense")


def _equality(values: pl.Series) -> pl.Series:
    """For each value the number of the row where it stands first."""
    return values.to_frame("value").with_row_index().select(pl.col("index").first().over("value")).to_series()


def _of_one_input(node_type: str, settings: Any, columns: set[str]) -> set[str]:
    match node_type:
        case "filter":
            condition = settings.filter_input
            if condition.mode == "basic":
                return {condition.basic_filter.field}
            return set(re.findall(r"\[([^\]]*)\]", condition.advanced_filter))
        case "unique":
            return set(settings.unique_input.columns or columns)
        case "group_by":
            return {entry.old_name for entry in settings.columns if entry.is_key}
        case "pivot":
            return {*settings.pivot_input.index_columns, settings.pivot_input.pivot_column}
        case "record_id":
            return set(settings.record_id_input.groups)
        case "window_functions":
            return set(settings.window_input.partition_by)
        case "text_to_rows":
            split = settings.text_to_rows_input
            return {split.column_to_split, split.split_by_column or ""}
        case "data_cleansing":
            return columns if settings.cleansing_input.remove_null_rows else set()
        case _:
            return set()
