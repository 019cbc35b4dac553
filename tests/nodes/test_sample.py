from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.engine.collect import Engine
from flowfile_dagster.errors import SettingsError
from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import LiteralContext, NodeCase, assert_node, parse_settings, run_node

ROWS = pl.DataFrame({"a": range(5), "b": list("vwxyz")})
CASES = [
    NodeCase({"sample_size": 2}, (ROWS,)),
    NodeCase({"sample_method": "random", "sample_size": 2, "seed": 7}, (ROWS,)),
    NodeCase({"sample_method": "random_fraction", "fraction": 50, "seed": 7}, (ROWS,)),
]


def drawn(count: int, seed: int) -> pl.DataFrame:
    """The rows with the lowest places in a seeded shuffle, which is how Flowfile draws."""
    places = pl.int_range(0, 5, eager=True).shuffle(seed=seed)
    return ROWS.filter(places < count)


@pytest.mark.parametrize(("size", "height"), [(2, 2), (0, 0), (1000, 5)])
def test_first_rows_are_kept(size: int, height: int) -> None:
    assert_node("sample", {"sample_size": size}, [ROWS], ROWS.head(height))


@pytest.mark.parametrize(("size", "count"), [(3, 3), (0, 0), (-2, 0), (99, 5)])
def test_random_rows_stay_in_order(size: int, count: int) -> None:
    settings = {"sample_method": "random", "sample_size": size, "seed": 7}
    assert_node("sample", settings, [ROWS], drawn(count, 7))


@pytest.mark.parametrize(("percent", "count"), [(50.0, 2), (30.0, 2), (70.0, 4), (100.0, 5), (1.0, 0)])
def test_random_share_rounds_halves_to_even(percent: float, count: int) -> None:
    settings = {"sample_method": "random_fraction", "fraction": percent, "seed": 42}
    assert_node("sample", settings, [ROWS], drawn(count, 42))


@pytest.mark.parametrize(
    ("settings", "is_drawn"),
    [
        ({}, False),
        ({"sample_method": "random", "seed": 0}, False),
        ({"sample_method": "random"}, True),
        ({"sample_method": "random_fraction"}, True),
    ],
)
def test_only_a_draw_without_seed_is_volatile(settings: dict[str, Any], is_drawn: bool) -> None:
    traits = find_node_type("sample").traits_of(parse_settings("sample", settings))
    assert ({Trait.VOLATILE, Trait.RANDOM} <= traits) is is_drawn
    assert (Trait.VOLATILE in traits) is is_drawn


@pytest.mark.parametrize("method", ["random", "random_fraction"])
def test_random_rows_can_be_read_twice_in_one_plan(method: str) -> None:
    settings = {"sample_method": method, "sample_size": 2, "fraction": 40, "seed": 7}
    node, parsed = find_node_type("sample"), parse_settings("sample", settings)
    frame = node.build(parsed, [ROWS.lazy()], LiteralContext())
    assert isinstance(frame, pl.LazyFrame)
    for engine in ("in-memory", "streaming"):
        assert frame.join(frame, on="a").collect(engine=engine).height == 2
        first, second = pl.collect_all([frame, frame.select("a")], engine=engine)
        assert first["a"].to_list() == second["a"].to_list()


@pytest.mark.parametrize("seeds", [(7, 8), (7, None), (None, None)])
def test_draws_of_one_plan_are_independent(seeds: tuple[int | None, int | None]) -> None:
    rows, node = pl.DataFrame({"a": range(1000)}), find_node_type("sample")
    frames: list[Any] = []
    for seed in seeds:
        parsed = parse_settings("sample", {"sample_method": "random", "sample_size": 100, "seed": seed})
        frames.append(node.build(parsed, [rows.lazy()], LiteralContext()))
    engines: tuple[Engine, ...] = ("in-memory", "streaming")
    for engine in engines:
        first, second = pl.collect_all(frames, engine=engine)
        assert not first.equals(second)
        if seeds[0] is not None:
            assert first.equals(frames[0].collect())


def test_negative_number_of_first_rows_is_an_error() -> None:
    with pytest.raises(SettingsError, match="sample_size: must not be negative, got -1"):
        run_node("sample", {"sample_size": -1}, ROWS)


@pytest.mark.parametrize("fraction", [0, 101])
def test_share_outside_the_percentages_does_not_load(fraction: float) -> None:
    with pytest.raises(ValidationError, match="fraction must be above 0 and at most 100"):
        parse_settings("sample", {"sample_method": "random_fraction", "fraction": fraction})
    parse_settings("sample", {"sample_method": "first", "fraction": fraction})
