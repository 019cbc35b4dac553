"""Unit tests of flows: rows in, expected rows out, without sources, files or a store."""

from pathlib import Path
from textwrap import dedent

import pytest

from flowfile_dagster.errors import FlowFileError
from flowfile_dagster.testing.runner import FlowTestResult, find_tests
from tests.factories import advanced_filter, formula, join, manual, node, read_csv, write_file, write_flow

FLOW = [
    read_csv(1, "/nowhere/orders.csv", node_reference="orders"),
    advanced_filter(2, 1, "[amount] > ${least}"),
    formula(3, 2, "double", "[amount] * 2", node_reference="doubled"),
    write_file(4, 3, Path("/nowhere/out.csv")),
    manual(5, {"id": [1, 2], "rate": [10, 20]}),
    join(6, 3, 5, "id"),
]
PASSING = """
    tests:
      - name: small orders are dropped
        parameters: {least: 5}
        given:
          orders: [{id: 1, amount: 5}, {id: 2, amount: 6}]
        expect:
          doubled: [{id: 2, double: 12}]
"""


def run_tests(folder: Path, tests: str) -> list[FlowTestResult]:
    flow = write_flow(
        folder / "shop.json", FLOW, parameters=[{"name": "least", "type": "integer", "default_value": "0"}]
    )
    (folder / "shop.tests.yaml").write_text(dedent(tests))
    return [test.run() for test in find_tests(flow)]


def failures_of(folder: Path, given: str, expect: str) -> tuple[str, ...]:
    tests = f"tests:\n  - name: x\n    given: {given}\n    expect: {expect}\n"
    (result,) = run_tests(folder, tests)
    return result.failures


def test_flow_is_run_over_the_given_rows(tmp_path: Path) -> None:
    (result,) = run_tests(tmp_path, PASSING)
    assert result.failures == ()
    assert str(result.test) == "shop: small orders are dropped"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop.json", "shop.tests.yaml"], "nothing is kept"


def test_difference_names_node_and_row(tmp_path: Path) -> None:
    told = failures_of(tmp_path, "{orders: [{id: 1, amount: 5}]}", "{doubled: [{id: 1, double: 11}]}")
    assert told == ("doubled: changed: id=1, double=11: double is 10, expected 11",)


def test_writer_writes_nothing_and_is_compared_by_what_it_is_given(tmp_path: Path) -> None:
    assert failures_of(tmp_path, "{orders: [{id: 1, amount: 5}]}", "{output_4: [{id: 1, double: 10}]}") == ()
    assert not Path("/nowhere").exists()


def test_any_node_may_be_given_and_what_only_it_needs_does_not_run(tmp_path: Path) -> None:
    given = "{doubled: [{id: 2, double: 7}]}"
    assert failures_of(tmp_path, given, "{join_6: [{id: 2, double: 7, rate: 20}]}") == ()


def test_source_without_rows_is_named(tmp_path: Path) -> None:
    (told,) = failures_of(tmp_path, "{}", "{doubled: []}")
    assert told == ("shop / 1 / read / orders: reads /nowhere/orders.csv; say in `given` what it delivers in the test")


@pytest.mark.parametrize(
    ("given", "expect", "message"),
    [
        ("{oders: []}", "{doubled: []}", "shop: no node 'oders'; nodes: orders, 2, doubled"),
        ("{orders: [{id: 1}]}", "{doubled: []}", "doubled: shop / 2 / filter: "),
        ("{orders: {file: none.csv}}", "{doubled: []}", "given.orders: "),
        ("{orders: {rows: [{id: a, amount: 1}], types: {id: Int64}}}", "{doubled: []}", "given.orders: "),
        ("{orders: {file: object.json}}", "{doubled: []}", "given.orders: object.json must hold a list of objects"),
        ("{orders: {file: numbers.json}}", "{doubled: []}", "given.orders: numbers.json must hold a list of objects"),
        ("{orders: [{id: 1, amount: x}, {id: 1, amount: 1}]}", "{doubled: []}", "given.orders: "),
        (
            "{orders: [{id: 1, amount: 1}]}",
            "{doubled: {rows: [], output: fail}}",
            "expect.doubled: the node has no output",
        ),
    ],
)
def test_test_that_cannot_run_fails_and_says_why(tmp_path: Path, given: str, expect: str, message: str) -> None:
    (tmp_path / "object.json").write_text('{"id": 1}')
    (tmp_path / "numbers.json").write_text("[1, 2]")
    (told, *_) = failures_of(tmp_path, given, expect)
    assert told.startswith(message)


@pytest.mark.parametrize("name", ["orders.csv", "orders.json"])
def test_rows_may_stand_in_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "orders.csv").write_text("id,amount,day\n1,5,2024-01-31\n")
    (tmp_path / "orders.json").write_text('[{"id": 1, "amount": 5, "day": "2024-01-31"}]')
    given = f"{{orders: {{file: {name}, types: {{day: Date}}}}}}"
    assert failures_of(tmp_path, given, "{doubled: [{id: 1, double: 10, day: 2024-01-31}]}") == ()


def test_column_that_only_types_name_is_null(tmp_path: Path) -> None:
    given = "{orders: {rows: [{id: 1, amount: 5}], types: {day: Date}}}"
    assert failures_of(tmp_path, given, "{doubled: [{id: 1, double: 10, day: null}]}") == ()


def test_order_is_ignored_on_request(tmp_path: Path) -> None:
    given = "{orders: [{id: 1, amount: 1}, {id: 2, amount: 2}]}"
    rows = "[{id: 2, double: 4}, {id: 1, double: 2}]"
    assert "the order differs" in failures_of(tmp_path, given, f"{{doubled: {rows}}}")[0]
    assert failures_of(tmp_path, given, f"{{doubled: {{rows: {rows}, ignore_order: true}}}}") == ()


def test_split_output_is_meant_by_its_label(tmp_path: Path) -> None:
    split = {"filter_input": {"mode": "advanced", "advanced_filter": "[a] > 1"}, "split_mode": True}
    flow = write_flow(tmp_path / "shop.json", [manual(1, {"a": [1, 2]}), node(2, "filter", split, 1)])
    text = "tests: [{name: x, expect: {filter_2: {rows: [{a: 1}], output: fail}}}]"
    (tmp_path / "shop.tests.yaml").write_text(text)
    (test,) = find_tests(flow)
    assert test.run().failures == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tests: [{name: x}]", r"shop.tests.yaml: tests\[0\].expect: is required"),
        ("tests: [{name: x, expects: {}}]", "extra inputs are not permitted"),
        ("tests: [{name: x, expect: {a: {ignore_order: true}}}]", "give either `rows` or `file`"),
        ("tests: [{name: x, expect: {a: []}}, {name: x, expect: {a: []}}]", "two tests are called 'x'"),
    ],
)
def test_file_that_cannot_be_used_names_the_field(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FlowFileError, match=message):
        run_tests(tmp_path, text)


def test_tests_of_a_folder_are_found_and_are_no_flows(tmp_path: Path) -> None:
    run_tests(tmp_path, PASSING)
    write_flow(tmp_path / "other.json", [manual(1, {"a": [1]})])
    assert [str(test) for test in find_tests(tmp_path)] == ["shop: small orders are dropped"]
