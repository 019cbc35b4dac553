"""The unit tests beside a flow are asset checks that need no source."""

from pathlib import Path

import dagster as dg
import pytest

from flowfile_dagster.flow.graph import ExecutionMode
from tests.factories import formula, node, read_csv
from tests.orchestration.project import Project
from tests.orchestration.test_checks import CheckedProject, CheckedRun

TESTS = """
tests:
  - name: prices are doubled
    given:
      read_1: [{a: 1}]
    expect:
      formula_2: [{a: 1, b: 2}]
  - name: prices are tripled
    given:
      read_1: [{a: 1}]
    expect:
      formula_2: [{a: 1, b: 3}]
"""


def checked(project: Project, mode: ExecutionMode, tests: str = TESTS) -> CheckedProject:
    nodes = [read_csv(1, "/nowhere/prices.csv"), formula(2, 1, "b", "[a] * 2"), node(3, "record_count", {}, 2)]
    project.write(nodes)
    (project.folder / "shop.tests.yaml").write_text(tests)
    return CheckedProject(project, mode)


def run_checks(given: CheckedProject) -> CheckedRun:
    return given.run(given.definitions(), dg.AssetSelection.all_asset_checks())


@pytest.mark.parametrize(("mode", "asset"), [("development", "formula_2"), ("performance", "record_count_3")])
def test_tests_run_without_source_store_or_materialization(project: Project, mode: ExecutionMode, asset: str) -> None:
    run = run_checks(checked(project, mode))
    found = {name: check for name, check in run.checks.items() if ": test_" in name}
    assert {name: check.passed for name, check in found.items()} == {
        f"{asset}: test_prices_are_doubled": True,
        f"{asset}: test_prices_are_tripled": False,
    }
    told = found[f"{asset}: test_prices_are_tripled"].description
    assert told == "formula_2: changed: a=1, b=3: b is 2, expected 3"
    assert run.materialized == set()
    assert not (Path(project.instance.storage_directory()) / "flowfile").exists()


def test_one_test_can_be_run_by_itself(project: Project) -> None:
    given = checked(project, "development")
    key = dg.AssetCheckKey(dg.AssetKey(["shop", "formula_2"]), "test_prices_are_doubled")
    assert set(given.run(given.definitions(), dg.AssetSelection.checks(key)).checks) == {
        "formula_2: test_prices_are_doubled"
    }


def test_file_that_cannot_be_used_is_a_check_that_fails_and_says_why(project: Project) -> None:
    run = run_checks(checked(project, "development", "tests: [{name: x}]"))
    (check,) = [check for name, check in run.checks.items() if name.endswith(": tests")]
    assert not check.passed
    assert "tests[0].expect: is required" in (check.description or "")


def test_tests_of_equal_slug_are_told_apart(project: Project) -> None:
    case = "  - {{name: {}, given: {{read_1: [{{a: 1}}]}}, expect: {{formula_2: []}}}}\n"
    tests = "tests:\n" + "".join(case.format(name) for name in ("doubled 2", "doubled", "doubled!"))
    run = run_checks(checked(project, "development", tests))
    told = sorted(name.partition(": ")[2] for name in run.checks if ": test_" in name)
    assert told == ["test_doubled", "test_doubled_2", "test_doubled_3"]
