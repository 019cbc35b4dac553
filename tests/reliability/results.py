"""Results that every process makes alike: those that are killed, and the one that looks at what they left."""

from __future__ import annotations

import polars as pl


def node_hash_of(number: int) -> str:
    """The node hash under which a writer stores its result of this number."""
    return f"{number:064x}"


def expected_table(number: int) -> pl.DataFrame:
    """The result of a number: up to some 15 MB, now and then 90 MB, the same in every process."""
    rows = 4_000_000 if number % 8000 == 3 else 1 + number * 7919 % 400_000
    index = pl.int_range(rows)
    return pl.select(a=index + number, b=(index * number).cast(pl.String), c=index / 7)
