from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import NodeCase, parse_settings, run_node

ROWS = pl.DataFrame({"a": range(10), "b": list("abcdefghij")})


def splits(*percentages: float, **settings: Any) -> dict[str, Any]:
    names = [{"name": f"part_{index}", "percentage": share} for index, share in enumerate(percentages)]
    return {"splits": names, **settings}


CASES = [NodeCase({"seed": 1}, (ROWS,)), NodeCase(splits(33.3, 33.3, 33.4, seed=1), (ROWS,))]


def test_rows_come_in_the_order_of_a_seeded_shuffle() -> None:
    outputs = run_node("random_split", {"seed": 11}, ROWS)
    shuffled = ROWS.with_columns(place=pl.int_range(0, pl.len()).shuffle(seed=11)).sort("place").drop("place")
    assert_frame_equal(outputs["output-0"], shuffled.head(8))
    assert_frame_equal(outputs["output-1"], shuffled.tail(2))


@pytest.mark.parametrize(
    ("percentages", "heights"),
    [
        ((25, 75), [2, 8]),
        ((35, 65), [4, 6]),
        ((100,), [10]),
        ((33.3, 33.3, 33.4), [3, 3, 4]),
        ((2, 2, 96), [0, 0, 10]),
        ((36, 36, 27, 1), [4, 4, 2, 0]),
    ],
)
def test_sizes_are_rounded_half_to_even_and_the_last_takes_the_rest(
    percentages: tuple[float, ...], heights: list[int]
) -> None:
    outputs = run_node("random_split", splits(*percentages, seed=3), ROWS)
    assert [table.height for table in outputs.values()] == heights


def test_without_seed_every_row_lands_in_one_output() -> None:
    outputs = run_node("random_split", splits(30, 30, 40), ROWS)
    assert sorted(value for table in outputs.values() for value in table["a"]) == list(range(10))


def test_handles_are_the_names_and_a_missing_seed_is_volatile() -> None:
    node = find_node_type("random_split")
    settings = parse_settings("random_split", {})
    assert node.handles(settings) == ("train", "test")
    assert {Trait.VOLATILE, Trait.RANDOM, Trait.BARRIER} <= node.traits_of(settings)
    assert Trait.VOLATILE not in node.traits_of(parse_settings("random_split", {"seed": 0}))


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        (splits(), "1 to 10 are possible, got 0"),
        (splits(*[5.0] * 11), "1 to 10 are possible, got 11"),
        (splits(50, 49.9), "must sum to 100, not 99.9"),
        (splits(110, -10), "part_1 needs more than -10.0 percent"),
        ({"splits": [{"name": "a", "percentage": 50}] * 2}, "names must differ, got a, a"),
        ({"splits": [{"name": "1a", "percentage": 100}]}, "name '1a' must be a letter"),
        ({"splits": [{"name": "a-b", "percentage": 100}]}, "name 'a-b' must be a letter"),
        ({"splits": [{"name": "", "percentage": 100}]}, "name '' must be a letter"),
    ],
)
def test_bad_splits_do_not_load(settings: dict[str, Any], cause: str) -> None:
    with pytest.raises(ValidationError, match=cause):
        parse_settings("random_split", settings)
