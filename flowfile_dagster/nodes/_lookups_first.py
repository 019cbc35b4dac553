"""Joins in a row, in another order: what is looked up for a lookup is joined to it first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from flowfile_dagster.nodes._columns import unused_name

#: A lookup is small beside a table that has so many times as many rows; the joins of equal tables are equally dear.
_SMALL = 2
#: What a lookup may add to another one that is held in memory while it is joined.
_FEW_COLUMNS = 10


class Place(NamedTuple):
    """A column of one of the tables. Table 0 is the first one; table *n* is looked up by the *n*-th join."""

    table: int
    column: str


@dataclass(frozen=True)
class Lookup:
    """One of the joins, inner or left. `keys`: what is looked up, each with a column of the table that is joined.

    `width`: how many columns of that table are kept.
    """

    is_inner: bool
    keys: tuple[tuple[Place, str], ...]
    width: int


def find_holders(lookups: Sequence[Lookup], rows: Callable[[int], int | None], whole: Iterable[int]) -> tuple[int, ...]:
    """For each lookup the table that it is joined to; 0 is the first one, with all that is joined to that before.

    It is joined to the lookup in which its keys stand, where that gives the same rows and takes less. For this the one
    must be no larger than the other, and the other small beside the table that it is itself joined to; and of that
    table no rows may be dropped before, nor by a filtered lookup that is drawn between the two.

    Args:
        lookups: the joins in order.
        rows: how many rows a table has before settings drop some; None where that is not known.
        whole: the tables of which no setting drops rows.
    """
    holders: list[int] = []
    unfiltered, still_whole = frozenset(whole), set(whole)
    may_hold: set[int] = set()
    for number, lookup in enumerate(lookups, start=1):
        (table, *others) = {place.table for place, _ in lookup.keys}
        fits = not others and table in may_hold and _gives_the_same(lookups[table - 1], lookup)
        holder = table if fits and _takes_less(lookup, rows(number), rows(table), rows(holders[table - 1])) else 0
        if lookup.is_inner and number not in unfiltered:  # then it comes before what these would hold
            may_hold.difference_update(held for held, by in enumerate(holders, start=1) if by == holder)
        if holder in still_whole:
            may_hold.add(number)
        if lookup.is_inner:
            still_whole.discard(holder)
        holders.append(holder)
    return tuple(holders)


def _gives_the_same(lookup: Lookup, its_own: Lookup) -> bool:
    """An inner join drops rows; before a left join it would only drop what is looked up for them."""
    return lookup.is_inner or not its_own.is_inner


def _takes_less(lookup: Lookup, rows: int | None, of_holder: int | None, beside: int | None) -> bool:
    if rows is None or of_holder is None or beside is None:
        return False
    return rows <= of_holder and _SMALL * of_holder <= beside and lookup.width <= _FEW_COLUMNS


def join_by_holders(
    frames: Sequence[pl.LazyFrame],
    lookups: Sequence[Lookup],
    holders: Sequence[int],
    output: Mapping[str, Place],
) -> pl.LazyFrame:
    """The tables joined, each lookup to its holder; rows in any order. `output`: the columns by name."""
    names = _names(lookups, output)
    held: list[list[int]] = [[] for _ in frames]
    for number, holder in enumerate(holders, start=1):
        held[holder].append(number)
    joined = [_named(frame, table, names) for table, frame in enumerate(frames)]
    for table in reversed(range(len(frames))):  # a lookup stands behind its holder
        for number in held[table]:
            keys = lookups[number - 1].keys
            joined[table] = joined[table].join(
                joined[number],
                left_on=[names[place] for place, _ in keys],
                right_on=[names[Place(number, column)] for _, column in keys],
                how="inner" if lookups[number - 1].is_inner else "left",
                coalesce=False,
                maintain_order="none",
            )
    return joined[0].select(list(output))


def _names(lookups: Sequence[Lookup], output: Mapping[str, Place]) -> dict[Place, str]:
    """A name for every column that is delivered or compared: different ones, and those of the output."""
    names = {place: name for name, place in output.items()}
    taken = set(output)
    for number, lookup in enumerate(lookups, start=1):
        for place, column in lookup.keys:
            for key in (place, Place(number, column)):
                if key not in names:
                    names[key] = unused_name(f"key {key.table}.{key.column}", taken)
                    taken.add(names[key])
    return names


def _named(frame: pl.LazyFrame, table: int, names: Mapping[Place, str]) -> pl.LazyFrame:
    return frame.select(pl.col(place.column).alias(name) for place, name in names.items() if place.table == table)
