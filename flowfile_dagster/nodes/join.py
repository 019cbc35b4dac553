"""Join two tables on equal keys. Left is the main input, right the right input.

Kept: unlisted columns stay; kept right keys stand at the end of inner and left joins, left keys at the end of right
joins; full joins keep both keys apart; semi and anti joins ignore the column lists; ``data_type`` of an entry and the
flags ``verify_integrity`` and ``auto_keep_*`` do nothing. Not kept: the helper column that a full join with a dropped
right key leaves behind in Flowfile. Rows come in the order of the left (right join: the right) input.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import polars as pl
from pydantic import field_validator, model_validator

from flowfile_dagster.columns.dtypes import generic_group
from flowfile_dagster.columns.lineage import ColumnLineage, ColumnOrigin, identity_lineage
from flowfile_dagster.columns.schema import refuse_patterns, rowless
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import TWO_INPUTS, MaybeSchema, NodeType, TableFacts, Trait
from flowfile_dagster.contract.settings import ColumnList, NodeSettings, SettingsBlock, TextOrEmpty
from flowfile_dagster.errors import MissingColumnError, SettingsError
from flowfile_dagster.nodes._columns import unused_name
from flowfile_dagster.nodes._join_columns import (
    JoinColumn,
    JoinSide,
    check_names,
    in_order,
    list_side,
    rename_overlap,
    working_names,
)
from flowfile_dagster.nodes._lookups_first import Lookup, Place, find_holders, join_by_holders

_MAPPING_FIELD = "join_input.join_mapping"


class JoinMap(SettingsBlock):
    """One pair of key columns; without a right one, both sides use the same name."""

    left_col: TextOrEmpty = ""
    right_col: TextOrEmpty = ""

    @model_validator(mode="before")
    @classmethod
    def _from_any_form(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"left_col": given, "right_col": given}
        if isinstance(given, (list, tuple)) and len(given) == 2:
            return {"left_col": given[0], "right_col": given[1]}
        if isinstance(given, dict) and given.get("right_col") is None:
            return {**given, "right_col": given.get("left_col")}
        return given


class JoinInput(SettingsBlock):
    """The keys, the column lists and the kind of join."""

    join_mapping: tuple[JoinMap, ...]
    left_select: ColumnList
    right_select: ColumnList
    how: Literal["inner", "left", "right", "full", "outer", "semi", "anti"] = "inner"

    @field_validator("join_mapping", mode="before")
    @classmethod
    def _from_one_name(cls, given: Any) -> Any:
        return [given] if isinstance(given, str) else given

    @field_validator("how", mode="before")
    @classmethod
    def _default_how(cls, given: Any) -> Any:
        return "inner" if given is None else given


class JoinSettings(NodeSettings):
    """Settings of `Join`."""

    join_input: JoinInput
    auto_generate_selection: bool = True


class Join(NodeType[JoinSettings]):
    """Join two tables on equal keys."""

    type = "join"
    Settings = JoinSettings
    ports = TWO_INPUTS
    traits = frozenset({Trait.WIDE})

    def traits_of(self, settings: JoinSettings) -> frozenset[Trait]:
        return self.traits | ({Trait.LOOKUP} if settings.join_input.how in ("inner", "left") else set())

    def check(self, settings: JoinSettings) -> None:
        pairs = [(pair.left_col, pair.right_col) for pair in settings.join_input.join_mapping]
        if not pairs:
            raise SettingsError(_MAPPING_FIELD, "is empty; name at least one pair of key columns")
        seen: set[tuple[str, str]] = set()
        for number, pair in enumerate(pairs):
            if pair in seen:
                raise SettingsError(f"{_MAPPING_FIELD}[{number}]", f"the pair {pair[0]!r} = {pair[1]!r} is there twice")
            seen.add(pair)

    def build(self, settings: JoinSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> pl.LazyFrame:
        self.check(settings)
        left, right = frames
        schemas = (context.schema_of(left), context.schema_of(right))
        _check_keys(settings, *schemas)
        pairs, how = settings.join_input.join_mapping, settings.join_input.how
        if how in ("semi", "anti"):
            keys = right.select(pl.col(list(dict.fromkeys(pair.right_col for pair in pairs))))
            left_on, right_on = [pair.left_col for pair in pairs], [pair.right_col for pair in pairs]
            order: Literal["left", "none"] = "left" if context.keeps_order else "none"
            return left.join(keys, left_on=left_on, right_on=right_on, how=how, maintain_order=order)
        sides = _sides(settings, *schemas)
        names = working_names(sides)
        left, right = map(_renamed, frames, schemas, names)
        left_on, right_on = [names[0][pair.left_col] for pair in pairs], [names[1][pair.right_col] for pair in pairs]
        if how == "right":
            left, right, left_on, right_on = right, left, right_on, left_on
        if how in ("full", "outer") and context.keeps_order:
            places = [unused_name(f"place {side}", {*names[0].values(), *names[1].values()}) for side in range(2)]
            joined = _full_join_in_order(left, right, left_on, right_on, places)
        else:
            joined = left.join(
                right,
                left_on=left_on,
                right_on=right_on,
                how="left" if how == "right" else "full" if how == "outer" else how,
                coalesce=False,
                maintain_order="left_right" if context.keeps_order else "none",
            )
            if how == "inner" and context.keeps_order:
                joined = in_order(joined)
        return joined.select(column.name for _, column in _output(how, *sides))

    def build_chain(
        self, chain: Sequence[JoinSettings], frames: Sequence[pl.LazyFrame], context: BuildContext, facts: TableFacts
    ) -> pl.LazyFrame | None:
        places = {column: Place(0, column) for column in context.schema_of(frames[0])}
        lookups: list[Lookup] = []
        for number, (settings, frame) in enumerate(zip(chain, frames[1:], strict=True), start=1):
            how, pairs = settings.join_input.how, settings.join_input.join_mapping
            columns = _output(how, *_sides(settings, places, context.schema_of(frame)))
            keys = tuple((places[pair.left_col], pair.right_col) for pair in pairs)
            lookups.append(Lookup(how == "inner", keys, width=sum(side for side, _ in columns)))
            places = {
                column.name: Place(number, column.source) if side else places[column.source] for side, column in columns
            }
        if not facts.deciding <= places.keys():
            return None
        holders = find_holders(lookups, facts.rows, facts.whole - {places[column].table for column in facts.deciding})
        return join_by_holders(frames, lookups, holders, places) if any(holders) else None

    def predict(
        self, settings: JoinSettings, inputs: Sequence[MaybeSchema], context: BuildContext
    ) -> Mapping[str, MaybeSchema]:
        left, right = inputs
        if left is None or right is None:
            return {"output-0": None}
        self.check(settings)
        _check_keys(settings, left, right)
        how = settings.join_input.how
        if how in ("semi", "anti"):
            return {"output-0": left}
        columns = _output(how, *_sides(settings, left, right))
        return {"output-0": pl.Schema((column.name, (left, right)[side][column.source]) for side, column in columns)}

    def lineage(self, settings: JoinSettings, inputs: Sequence[pl.Schema], output: pl.Schema) -> ColumnLineage | None:
        how = settings.join_input.how
        if how in ("semi", "anti"):
            return identity_lineage(output)
        columns = _output(how, *_sides(settings, inputs[0], inputs[1]))
        return {column.name: (ColumnOrigin(number, column.source),) for number, column in columns}


def _full_join_in_order(
    left: pl.LazyFrame, right: pl.LazyFrame, left_on: list[str], right_on: list[str], places: list[str]
) -> pl.LazyFrame:
    """The rows of the left side, then the right ones without a match, which Polars' streaming engine mixes although it
    is asked to keep the order. `places`: names for the numbers of the rows."""
    left, right = (side.with_row_index(place) for side, place in zip((left, right), places, strict=True))
    joined = left.join(right, left_on=left_on, right_on=right_on, how="full", coalesce=False)
    return joined.sort(places, nulls_last=True)


def _renamed(frame: pl.LazyFrame, schema: pl.Schema, names: Mapping[str, str]) -> pl.LazyFrame:
    """The columns of a side that take part, under their names during the join."""
    if list(names.items()) == [(name, name) for name in schema]:
        return frame
    return frame.select(pl.col(source).alias(name) for source, name in names.items())


def _sides(settings: JoinSettings, left: Collection[str], right: Collection[str]) -> tuple[JoinSide, JoinSide]:
    join = settings.join_input
    left_side = list_side(
        join.left_select, left, {pair.left_col for pair in join.join_mapping}, "join_input.left_select"
    )
    right_side = list_side(
        join.right_select, right, {pair.right_col for pair in join.join_mapping}, "join_input.right_select"
    )
    if settings.auto_generate_selection:
        right_side = rename_overlap(left_side, right_side)
    check_names(left_side, right_side)
    refuse_patterns(column.name for side in (left_side, right_side) for column in side.kept)
    return left_side, right_side


def _output(how: str, left: JoinSide, right: JoinSide) -> list[tuple[int, JoinColumn]]:
    """The delivered columns in order, each with the number of its input."""
    lefts, rights = [(0, column) for column in left.kept], [(1, column) for column in right.kept]
    if how in ("full", "outer"):
        return lefts + rights
    first, second = (rights, lefts) if how == "right" else (lefts, rights)
    return first + [item for item in second if not item[1].is_key] + [item for item in second if item[1].is_key]


def _check_keys(settings: JoinSettings, left: pl.Schema, right: pl.Schema) -> None:
    for number, pair in enumerate(settings.join_input.join_mapping):
        field = f"{_MAPPING_FIELD}[{number}]"
        if pair.left_col not in left:
            raise MissingColumnError(pair.left_col, left, f"{field}.left_col")
        if pair.right_col not in right:
            raise MissingColumnError(pair.right_col, right, f"{field}.right_col")
        types = left[pair.left_col], right[pair.right_col]
        if generic_group(types[0]) != generic_group(types[1]) or not _can_join(*types):
            raise SettingsError(
                field,
                f"{pair.left_col!r} is {types[0]} and {pair.right_col!r} is {types[1]}: "
                "keys need types that can be compared; convert one of them first",
            )


@lru_cache(maxsize=4096)
def _can_join(left: pl.DataType, right: pl.DataType) -> bool:
    try:
        frames = [rowless({"key": dtype}) for dtype in (left, right)]
        frames[0].join(frames[1], on="key").collect_schema()
    except pl.exceptions.PolarsError:
        return False
    return True
