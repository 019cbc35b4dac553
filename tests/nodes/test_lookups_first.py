"""Which joins go first. That the rows stay the same is tested with the join."""

import pytest

from flowfile_dagster.nodes._lookups_first import Lookup, Place, find_holders

ALL = {0, 1, 2, 3}


def inner(table: int) -> Lookup:
    return Lookup(is_inner=True, keys=((Place(table, "key"), "key"),), width=1)


def left(table: int) -> Lookup:
    return Lookup(is_inner=False, keys=((Place(table, "key"), "key"),), width=1)


@pytest.mark.parametrize(
    ("lookups", "rows", "holders"),
    [
        ([inner(0), inner(1)], [100, 50, 9], (0, 1)),
        ([inner(0), inner(1)], [100, 51, 9], (0, 0)),
        ([inner(0), inner(1)], [100, 50, 50], (0, 1)),
        ([inner(0), inner(1)], [100, 50, 51], (0, 0)),
        ([inner(0), inner(1)], [100, 50, None], (0, 0)),
        ([inner(0), inner(1)], [None, 50, 9], (0, 0)),
        ([inner(0), inner(1)], [100, None, 9], (0, 0)),
        ([inner(0), inner(0)], [100, 50, 9], (0, 0)),
        ([inner(0), inner(1), inner(2)], [100, 50, 20, 5], (0, 1, 2)),
        ([inner(0), inner(1), inner(2)], [100, 50, 40, 5], (0, 1, 0)),
        ([inner(0), inner(1), inner(1)], [100, 50, 20, 5], (0, 1, 1)),
        ([inner(0), inner(0), inner(1)], [100, 50, 20, 5], (0, 0, 1)),
    ],
)
def test_lookup_of_a_small_lookup_is_joined_to_it(
    lookups: list[Lookup], rows: list[int | None], holders: tuple[int, ...]
) -> None:
    assert find_holders(lookups, rows.__getitem__, ALL) == holders


def test_lookup_that_needs_two_tables_is_joined_to_the_first() -> None:
    both = Lookup(is_inner=True, keys=((Place(0, "a"), "a"), (Place(1, "b"), "b")), width=1)
    assert find_holders([inner(0), both], [100, 10, 10].__getitem__, ALL) == (0, 0)


@pytest.mark.parametrize(
    ("lookups", "holders"),
    [
        ([inner(0), left(1)], (0, 1)),
        ([left(0), left(1)], (0, 1)),
        ([left(0), inner(1)], (0, 0)),
    ],
)
def test_inner_join_stays_behind_a_left_join(lookups: list[Lookup], holders: tuple[int, ...]) -> None:
    assert find_holders(lookups, [100, 10, 10].__getitem__, ALL) == holders


@pytest.mark.parametrize(
    ("lookups", "whole", "holders"),
    [
        ([inner(0), inner(1)], {1, 2}, (0, 0)),
        ([inner(0), inner(1)], {0}, (0, 1)),
        ([inner(0), inner(0), inner(2)], ALL, (0, 0, 0)),
        ([left(0), inner(0), inner(2)], ALL, (0, 0, 2)),
        ([inner(0), inner(1), inner(2)], {0, 2, 3}, (0, 1, 0)),
        ([inner(0), inner(0), inner(1)], {0, 1, 3}, (0, 0, 0)),
        ([inner(0), left(0), inner(1)], {0, 1, 3}, (0, 0, 1)),
    ],
)
def test_lookup_of_rows_that_others_may_drop_waits_for_that(
    lookups: list[Lookup], whole: set[int], holders: tuple[int, ...]
) -> None:
    assert find_holders(lookups, [100, 10, 5, 2].__getitem__, whole) == holders


@pytest.mark.parametrize(("width", "holder"), [(10, 1), (11, 0)])
def test_lookup_that_adds_many_columns_is_joined_to_the_first(width: int, holder: int) -> None:
    """What is joined to a lookup is held in memory with it."""
    wide = Lookup(is_inner=True, keys=((Place(1, "key"), "key"),), width=width)
    assert find_holders([inner(0), wide], [100, 10, 10].__getitem__, ALL) == (0, holder)
