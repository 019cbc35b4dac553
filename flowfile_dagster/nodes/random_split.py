"""Deal the rows at random to several outputs, such as train and test.

The rows are shuffled once and cut: each output but the last gets its percentage, rounded half to even, the last gets
the rest. Kept: outputs are in shuffled order, the same one as in Flowfile for the same seed. Without a seed every run
draws anew. All outputs share one shuffled table, so each row lands in exactly one of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl
from pydantic import model_validator

from flowfile_dagster.columns.lineage import ColumnLineage, identity_lineage
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import Frames, MaybeSchema, NodeType, Trait
from flowfile_dagster.contract.settings import NodeSettings, SettingsBlock

_MOST_SPLITS = 10


class Split(SettingsBlock):
    """One output."""

    name: str
    percentage: float


class RandomSplitSettings(NodeSettings):
    """Settings of `RandomSplit`."""

    splits: tuple[Split, ...] = (Split(name="train", percentage=80.0), Split(name="test", percentage=20.0))
    seed: int | None = None

    @model_validator(mode="after")
    def _check_splits(self) -> RandomSplitSettings:
        names = [split.name for split in self.splits]
        if not 1 <= len(names) <= _MOST_SPLITS:
            raise ValueError(f"splits: 1 to {_MOST_SPLITS} are possible, got {len(names)}")
        if len(set(names)) < len(names):
            raise ValueError(f"splits: names must differ, got {', '.join(names)}")
        for split in self.splits:
            if not split.name[:1].isalpha() or not split.name.replace("_", "a").isalnum():
                raise ValueError(f"splits: name {split.name!r} must be a letter, then letters, digits or _")
            if split.percentage <= 0:
                raise ValueError(f"splits: {split.name} needs more than {split.percentage} percent")
        total = sum(split.percentage for split in self.splits)
        if abs(total - 100) > 0.01:
            raise ValueError(f"splits: the percentages must sum to 100, not {total:g}")
        return self


class RandomSplit(NodeType[RandomSplitSettings]):
    """Deal the rows at random to several outputs."""

    type = "random_split"
    Settings = RandomSplitSettings
    traits = frozenset({Trait.WIDE, Trait.BARRIER, Trait.ORDER_SENSITIVE, Trait.ORDER_PRODUCING})

    def traits_of(self, settings: RandomSplitSettings) -> frozenset[Trait]:
        return self.traits | {Trait.VOLATILE, Trait.RANDOM} if settings.seed is None else self.traits

    def handles(self, settings: RandomSplitSettings) -> tuple[str, ...]:
        return tuple(split.name for split in settings.splits)

    def compute(self, settings: RandomSplitSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> Frames:
        (frame,) = frames
        table = context.collect(frame.sort(pl.int_range(0, pl.len()).shuffle(seed=settings.seed)))
        parts: dict[str, pl.LazyFrame] = {}
        begin = 0
        for index, split in enumerate(settings.splits):
            is_last = index == len(settings.splits) - 1
            length = None if is_last else round(table.height * split.percentage / 100.0)
            parts[f"output-{index}"] = table.slice(begin, length).lazy()
            begin += length or 0
        return parts

    def predict(
        self, settings: RandomSplitSettings, inputs: Sequence[MaybeSchema], context: BuildContext
    ) -> Mapping[str, MaybeSchema]:
        return {f"output-{index}": inputs[0] for index in range(len(settings.splits))}

    def lineage(
        self, settings: RandomSplitSettings, inputs: Sequence[pl.Schema], output: pl.Schema
    ) -> ColumnLineage | None:
        return identity_lineage(output)
