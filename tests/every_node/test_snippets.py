"""The Python that is shown for a node gives what the node gives, for every case of every type that has any."""

from __future__ import annotations

import datetime
import hashlib
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flowfile_dagster.contract.node_type import NODE_FAILURES
from tests.every_node.test_contract import CASES, Use
from tests.nodes.node_case import NodeCase

#: Those that have a snippet for at least one of their cases.
TYPES = {"filter", "formula", "group_by", "record_count", "record_id", "sample", "select", "sort", "unique"}


@pytest.mark.parametrize(
    ("name", "case"), [pytest.param(*case, id=label) for label, case in CASES.items() if case[0] in TYPES]
)
def test_snippet_does_what_the_node_does(name: str, case: NodeCase, tmp_path: Path) -> None:
    use = Use(name, case, tmp_path)
    names = [f"input_{index}" for index in range(len(use.inputs))]
    code = use.node.snippet(use.settings, [frame.schema for frame in use.inputs], names)
    if code is None or use.settings.output_field_config is not None:
        return
    scope = {"pl": pl, "datetime": datetime, "hashlib": hashlib, **dict(zip(names, use.inputs, strict=True))}
    try:
        expected = use.run(*use.inputs)["output-0"]
    except NODE_FAILURES:
        return
    assert_frame_equal(eval(code, scope), expected)


@pytest.mark.parametrize("name", sorted(TYPES))
def test_type_has_a_snippet(name: str, tmp_path: Path) -> None:
    uses = [Use(name, case, tmp_path) for other, case in CASES.values() if other == name]
    snippets = [use.node.snippet(use.settings, [frame.schema for frame in use.inputs], ["df"]) for use in uses]
    assert any(snippets)
