"""The examples in docs/checks.md do what the page says."""

import re
from pathlib import Path

import dagster as dg
import pytest
from dagster.components.testing import create_defs_folder_sandbox

from flowfile_dagster.cli.app import main
from flowfile_dagster.orchestration.component import FlowfileComponent
from tests.factories import advanced_filter, join, manual, read_csv, write_flow

PAGE = (Path(__file__).parents[2] / "docs" / "checks.md").read_text(encoding="utf-8")


def example(language: str, mark: str) -> str:
    """The example in a language that has a certain text in it."""
    (found,) = [text for text in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if mark in text]
    return str(found)


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    folder = tmp_path / "flows"
    folder.mkdir()
    (folder / "orders.csv").write_text("id,amount,country,day\n2,6,DE,2024-01-31\n3,7,FR,2024-01-31\n")
    nodes = [
        read_csv(1, "orders.csv", node_reference="orders"),
        advanced_filter(2, 1, "[amount] > ${least}", node_reference="paid"),
        manual(3, {"id": [2], "rate": [1.5]}, "Int64", "Float64"),
        {**join(4, 2, 3, "id", "left"), "node_reference": "with_rates"},
    ]
    least = {"name": "least", "type": "integer", "default_value": "0"}
    write_flow(folder / "orders.json", nodes, parameters=[least])
    return folder


def checks_of(definitions: dg.Definitions) -> set[str]:
    keys = definitions.resolve_asset_graph().asset_check_keys
    return {f"{key.asset_key.path[-1]}: {key.name}" for key in keys if key.name != "predicted_schema"}


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
def test_checks_in_yaml_are_those_of_the_page(flows: Path) -> None:
    with create_defs_folder_sandbox() as sandbox:
        path = sandbox.scaffold_component(component_cls=FlowfileComponent)
        text = example("yaml", "FlowfileComponent").replace("flows: flows", f"flows: {flows}")
        (path / "defs.yaml").write_text(text)
        with sandbox.load_component_and_build_defs(defs_path=path) as (_, definitions):
            assert checks_of(definitions) == {
                "paid: row_count",
                "paid: unique_id",
                "paid: not_null_id_amount",
                "paid: accepted_values_country",
                "paid: not_too_many",
                "with_rates: fan_out",
            }


def test_checks_in_python_load(flows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(flows.parent)
    names: dict[str, dg.Definitions] = {}
    exec(example("python", "build_definitions"), names)
    expected = {"paid: row_count", "paid: unique_id", "paid: not_null_id_amount", "with_rates: fan_out"}
    assert checks_of(names["defs"]) == expected


def test_tests_of_the_page_pass(flows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (flows / "orders.tests.yaml").write_text(example("yaml", "small orders"))
    assert main(["test", str(flows)]) == 0, capsys.readouterr().out


def test_difference_is_told_as_on_the_page(flows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (case, _) = example("yaml", "small orders").split("\n\n")
    (flows / "orders.tests.yaml").write_text(case.replace("least: 5", "least: 0"))
    assert main(["test", str(flows)]) == 1
    assert capsys.readouterr().out == example("text", "FAIL")


def test_pytest_example_finds_the_tests(flows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (flows / "orders.tests.yaml").write_text(example("yaml", "small orders"))
    monkeypatch.chdir(flows.parent)
    names: dict[str, object] = {}
    exec(example("python", "find_tests"), names)
    (mark,) = names["test_flows"].pytestmark  # type: ignore[attr-defined]
    assert [str(test) for test in mark.args[1]] == [
        "orders: small orders are dropped",
        "orders: an order without a rate is kept",
    ]
