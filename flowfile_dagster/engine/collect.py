"""The only place where a Polars plan is run. Every call names its engine."""

from __future__ import annotations

import polars as pl


def collect(frame: pl.LazyFrame) -> pl.DataFrame:
    """Run a plan on the in-memory engine, which keeps the order of rows that operations define."""
    return frame.collect(engine="in-memory")
