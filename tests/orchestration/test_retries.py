"""A retry policy that somebody gives a job holds for flows."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from flowfile_dagster import FlowConfig, NodeConfig, RowCount, StaticPartitions
from tests.factories import formula, manual, read_csv
from tests.orchestration.project import Project


def run(project: Project, *, is_range: bool = False, **options: Any) -> dg.ExecuteInProcessResult:
    """All flows in a job that is retried twice, in the first partition if there are any, or in a range of it alone."""
    job = dg.define_asset_job("again", op_retry_policy=dg.RetryPolicy(max_retries=2))
    definitions = dg.Definitions.merge(project.definitions(**options), dg.Definitions(jobs=[job]))
    resolved = definitions.resolve_job_def("again")
    key = resolved.partitions_def.get_partition_keys()[0] if resolved.partitions_def else None
    tags = {f"dagster/asset_partition_range_{end}": str(key) for end in ("start", "end")} if is_range else None
    return resolved.execute_in_process(
        instance=project.instance, partition_key=None if is_range else key, tags=tags, raise_on_error=False
    )


def retries(result: dg.ExecuteInProcessResult) -> int:
    return sum(event.event_type is dg.DagsterEventType.STEP_UP_FOR_RETRY for event in result.all_events)


@pytest.mark.parametrize("mode", ["development", "performance"])
def test_node_that_fails_is_tried_again_and_what_was_computed_is_found(
    project: Project, tmp_path: Path, mode: Any
) -> None:
    project.write([manual(1, {"a": [1]}), formula(2, 1, "b", "[a]"), read_csv(3, tmp_path / "late.csv")])
    result = run(Project(project.folder, project.instance, mode))
    assert not result.success
    assert retries(result) == 2
    made = [event.step_materialization_data.materialization for event in result.get_asset_materialization_events()]
    told = [item.metadata["flowfile/cache"].value for item in made if item.asset_key.path[-1] == "formula_2"]
    assert told == (["miss:first", "hit", "hit"] if mode == "development" else ["miss:first"])


def test_partitioned_flow_is_tried_again(project: Project, tmp_path: Path) -> None:
    name = {"name": "file", "default_value": "x"}
    project.write([read_csv(1, tmp_path / "${file}.csv")], parameters=[name])
    partitions = StaticPartitions(keys=["late"], parameter="file")
    for is_range in (False, True):
        assert retries(run(project, is_range=is_range, overrides={"shop": FlowConfig(partitions=partitions)})) == 2


@pytest.mark.parametrize("is_range", [False, True])
def test_blocking_check_that_fails_is_not_tried_again(project: Project, is_range: bool) -> None:
    project.write([manual(1, {"a": [1]})], parameters=[{"name": "key", "default_value": ""}])
    partitions = StaticPartitions(keys=["x"], parameter="key") if is_range else None
    checked = NodeConfig(checks=[RowCount(min=2, blocking=True)])
    config = FlowConfig(nodes={"manual_input_1": checked}, partitions=partitions)
    result = run(project, is_range=is_range, overrides={"shop": config})
    assert not result.success
    assert retries(result) == 0
