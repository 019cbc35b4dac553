"""Asset checks: what the configuration expects of results, and the predicted schema."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from flowfile_dagster import ConfigError, FlowConfig, Freshness, NodeConfig, build_definitions
from flowfile_dagster.engine.checks import AcceptedValues, Check, FanOut, NotNull, RowCount, Unique
from flowfile_dagster.flow.graph import ExecutionMode
from tests.factories import JsonObject, advanced_filter, formula, join, manual, node, read_csv, write_file
from tests.orchestration.project import Project

MODES: Sequence[ExecutionMode] = ("development", "performance")


@dataclass(frozen=True)
class CheckedRun:
    """What a run gave: names of materialized nodes, and check results by ``node: check``."""

    is_success: bool
    materialized: set[str]
    checks: dict[str, dg.AssetCheckEvaluation]
    failures: list[str]

    @property
    def failed_checks(self) -> set[str]:
        return {name for name, check in self.checks.items() if not check.passed}


@dataclass(frozen=True)
class CheckedProject:
    project: Project
    mode: ExecutionMode = "development"

    def definitions(self, nodes: Mapping[str, NodeConfig] | None = None, **options: Any) -> dg.Definitions:
        return build_definitions(
            self.project.folder,
            mode=self.mode,
            overrides={"shop": FlowConfig(mode=self.mode, nodes=nodes or {}, **options)},
            compiled_folder=self.project.folder / ".compiled",
        )

    def run(self, definitions: dg.Definitions, selection: dg.AssetSelection | None = None) -> CheckedRun:
        job_name = "__ASSET_JOB"
        if selection is not None:
            job = dg.define_asset_job("chosen", selection)
            definitions, job_name = dg.Definitions.merge(definitions, dg.Definitions(jobs=[job])), "chosen"
        result = definitions.resolve_job_def(job_name).execute_in_process(
            instance=self.project.instance, raise_on_error=False
        )
        return CheckedRun(
            result.success,
            {event.asset_key.path[-1] for event in result.get_asset_materialization_events()},
            {f"{item.asset_key.path[-1]}: {item.check_name}": item for item in result.get_asset_check_evaluations()},
            [event.step_failure_data.error.message for event in result.get_step_failure_events()],
        )


@pytest.fixture(params=MODES)
def checked(request: pytest.FixtureRequest, project: Project) -> CheckedProject:
    return CheckedProject(project, request.param)


def node_with(*checks: Check) -> NodeConfig:
    return NodeConfig(checks=checks)


def group(node_id: int, source: int) -> JsonObject:
    columns = [{"old_name": "a", "agg": "groupby"}, {"old_name": "b", "agg": "sum", "new_name": "b"}]
    return node(node_id, "group_by", {"groupby_input": {"agg_cols": columns}}, source)


def two_branches() -> list[JsonObject]:
    """A left branch (3, 5) and a right one (4, 6) on node 2; node 7 joins them, node 8 hangs on the right one only."""
    return [
        manual(1, {"a": [1, 1, 2], "b": [1, 2, 3]}),
        formula(2, 1, "c", "[a] + [b]"),
        formula(3, 2, "d", "[c] * 2"),
        advanced_filter(4, 2, "[b] > 0"),
        group(5, 3),
        group(6, 4),
        join(7, 5, 6, "a"),
        formula(8, 6, "e", "[b] + 1"),
    ]


def test_every_kind_of_check_is_told_with_its_result(checked: CheckedProject) -> None:
    checked.project.write([manual(1, {"a": [1, 1, 2]}), manual(2, {"a": [1, 1]}), join(3, 1, 2, "a")])
    checks: list[Check] = [
        Unique(columns=["a"]),
        NotNull(columns=["a"]),
        AcceptedValues(column="a", values=[1]),
        RowCount(min=5, severity="warn"),
        FanOut(max_ratio=1),
    ]
    run = checked.run(checked.definitions({"join_3": node_with(*checks)}))
    assert run.is_success, "no check is blocking"
    found = {name.partition(": ")[2]: check for name, check in run.checks.items()}
    assert {name: check.passed for name, check in found.items()} == {
        "unique_a": False,
        "not_null_a": True,
        "accepted_values_a": True,
        "row_count": False,
        "fan_out": False,
    }
    assert found["row_count"].severity == dg.AssetCheckSeverity.WARN
    assert found["fan_out"].description == (
        "4 rows from 3 in the left input, expected at most 1 times as many rows as in the left input"
    )
    assert found["unique_a"].metadata["flowfile/failing_rows"].value == 4
    assert str(found["unique_a"].metadata["flowfile/sample"].value).splitlines()[0] == "| a | a_right |"


def test_blocking_check_stops_exactly_what_is_below(checked: CheckedProject) -> None:
    checked.project.write(two_branches())
    run = checked.run(checked.definitions({"group_by_5": node_with(RowCount(min=10, blocking=True))}))
    assert not run.is_success
    everything = checked.run(checked.definitions({"group_by_5": node_with(RowCount(min=1, blocking=True))}))
    assert everything.is_success
    assert everything.materialized - run.materialized == {"join_7"}
    assert {"group_by_5", "formula_8"} <= run.materialized
    message = "shop / 5 / group_by: blocking check 'row_count' failed: 2 rows, expected at least 10 rows"
    assert message in run.failures[0].splitlines()[0]


def test_blocking_check_stops_what_was_computed_before_and_what_hangs_on_it_indirectly(
    checked: CheckedProject,
) -> None:
    checked.project.write(two_branches())
    assert checked.run(checked.definitions()).is_success
    blocked = {"formula_2": node_with(NotNull(columns=["nothing"], blocking=True))}
    keys = [dg.AssetKey(["shop", "formula_2"]), dg.AssetKey(["shop", "formula_8"])]
    run = checked.run(checked.definitions(blocked), dg.AssetSelection.assets(*keys))
    assert run.materialized == {"formula_2"}


def test_check_that_only_warns_or_does_not_block_stops_nothing(checked: CheckedProject) -> None:
    checked.project.write(two_branches())
    checks = [RowCount(min=10), RowCount(min=10, severity="warn", name="few")]
    run = checked.run(checked.definitions({"group_by_5": node_with(*checks)}))
    assert run.is_success
    assert run.failed_checks == {"group_by_5: row_count", "group_by_5: few"}
    assert "join_7" in run.materialized


def test_check_selected_alone_looks_at_the_stored_result(checked: CheckedProject) -> None:
    checked.project.write(two_branches())
    definitions = checked.definitions({"join_7": node_with(RowCount(max=1), FanOut(max_ratio=1))})
    key = dg.AssetCheckKey(dg.AssetKey(["shop", "join_7"]), "row_count")
    alone = dg.AssetSelection.checks(key)
    before = checked.run(definitions, alone)
    assert before.checks["join_7: row_count"].description == "there is no stored result; materialize the asset"
    assert checked.run(definitions).is_success
    after = checked.run(definitions, alone)
    assert after.materialized == set()
    assert set(after.checks) == {"join_7: row_count"}
    assert after.checks["join_7: row_count"].description == "2 rows, expected at most 1 rows"


def test_fan_out_alone_knows_the_rows_of_the_stored_left_input(checked: CheckedProject) -> None:
    checked.project.write(two_branches())
    definitions = checked.definitions({"join_7": node_with(FanOut(max_ratio=1))})
    assert checked.run(definitions).is_success
    key = dg.AssetCheckKey(dg.AssetKey(["shop", "join_7"]), "fan_out")
    assert not checked.run(definitions, dg.AssetSelection.checks(key)).failed_checks


def test_node_that_is_selected_without_its_checks_is_not_checked(checked: CheckedProject) -> None:
    checked.project.write(two_branches())
    definitions = checked.definitions({"group_by_5": node_with(RowCount(min=10, blocking=True))})
    run = checked.run(definitions, dg.AssetSelection.all().without_checks())
    assert run.is_success
    assert run.checks == {}


def test_checks_of_nodes_that_did_not_run_have_no_result(checked: CheckedProject) -> None:
    checked.project.write(two_branches())
    blocked = {"group_by_5": node_with(RowCount(min=10, blocking=True)), "join_7": node_with(RowCount(min=1))}
    assert set(checked.run(checked.definitions(blocked)).checks) == {"group_by_5: row_count"}


def test_blocking_check_stops_no_other_flow_that_reads_what_is_not_below_it(
    checked: CheckedProject, tmp_path: Path
) -> None:
    data = tmp_path / "passed_on.csv"
    checked.project.write([*two_branches(), write_file(9, 8, data)])
    checked.project.write([read_csv(1, data), formula(2, 1, "f", "[b]")], "reader")
    run = checked.run(checked.definitions({"group_by_5": node_with(RowCount(min=10, blocking=True))}))
    assert not run.is_success
    assert {"group_by_5", "output_9", "formula_2"} <= run.materialized
    assert "join_7" not in run.materialized


def test_development_step_is_split_only_where_another_flow_would_be_stopped(project: Project, tmp_path: Path) -> None:
    def steps() -> dict[str, set[str]]:
        definitions = CheckedProject(project).definitions({"group_by_5": node_with(RowCount(min=1, blocking=True))})
        found = [asset for asset in definitions.assets or () if isinstance(asset, dg.AssetsDefinition)]
        return {asset.op.name: {key.path[-1] for key in asset.keys} for asset in found}

    data = tmp_path / "passed_on.csv"
    project.write([*two_branches(), write_file(9, 8, data)])
    assert set(steps()) == {"shop"}
    project.write([read_csv(1, data)], "reader")
    split = steps()
    assert set(split) == {"shop", "shop__group_by_5", "shop__join_7", "reader"}
    assert split["shop__group_by_5"] == {"group_by_5"}
    assert split["shop__join_7"] == {"join_7"}


def test_retry_from_asset_failure_has_the_checked_node_and_what_is_below(checked: CheckedProject) -> None:
    checked.project.write(two_branches())
    definitions = checked.definitions({"group_by_5": node_with(RowCount(min=10, blocking=True))})
    job = definitions.resolve_implicit_global_asset_job_def()
    first = job.execute_in_process(instance=checked.project.instance, raise_on_error=False)
    plan = checked.project.instance.get_execution_plan_snapshot(first.dagster_run.execution_plan_snapshot_id or "")
    assets, checks = checked.project.instance.run_domain.get_keys_to_reexecute(first.run_id, plan)
    assert {key.path[-1] for key in assets} == {"group_by_5", "join_7"}
    assert {key.name for key in checks} == {"row_count"}


def test_check_of_one_output_of_a_split_is_named_by_its_label(checked: CheckedProject) -> None:
    split = {"filter_input": {"mode": "advanced", "advanced_filter": "[a] > 1"}, "split_mode": True}
    checked.project.write([manual(1, {"a": [1, 2, 3]}), node(2, "filter", split, 1)])
    checks = [RowCount(max=1), RowCount(max=1, output="fail")]
    run = checked.run(checked.definitions({"filter_2": node_with(*checks)}))
    assert run.failed_checks == {"filter_2_pass: row_count"}
    assert set(run.checks) == {"filter_2_pass: row_count", "filter_2_fail: row_count"}


def test_gate_and_blocking_check_in_one_step(checked: CheckedProject) -> None:
    gate = node(2, "gate", {"gate_input": {"condition_source": "formula", "formula": "[a] > 0"}}, 1)
    checked.project.write([manual(1, {"a": [1]}), gate, formula(3, 2, "b", "[a]"), formula(4, 1, "c", "[a]")])
    run = checked.run(checked.definitions({"gate_2": node_with(RowCount(min=5, blocking=True))}))
    assert not run.is_success
    assert {"gate_2", "formula_4"} <= run.materialized
    assert "formula_3" not in run.materialized


def test_checked_node_is_a_segment_of_its_own_in_performance(project: Project) -> None:
    checked = CheckedProject(project, "performance")
    project.write(two_branches())
    definitions = checked.definitions(
        {"formula_3": node_with(RowCount(min=1)), "group_by_6": node_with(RowCount(min=1))}
    )
    specs = {spec.key.path[-1]: spec for spec in definitions.resolve_all_asset_specs()}
    assert specs["formula_3"].metadata["flowfile/boundary"] == "check"
    steps = definitions.resolve_implicit_global_asset_job_def().nodes
    assert {"shop__formula_3", "shop__group_by_6"} <= {step.name for step in steps}


def test_changed_columns_of_a_source_are_named_and_do_not_fail_the_run(checked: CheckedProject, tmp_path: Path) -> None:
    data = tmp_path / "orders.csv"
    data.write_text("a,b\n1,2\n")
    checked.project.write([read_csv(1, data), group(2, 1)])
    definitions = checked.definitions(schema_checks="all")
    assert not checked.run(definitions).failed_checks
    data.write_text("a,b\nx,2\n")
    run = checked.run(definitions)
    assert run.is_success
    assert "group_by_2: predicted_schema" in run.failed_checks
    (first, *_) = [run.checks[name] for name in sorted(run.failed_checks)]
    assert first.severity == dg.AssetCheckSeverity.WARN
    assert first.description == "column 'a' is String, expected Int64"


@pytest.mark.parametrize(
    ("option", "names"), [("sources", {"read_1"}), ("all", {"read_1", "group_by_2"}), ("none", set())]
)
def test_schemas_are_checked_where_it_was_asked_for(
    project: Project, tmp_path: Path, option: str, names: set[str]
) -> None:
    data = tmp_path / "orders.csv"
    data.write_text("a,b\n1,2\n")
    project.write([read_csv(1, data), group(2, 1)])
    run = CheckedProject(project).run(CheckedProject(project).definitions(schema_checks=option))
    assert set(run.checks) == {f"{name}: predicted_schema" for name in names}


def test_freshness_is_a_policy_of_the_asset(project: Project) -> None:
    project.write(two_branches())
    config = NodeConfig(freshness=Freshness(fail_after_hours=24, warn_after_hours=12))
    specs = {
        spec.key.path[-1]: spec
        for spec in CheckedProject(project).definitions({"join_7": config}).resolve_all_asset_specs()
    }
    policy = specs["join_7"].freshness_policy
    assert policy == dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=24), warn_window=timedelta(hours=12))
    assert specs["group_by_6"].freshness_policy is None


@pytest.mark.parametrize(("fail", "warn"), [(24, 24), (12, 24), (24, 0), (0, None), (0.01, None), (1, 0.01)])
def test_freshness_that_dagster_would_not_take_is_refused(fail: float, warn: float | None) -> None:
    with pytest.raises(ValueError, match="`warn_after_hours` must come before `fail_after_hours`"):
        Freshness(fail_after_hours=fail, warn_after_hours=warn)


def test_node_with_freshness_or_automation_is_an_asset_in_performance_too(project: Project) -> None:
    project.write([manual(1, {"a": [1]}), *(formula(number, number - 1, f"c{number}", "[a]") for number in (2, 3, 4))])
    fresh, automatic = NodeConfig(freshness=Freshness(fail_after_hours=24)), NodeConfig(automation="on_change")
    definitions = CheckedProject(project, "performance").definitions({"formula_2": fresh, "formula_3": automatic})
    said = {
        spec.key.path[-1]: (spec.freshness_policy is not None, spec.automation_condition is not None)
        for spec in definitions.resolve_all_asset_specs()
    }
    assert said == {"formula_2": (True, False), "formula_3": (False, True), "formula_4": (False, False)}


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        (
            [Unique(columns=["a"]), Unique(columns=["a"])],
            r"flow 'shop': nodes.join_7.checks\[1\]: there is another check 'unique_a'; give it a `name`",
        ),
        ([RowCount(min=1, output="fail")], r"checks\[0\].output: the node has no output 'fail'; outputs: main"),
    ],
)
def test_check_that_cannot_be_is_refused(project: Project, checks: list[Check], message: str) -> None:
    project.write(two_branches())
    with pytest.raises(ConfigError, match=message):
        CheckedProject(project).definitions({"join_7": node_with(*checks)})
