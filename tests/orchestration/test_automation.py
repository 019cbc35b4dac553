"""Dagster materializes by itself what has really changed, and what is below it."""

import os
from pathlib import Path

import dagster as dg
import pytest

from flowfile_dagster import ConfigError, FlowConfig, NodeConfig
from tests.factories import formula, read_csv
from tests.orchestration.project import Project
from tests.orchestration.test_observation import observe


class Daemon:
    """Asks the conditions, as the automation sensor does at each tick."""

    def __init__(self, project: Project, **config: object) -> None:
        self._project = project
        self._overrides = {"shop": FlowConfig.model_validate(config)}
        self._result: dg.EvaluateAutomationConditionsResult | None = None

    def tick(self) -> set[str]:
        """The nodes that are requested."""
        self._result = dg.evaluate_automation_conditions(
            self._project.definitions(overrides=self._overrides),
            self._project.instance,
            asset_selection=dg.AssetSelection.all(),
            cursor=self._result.cursor if self._result else None,
        )
        return {item.key.path[-1] for item in self._result.results if item.true_subset.size}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "in.csv").write_text("a\n1\n")
    (tmp_path / "other.csv").write_text("a\n1\n")
    return tmp_path / "in.csv"


def chain(data: Path, text: str = "[a] + 1") -> list[dict[str, object]]:
    return [
        read_csv(1, data),
        formula(2, 1, "b", text),
        formula(3, 2, "c", "[b]"),
        read_csv(4, data.parent / "other.csv"),
        formula(5, 4, "b", "[a]"),
    ]


def test_changed_file_requests_its_readers_and_all_below_at_once(project: Project, data: Path) -> None:
    project.write(chain(data))
    project.run()
    daemon = Daemon(project, automation="on_change")
    assert daemon.tick() == set()
    os.utime(data, ns=(1, 1))
    observe(project)
    assert daemon.tick() == set()
    data.write_text("a\n2\n")
    observe(project)
    assert daemon.tick() == {"read_1", "formula_2", "formula_3"}
    assert daemon.tick() == set()


def test_edited_formula_requests_it_and_all_below(project: Project, data: Path) -> None:
    project.write(chain(data))
    project.run()
    daemon = Daemon(project, automation="on_change")
    daemon.tick()
    project.write(chain(data, "[a] + 2"))
    assert daemon.tick() == {"formula_2", "formula_3"}


def test_update_with_an_equal_result_requests_nothing(project: Project, data: Path) -> None:
    project.write(chain(data))
    project.run()
    daemon = Daemon(project, automation="on_change")
    daemon.tick()
    project.run(["read_1"])
    assert daemon.tick() == set()


def test_single_node_has_a_condition_of_its_own(project: Project, data: Path) -> None:
    project.write(chain(data))
    project.run()
    daemon = Daemon(project, nodes={"formula_2": NodeConfig(automation="on_change")})
    daemon.tick()
    data.write_text("a\n2\n")
    project.run(["read_1"])
    assert daemon.tick() == {"formula_2"}


def test_cron_expression_is_a_condition(project: Project, data: Path) -> None:
    project.write(chain(data))
    definitions = project.definitions(overrides={"shop": FlowConfig(automation="0 3 * * *")})
    spec = {spec.key: spec for spec in definitions.resolve_all_asset_specs()}[dg.AssetKey(["shop", "formula_2"])]
    assert spec.automation_condition == dg.AutomationCondition.on_cron("0 3 * * *")


def test_unknown_condition_names_what_there_is(project: Project, data: Path) -> None:
    project.write(chain(data))
    with pytest.raises(ConfigError, match="'shop': automation: 'daily' is neither 'eager' nor 'on_change' nor a cron"):
        project.definitions(overrides={"shop": FlowConfig(automation="daily")})
