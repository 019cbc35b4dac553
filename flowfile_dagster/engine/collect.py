"""The only place where a Polars plan is run. Every call names its engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import polars as pl

#: ``auto`` is Polars' own choice; ``gpu`` needs the library that Polars names when it is missing.
Engine: TypeAlias = Literal["auto", "in-memory", "streaming", "gpu"]


def collect(frame: pl.LazyFrame, engine: Engine = "in-memory") -> pl.DataFrame:
    """Run a plan. The in-memory engine keeps the order of rows that operations define, without being asked."""
    return frame.collect(engine=engine)


def collect_together(frames: Sequence[pl.LazyFrame], engine: Engine) -> list[pl.DataFrame]:
    """Run plans that share work, which is done once."""
    return pl.collect_all(frames, engine=engine)
