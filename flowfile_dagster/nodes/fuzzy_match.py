"""Pairs of rows whose texts are similar. Left is the main input, right the right input.

Kept: always an inner match, all mappings together; lower-cased comparison, nulls never match; columns in input order,
keys kept even if the list drops them, one score per mapping named ``<left>_vs_<right>_<type>``; above 100,000,000
pairs of distinct texts an approximate pre-filter. ``aggregate_output``, ``output_column_name``, ``valid`` and
``data_type`` do nothing. Not kept: rows with equal keys never disappear; score columns stand in the order of the
mappings, whatever the data; any ``how`` but inner is refused; one column pair may be used by several mappings. Rows
come in left order, the matches of one left row in the order in which the right keys first appear.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import polars as pl
from pydantic import field_validator

from flowfile_dagster.columns.lineage import ColumnLineage, ColumnOrigin
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import TWO_INPUTS, MaybeSchema, NodeType, Trait
from flowfile_dagster.contract.settings import ColumnList, NodeSettings, SettingsBlock
from flowfile_dagster.errors import DuplicateColumnError, MissingColumnError, SettingsError
from flowfile_dagster.nodes._join_columns import (
    RIGHT_SUFFIX,
    JoinColumn,
    JoinSide,
    check_names,
    in_order,
    list_side,
    rename_overlap,
)
from flowfile_dagster.nodes._optional import require_library

_MAPPING_FIELD = "join_input.join_mapping"


class FuzzyMap(SettingsBlock):
    """One pair of text columns, how to compare them, and how similar they must be in percent."""

    left_col: str
    right_col: str
    threshold_score: float = 80.0
    fuzzy_type: Literal["levenshtein", "jaro", "jaro_winkler", "hamming", "damerau_levenshtein", "indel"] = (
        "levenshtein"
    )


class FuzzyMatchInput(SettingsBlock):
    """The mappings and the column lists."""

    join_mapping: tuple[FuzzyMap, ...]
    left_select: ColumnList
    right_select: ColumnList
    how: Literal["inner", "left", "right", "full", "semi", "anti", "cross", "outer"] = "inner"

    @field_validator("how", mode="before")
    @classmethod
    def _default_how(cls, given: Any) -> Any:
        return "inner" if given is None else given


class FuzzyMatchSettings(NodeSettings):
    """Settings of `FuzzyMatch`."""

    join_input: FuzzyMatchInput


class FuzzyMatch(NodeType[FuzzyMatchSettings]):
    """Pairs of rows whose texts are similar."""

    type = "fuzzy_match"
    Settings = FuzzyMatchSettings
    ports = TWO_INPUTS
    traits = frozenset({Trait.WIDE, Trait.BARRIER})

    def check(self, settings: FuzzyMatchSettings) -> None:
        join = settings.join_input
        if not join.join_mapping:
            raise SettingsError(_MAPPING_FIELD, "is empty; name at least one pair of text columns")
        if join.how != "inner":
            raise SettingsError("join_input.how", f"{join.how!r} is not possible: a fuzzy match is always 'inner'")

    def compute(
        self, settings: FuzzyMatchSettings, frames: Sequence[pl.LazyFrame], context: BuildContext
    ) -> pl.LazyFrame:
        self.check(settings)
        tables = [context.collect(frame) for frame in frames]
        sides = _sides(settings, tables[0].schema, tables[1].schema)
        scores = _score_names(settings, sides)
        maps = settings.join_input.join_mapping
        keys = [
            _distinct_keys(tables[0], [entry.left_col for entry in maps], "left"),
            _distinct_keys(tables[1], [entry.right_col for entry in maps], "right"),
        ]
        pairs = _match(maps, keys, scores, context)
        left, right = (
            table.lazy().select(
                *(pl.col(column.source).alias(f"{label} column {place}") for place, column in enumerate(side.columns)),
                *(pl.col(name).alias(key) for name, key in zip(_key_columns(maps, label), _key_names(maps, label))),
            )
            for table, side, label in zip(tables, sides, ("left", "right"))
        )
        matched = left.join(pairs.lazy(), on=_key_names(maps, "left"), how="inner", maintain_order="left_right").join(
            right, on=_key_names(maps, "right"), how="inner", maintain_order="left_right"
        )
        return in_order(matched).select(
            *(
                pl.col(f"{label} column {place}").alias(column.name)
                for side, label in zip(sides, ("left", "right"))
                for place, column in enumerate(side.columns)
            ),
            *(pl.col(f"score {number}").alias(name) for number, name in enumerate(scores)),
        )

    def predict(
        self, settings: FuzzyMatchSettings, inputs: Sequence[MaybeSchema], context: BuildContext
    ) -> Mapping[str, MaybeSchema]:
        self.check(settings)
        require_library("pl_fuzzy_frame_match", self.type, "fuzzy")
        left, right = inputs
        if left is None or right is None:
            return {"output-0": None}
        sides = _sides(settings, left, right)
        columns = [
            (column.name, schema[column.source])
            for side, schema in zip(sides, (left, right))
            for column in side.columns
        ]
        return {"output-0": pl.Schema([*columns, *((name, pl.Float64()) for name in _score_names(settings, sides))])}

    def lineage(
        self, settings: FuzzyMatchSettings, inputs: Sequence[pl.Schema], output: pl.Schema
    ) -> ColumnLineage | None:
        sides = _sides(settings, inputs[0], inputs[1])
        origins = {
            column.name: (ColumnOrigin(number, column.source),)
            for number, side in enumerate(sides)
            for column in side.columns
        }
        compared = (
            (ColumnOrigin(0, entry.left_col), ColumnOrigin(1, entry.right_col))
            for entry in settings.join_input.join_mapping
        )
        return {**origins, **dict(zip(_score_names(settings, sides), compared))}


def _sides(settings: FuzzyMatchSettings, left: pl.Schema, right: pl.Schema) -> tuple[JoinSide, JoinSide]:
    join = settings.join_input
    _check_keys(join.join_mapping, left, right)
    left_keys, right_keys = ({entry.left_col for entry in join.join_mapping}, {e.right_col for e in join.join_mapping})
    left_side = _in_input_order(list_side(join.left_select, left, left_keys, "join_input.left_select"), left)
    right_side = _in_input_order(list_side(join.right_select, right, right_keys, "join_input.right_select"), right)
    right_side = _with_keys_kept(rename_overlap(left_side, right_side), left_side)
    left_side = replace(left_side, columns=tuple(replace(column, is_kept=True) for column in left_side.columns))
    check_names(left_side, right_side)
    return left_side, right_side


def _check_keys(maps: Sequence[FuzzyMap], left: pl.Schema, right: pl.Schema) -> None:
    for number, entry in enumerate(maps):
        for label, column, schema in (("left_col", entry.left_col, left), ("right_col", entry.right_col, right)):
            field = f"{_MAPPING_FIELD}[{number}].{label}"
            if column not in schema:
                raise MissingColumnError(column, schema, field)
            if schema[column] != pl.String:
                raise SettingsError(field, f"column {column!r} is {schema[column]}, but only String can be compared")


def _in_input_order(side: JoinSide, schema: pl.Schema) -> JoinSide:
    places = {name: place for place, name in enumerate(schema)}
    return JoinSide(tuple(sorted(side.columns, key=lambda column: places[column.source])))


def _with_keys_kept(right: JoinSide, left: JoinSide) -> JoinSide:
    """Keys are delivered even if the list drops them; one that still overlaps then gets a free name."""
    taken = {column.name for column in (*left.columns, *right.columns)}
    lefts = {column.name for column in left.columns}
    columns: list[JoinColumn] = []
    for column in right.columns:
        name = column.name
        if name in lefts:
            while name in taken:
                name += RIGHT_SUFFIX
            taken.add(name)
        columns.append(replace(column, name=name, is_kept=True))
    return JoinSide(tuple(columns))


def _score_names(settings: FuzzyMatchSettings, sides: tuple[JoinSide, JoinSide]) -> list[str]:
    lefts, rights = ({column.source: column.name for column in side.columns} for side in sides)
    seen: Counter[str] = Counter()
    names: list[str] = []
    for entry in settings.join_input.join_mapping:
        name = f"{lefts[entry.left_col]}_vs_{rights[entry.right_col]}_{entry.fuzzy_type}"
        names.append(f"{name}_{seen[name]}" if seen[name] else name)
        seen[name] += 1
    taken = {*lefts.values(), *rights.values()}
    for name in names:
        if name in taken:
            raise DuplicateColumnError(name, "it is a score column; rename the other one")
        taken.add(name)
    return names


def _key_names(maps: Sequence[FuzzyMap], label: str) -> list[str]:
    return [f"{label} key {number}" for number in range(len(maps))]


def _key_columns(maps: Sequence[FuzzyMap], label: str) -> Iterator[str]:
    return (entry.left_col if label == "left" else entry.right_col for entry in maps)


def _distinct_keys(table: pl.DataFrame, columns: Sequence[str], label: str) -> pl.DataFrame:
    """Each combination of keys once, in order of appearance: the library may then drop duplicates as it likes."""
    keys = [pl.col(column).alias(f"{label} key {number}") for number, column in enumerate(columns)]
    return table.select(keys).drop_nulls().unique(maintain_order=True).with_row_index(f"{label} row")


def _match(
    maps: Sequence[FuzzyMap], keys: Sequence[pl.DataFrame], scores: Sequence[str], context: BuildContext
) -> pl.DataFrame:
    """The matching combinations of keys with their scores, in order of appearance of left, then right keys.

    Every mapping gets columns of its own, because the library confuses mappings that share one.
    """
    require_library("pl_fuzzy_frame_match", "fuzzy_match", "fuzzy")
    from pl_fuzzy_frame_match import FuzzyMapping, fuzzy_match_dfs_with_context, fuzzy_match_temp_dir

    left, right = keys
    score_names = [f"score {number}" for number in range(len(scores))]
    if left.is_empty() or right.is_empty():
        schema = {**left.schema, **right.schema, **dict.fromkeys(score_names, pl.Float64())}
        return pl.DataFrame(schema=schema)
    mappings = [
        FuzzyMapping(
            f"left key {number}",
            f"right key {number}",
            threshold_score=entry.threshold_score,
            fuzzy_type=entry.fuzzy_type,
        )
        for number, entry in enumerate(maps)
    ]
    with fuzzy_match_temp_dir() as folder:
        found = fuzzy_match_dfs_with_context(
            left.lazy(), right.lazy(), mappings, logging.getLogger("pl_fuzzy_frame_match"), folder
        )
        pairs = context.collect(found)
    names = {
        f"left key {number}_vs_right key {number}_{entry.fuzzy_type}": score_names[number]
        for number, entry in enumerate(maps)
    }
    return pairs.rename(names).sort("left row", "right row")
