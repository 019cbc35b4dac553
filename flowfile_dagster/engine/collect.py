"""The only place where a plan of nodes is run. Every call names its engine.

The store writes finished tables by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import current_thread, main_thread
from typing import Literal, TypeAlias, TypeVar

import polars as pl

from flowfile_dagster.engine.background import result_of, start

_Result = TypeVar("_Result")

#: ``auto`` is Polars' own choice; ``gpu`` needs the library that Polars names when it is missing.
Engine: TypeAlias = Literal["auto", "in-memory", "streaming", "gpu"]
#: Polars (1.39 to 1.44) takes the order of a join or a grouping for unobserved where a head of it is summed, sorted or
#: joined, although it decides which rows the head has. Where no order is needed, our plans do not ask for one.
_OPTIMIZATIONS = pl.QueryOptFlags(check_order_observe=False)


def collect(frame: pl.LazyFrame, engine: Engine = "in-memory") -> pl.DataFrame:
    """Run a plan. The in-memory engine keeps the order of rows that operations define, without being asked."""
    return _interruptible(lambda: frame.collect(engine=engine, optimizations=_OPTIMIZATIONS))


def collect_together(frames: Sequence[pl.LazyFrame], engine: Engine) -> list[pl.DataFrame]:
    """Run plans that share work, which is done once."""
    return _interruptible(lambda: pl.collect_all(frames, engine=engine, optimizations=_OPTIMIZATIONS))


def _interruptible(run: Callable[[], _Result]) -> _Result:
    """Let another thread run a plan for the main one, which alone hears that its run is terminated.

    Within Polars it would hear of it when the plan has ended, which may be in hours.
    """
    return result_of(start(run)) if current_thread() is main_thread() else run()
