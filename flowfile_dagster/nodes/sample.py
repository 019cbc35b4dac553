"""Keep some rows: the first ones, a random number, or a random share of them.

Rows stay in their order. A random sample keeps the rows whose place in a seeded shuffle of 0..n-1 is low enough, the
same ones as in Flowfile. Kept: a share of 50 % of 5 rows is 2, because halves are rounded to even; a negative number
of random rows is none. Without a seed every run draws anew, but all consumers in a run see one draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal
from uuid import uuid4

import polars as pl
from pydantic import model_validator

from flowfile_dagster.columns.lineage import ColumnLineage, identity_lineage
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import MaybeSchema, NodeType, Trait
from flowfile_dagster.contract.settings import NodeSettings
from flowfile_dagster.errors import SettingsError
from flowfile_dagster.nodes._columns import unused_name


class SampleSettings(NodeSettings):
    """Settings of `Sample`; `fraction` is a percentage."""

    sample_method: Literal["first", "random", "random_fraction"] = "first"
    sample_size: int = 1000
    fraction: float = 10.0
    seed: int | None = None

    @model_validator(mode="after")
    def _check_fraction(self) -> SampleSettings:
        if self.sample_method == "random_fraction" and not 0 < self.fraction <= 100:
            raise ValueError(f"fraction must be above 0 and at most 100, got {self.fraction}")
        return self


class Sample(NodeType[SampleSettings]):
    """Keep some rows."""

    type = "sample"
    Settings = SampleSettings
    traits = frozenset({Trait.WIDE, Trait.ORDER_SENSITIVE})

    def traits_of(self, settings: SampleSettings) -> frozenset[Trait]:
        is_drawn = settings.sample_method != "first" and settings.seed is None
        return self.traits | {Trait.VOLATILE, Trait.RANDOM} if is_drawn else self.traits

    def check(self, settings: SampleSettings) -> None:
        if settings.sample_method == "first" and settings.sample_size < 0:
            raise SettingsError("sample_size", f"must not be negative, got {settings.sample_size}")

    def build(self, settings: SampleSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> pl.LazyFrame:
        (frame,) = frames
        if settings.sample_method == "first":
            return frame.head(settings.sample_size)
        place = pl.int_range(0, pl.len()).shuffle(seed=settings.seed)
        if settings.sample_method == "random":
            is_drawn = place < max(0, settings.sample_size)
        else:
            share = pl.len() * (settings.fraction / 100.0)
            is_drawn = place < share.round(mode="half_to_even").cast(pl.Int64)
        # A column of its own, because Polars 1.44 panics where plans share a filter that shuffles; and one name for
        # each draw, because Polars up to 1.43 takes plans that differ in a seed for the same.
        draw = uuid4().hex if settings.seed is None else f"drawn by {settings.seed}"
        drawn = unused_name(draw, context.schema_of(frame))
        return frame.with_columns(is_drawn.alias(drawn)).filter(drawn).drop(drawn)

    def predict(
        self, settings: SampleSettings, inputs: Sequence[MaybeSchema], context: BuildContext
    ) -> Mapping[str, MaybeSchema]:
        return {"output-0": inputs[0]}

    def snippet(self, settings: SampleSettings, inputs: Sequence[MaybeSchema], names: Sequence[str]) -> str | None:
        return f"{names[0]}.head({settings.sample_size})" if settings.sample_method == "first" else None

    def lineage(self, settings: SampleSettings, inputs: Sequence[pl.Schema], output: pl.Schema) -> ColumnLineage | None:
        return identity_lineage(output)
