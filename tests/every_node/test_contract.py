"""What every node type promises, over the representative uses (``CASES``) in its mirror test.

A node type without a mirror test, or without cases, fails here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flowfile_dagster.columns.lineage import ColumnLineage
from flowfile_dagster.contract.node_type import NodeType, Trait, by_handle
from flowfile_dagster.nodes import find_node_type, node_type_names
from tests.nodes.node_case import LiteralContext, NodeCase

NAMES = [name for name in node_type_names() if find_node_type(name).__module__ == f"flowfile_dagster.nodes.{name}"]
#: These choose or arrange rows by their values, so a value may move columns that are not made of it.
ROWS_DEPEND_ON_VALUES = {"filter", "fuzzy_match", "join", "sort", "unique"}


def cases_of(name: str) -> list[NodeCase]:
    module = f"tests.nodes.test_{name}"
    return list(getattr(import_module(module), "CASES", [])) if find_spec(module) else []


CASES = {f"{name}-{index}": (name, case) for name in NAMES for index, case in enumerate(cases_of(name))}


class Use:
    """A case with everything that its node needs."""

    def __init__(self, name: str, case: NodeCase, folder: Path) -> None:
        self.node: NodeType[Any] = find_node_type(name)
        given = case.settings(folder) if callable(case.settings) else case.settings
        self.settings: Any = self.node.Settings.model_validate(given)
        self.inputs = case.inputs
        self.context = LiteralContext(folder)
        self.traits = self.node.traits_of(self.settings)

    def run(self, *inputs: pl.DataFrame) -> dict[str, pl.DataFrame]:
        frames = by_handle(self.node.compute(self.settings, [frame.lazy() for frame in inputs], self.context))
        return {handle: self.context.collect(frame) for handle, frame in frames.items()}

    def predict(self) -> Mapping[str, pl.Schema | None]:
        context = LiteralContext(self.context.root, is_prediction=True)
        return self.node.predict(self.settings, [frame.schema for frame in self.inputs], context)

    def lineage(self, output: pl.Schema) -> ColumnLineage | None:
        return self.node.lineage(self.settings, [frame.schema for frame in self.inputs], output)


@pytest.fixture
def use(request: pytest.FixtureRequest, tmp_path: Path) -> Use:
    name, case = request.param
    return Use(name, case, tmp_path)


every_case = pytest.mark.parametrize("use", CASES.values(), ids=CASES, indirect=True)


@pytest.mark.parametrize("name", NAMES)
def test_node_type_has_a_mirror_test_with_cases(name: str) -> None:
    assert cases_of(name), f"tests/nodes/test_{name}.py needs a list CASES"


@every_case
def test_case_is_configured_right(use: Use) -> None:
    use.node.check(use.settings)
    count, ports = len(use.inputs), use.node.ports
    assert ports.minimum <= count
    assert ports.maximum is None or count <= ports.maximum


@every_case
def test_prediction_equals_reality(use: Use) -> None:
    predicted = use.predict()
    for handle, table in use.run(*use.inputs).items():
        schema = predicted[handle]
        assert schema is None or list(schema.items()) == list(table.schema.items()), handle
    assert list(predicted) == [f"output-{index}" for index in range(len(use.node.handles(use.settings)))]


@every_case
def test_input_without_rows_gives_the_same_schema(use: Use) -> None:
    predicted = use.predict()
    if not use.inputs or None in predicted.values():
        return
    for handle, table in use.run(*(frame.clear() for frame in use.inputs)).items():
        assert list(table.schema.items()) == list((predicted[handle] or {}).items()), handle


@every_case
def test_opaque_input_never_breaks_the_prediction(use: Use) -> None:
    if use.inputs:
        opaque = use.node.predict(use.settings, [None] * len(use.inputs), LiteralContext(is_prediction=True))
        assert list(opaque) == list(use.predict())


@every_case
def test_lineage_covers_exactly_the_output_columns_and_names_input_columns_only(use: Use) -> None:
    for table in use.run(*use.inputs).values():
        lineage = use.lineage(table.schema)
        if lineage is None:
            continue
        assert list(lineage) == table.columns
        for origins in lineage.values():
            assert len(set(origins)) == len(origins)
            for origin in origins:
                assert origin.column in use.inputs[origin.input].columns


@every_case
def test_column_that_moves_with_an_input_column_lists_it(use: Use) -> None:
    if use.node.type in ROWS_DEPEND_ON_VALUES or use.traits & {Trait.VOLATILE, Trait.RANDOM}:
        return
    before = use.run(*use.inputs)
    for index, column, inputs in _with_one_column_moved(use.inputs):
        try:
            after = use.run(*inputs)
        except (pl.exceptions.PolarsError, ValueError):
            continue
        for handle, table in before.items():
            lineage = use.lineage(table.schema)
            other = after[handle]
            if lineage is None or table.schema != other.schema or table.height != other.height:
                continue
            for name in table.columns:
                if not table[name].equals(other[name], null_equal=True):
                    assert (index, column) in lineage[name], f"{handle}: {name} depends on {column} of input {index}"


@every_case
def test_plan_is_built_without_running_what_is_above_unless_the_node_is_a_barrier(use: Use) -> None:
    def fail(table: pl.DataFrame) -> pl.DataFrame:
        raise AssertionError("the plan of an input was run")

    if Trait.BARRIER in use.traits:
        return
    inputs = [frame.lazy().map_batches(fail, schema=frame.schema) for frame in use.inputs]
    make = use.node.compute if Trait.RUNS_USER_CODE in use.traits else use.node.build
    frames = by_handle(make(use.settings, inputs, use.context))
    assert all(isinstance(frame, pl.LazyFrame) for frame in frames.values())
    assert list(frames) == [f"output-{index}" for index in range(len(use.node.handles(use.settings)))]


@every_case
def test_settings_and_frames_are_left_as_they_were(use: Use) -> None:
    frames = [frame.clone() for frame in use.inputs]
    settings = use.settings.model_copy(deep=True)
    use.predict()
    use.run(*use.inputs)
    assert use.settings == settings
    for frame, before in zip(use.inputs, frames, strict=True):
        assert_frame_equal(frame, before)


@every_case
def test_running_twice_gives_the_same(use: Use) -> None:
    if Trait.VOLATILE in use.traits:
        return
    first, second = use.run(*use.inputs), use.run(*use.inputs)
    assert list(first) == list(second)
    for handle, table in first.items():
        assert_frame_equal(table, second[handle])


@every_case
def test_settings_survive_being_written_and_read(use: Use) -> None:
    written = json.loads(json.dumps(use.settings.model_dump(mode="json")))
    again = use.node.Settings.model_validate(written)
    assert again == use.settings
    assert use.node.identity(again) == use.node.identity(use.settings)


@every_case
def test_identity_is_json_and_holds_every_field_that_is_not_cosmetic(use: Use) -> None:
    identity = use.node.identity(use.settings)
    assert json.loads(json.dumps(identity)) == identity
    cosmetic = {"cache_results", "output_field_config", *use.node.cosmetic_fields}
    assert set(identity) == set(type(use.settings).model_fields) - cosmetic
    assert use.node.cosmetic_fields <= set(type(use.settings).model_fields)


def _with_one_column_moved(inputs: tuple[pl.DataFrame, ...]) -> Iterator[tuple[int, str, list[pl.DataFrame]]]:
    for index, frame in enumerate(inputs):
        for column in frame.columns:
            moved = _moved(frame[column])
            if moved is not None:
                yield index, column, [*inputs[:index], frame.with_columns(moved), *inputs[index + 1 :]]


def _moved(values: pl.Series) -> pl.Series | None:
    """The column with other values of the same type; None where there is no simple way."""
    dtype = values.dtype
    if dtype.is_numeric():
        return (values + 1).cast(dtype).alias(values.name)
    if isinstance(dtype, pl.String):
        return pl.select((pl.lit(values) + "q").alias(values.name)).to_series()
    if isinstance(dtype, pl.Boolean):
        return (~values).alias(values.name)
    if isinstance(dtype, (pl.Date, pl.Datetime)):
        return (values + timedelta(days=400)).alias(values.name)
    return None
