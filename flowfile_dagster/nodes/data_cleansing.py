"""Repair common faults: nulls, stray characters, white space and case.

First rows that are null in every column go, then columns that are null in every row of the input, then each chosen
column is cleaned by its type. Types never change. Kept: removing rows and columns ignores the choice of columns, and
columns stay when the input has no rows. Which columns remain is not known before the data is, so with
``remove_null_columns`` the schema is opaque.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import polars as pl

from flowfile_dagster.columns.dtypes import readable_group
from flowfile_dagster.columns.lineage import ColumnLineage, identity_lineage
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import MaybeSchema, NodeType, Trait
from flowfile_dagster.contract.settings import NodeSettings, SettingsBlock

_ASCII_PUNCTUATION = r"[!-/:-@\[-`{-~]"


class DataCleansingInput(SettingsBlock):
    """What is repaired."""

    remove_null_rows: bool = False
    remove_null_columns: bool = False
    selection_mode: Literal["all", "list"] = "all"
    selected_columns: tuple[str, ...] = ()
    replace_nulls_with_blank: bool = True
    replace_nulls_with_zero: bool = True
    trim_whitespace: bool = True
    normalize_whitespace: bool = False
    remove_all_whitespace: bool = False
    remove_letters: bool = False
    remove_numbers: bool = False
    remove_punctuation: bool = False
    case_mode: Literal["none", "uppercase", "lowercase", "titlecase"] = "none"


class DataCleansingSettings(NodeSettings):
    """Settings of `DataCleansing`."""

    cleansing_input: DataCleansingInput = DataCleansingInput()


class DataCleansing(NodeType[DataCleansingSettings]):
    """Repair common faults."""

    type = "data_cleansing"
    Settings = DataCleansingSettings
    traits = frozenset({Trait.NARROW})

    def traits_of(self, settings: DataCleansingSettings) -> frozenset[Trait]:
        if settings.cleansing_input.remove_null_columns:
            return frozenset({Trait.WIDE, Trait.BARRIER})
        return self.traits

    def build(
        self, settings: DataCleansingSettings, frames: Sequence[pl.LazyFrame], context: BuildContext
    ) -> pl.LazyFrame:
        if settings.cleansing_input.remove_null_columns:
            raise NotImplementedError("finding columns of nulls needs data: use compute")
        (frame,) = frames
        return _clean(settings.cleansing_input, frame, context.schema_of(frame))

    def compute(
        self, settings: DataCleansingSettings, frames: Sequence[pl.LazyFrame], context: BuildContext
    ) -> pl.LazyFrame:
        rules = settings.cleansing_input
        if not rules.remove_null_columns:
            return self.build(settings, frames, context)
        (frame,) = frames
        columns = context.schema_of(frame)
        counts = context.collect(frame.select(pl.len().alias("0"), *_null_counts(columns))).row(0)
        height = counts[0]
        empty = [name for name, nulls in zip(columns, counts[1:]) if height and nulls == height]
        return _clean(rules, frame, columns).drop(empty)

    def predict(
        self, settings: DataCleansingSettings, inputs: Sequence[MaybeSchema], context: BuildContext
    ) -> Mapping[str, MaybeSchema]:
        return {"output-0": None if settings.cleansing_input.remove_null_columns else inputs[0]}

    def lineage(
        self, settings: DataCleansingSettings, inputs: Sequence[pl.Schema], output: pl.Schema
    ) -> ColumnLineage | None:
        return identity_lineage(output)


def _clean(rules: DataCleansingInput, frame: pl.LazyFrame, columns: pl.Schema) -> pl.LazyFrame:
    if rules.remove_null_rows and columns:
        frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
    return frame.with_columns(_cleaned_columns(rules, columns))


def _null_counts(columns: pl.Schema) -> list[pl.Expr]:
    return [pl.col(name).null_count().alias(str(position)) for position, name in enumerate(columns, start=1)]


def _cleaned_columns(rules: DataCleansingInput, columns: pl.Schema) -> list[pl.Expr]:
    chosen = set(columns if rules.selection_mode == "all" else rules.selected_columns)
    cleaned: list[pl.Expr] = []
    for name, dtype in columns.items():
        if name not in chosen:
            continue
        group = readable_group(dtype)
        if group == "String":
            cleaned.append(_cleaned_text(rules, pl.col(name)))
        elif group == "Numeric" and rules.replace_nulls_with_zero:
            cleaned.append(pl.col(name).fill_null(strategy="zero"))
    return cleaned


def _cleaned_text(rules: DataCleansingInput, text: pl.Expr) -> pl.Expr:
    if rules.replace_nulls_with_blank:
        text = text.fill_null("")
    for is_wanted, pattern in (
        (rules.remove_letters, r"\p{L}"),
        (rules.remove_numbers, r"\d"),
        (rules.remove_punctuation, _ASCII_PUNCTUATION),
        (rules.remove_all_whitespace, r"\s"),
    ):
        if is_wanted:
            text = text.str.replace_all(pattern, "")
    if not rules.remove_all_whitespace:
        text = text.str.replace_all(r"\s+", " ") if rules.normalize_whitespace else text
        text = text.str.strip_chars() if rules.trim_whitespace else text
    return _in_case(rules, text)


def _in_case(rules: DataCleansingInput, text: pl.Expr) -> pl.Expr:
    if rules.case_mode == "uppercase":
        return text.str.to_uppercase()
    if rules.case_mode == "lowercase":
        return text.str.to_lowercase()
    return text.str.to_titlecase() if rules.case_mode == "titlecase" else text
