"""Partitions set parameters: every kind, what is stored for each, and several of them in one run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pyarrow as pa
import pytest

from flowfile_dagster import (
    ConfigError,
    DynamicPartitions,
    FilePartitions,
    FlowConfig,
    MultiPartitions,
    NodeConfig,
    RowCount,
    StaticPartitions,
    TimePartitions,
    build_definitions,
)
from flowfile_dagster.orchestration.project.partitions import Partitions
from tests.factories import advanced_filter, formula, manual, node, read_csv, write_file
from tests.orchestration.project import Project

DAYS = TimePartitions(type="daily", start="2024-01-01", end="2024-01-06", parameter="day")
DAY = {"name": "day", "default_value": "2024-01-01"}
COUNTRY = {"name": "country", "type": "enum", "default_value": "DE", "enum_values": ["DE", "FR"]}


def write(project: Project, *parameters: dict[str, Any], column: str = "day", name: str = "shop") -> None:
    """A flow whose first node does not depend on any parameter."""
    nodes = [manual(1, {"a": [1, 2]}), formula(2, 1, "x", f"${{{column}}}"), advanced_filter(3, 2, "[a] > 1")]
    project.write(nodes, name, parameters=parameters or (DAY,))


def definitions(project: Project, partitions: Partitions, *others: dg.AssetsDefinition, **more: Any) -> dg.Definitions:
    """All flows of the project, partitioned alike."""
    names = [path.stem for path in project.folder.glob("*.json")]
    flows = build_definitions(
        project.folder,
        mode=project.mode,
        compiled_folder=project.folder / ".compiled",
        overrides={name: FlowConfig(partitions=partitions, **more) for name in names},
    )
    return dg.Definitions.merge(flows, dg.Definitions(others))


def launch(
    project: Project, defs: dg.Definitions, *partitions: str, select: Sequence[str] | None = None
) -> dg.ExecuteInProcessResult:
    """One run over one partition, or over the range of two."""
    job = defs.resolve_implicit_global_asset_job_def()
    first, last = partitions[0], partitions[-1]
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    return job.execute_in_process(
        instance=project.instance,
        partition_key=first if len(partitions) == 1 else None,
        tags=tags if len(partitions) > 1 else None,
        asset_selection=None if select is None else [dg.AssetKey(key.split("/")) for key in select],
        raise_on_error=False,
    )


def told(result: dg.ExecuteInProcessResult, name: str) -> dict[str, dg.AssetMaterialization]:
    """The materializations of a node by partition; each partition is told once."""
    found = [
        event.step_materialization_data.materialization
        for event in result.get_asset_materialization_events()
        if event.asset_key.path[-1] == name
    ]
    partitions = [str(item.partition) for item in found]
    assert len(set(partitions)) == len(partitions)
    return dict(zip(partitions, found, strict=True))


def rows(project: Project, defs: dg.Definitions, partition: str, key: str = "shop/filter_3") -> list[tuple[Any, ...]]:
    frame = defs.load_asset_value(
        key.split("/"), python_type=pl.DataFrame, instance=project.instance, partition_key=partition
    )
    assert isinstance(frame, pl.DataFrame)
    return frame.rows()


@pytest.fixture(params=["development", "performance"])
def either_mode(request: pytest.FixtureRequest, project: Project) -> Project:
    return Project(project.folder, project.instance, request.param)


def test_each_partition_has_a_result_of_its_own(either_mode: Project) -> None:
    write(either_mode)
    defs = definitions(either_mode, DAYS)
    for day in ("2024-01-02", "2024-01-04"):
        assert launch(either_mode, defs, day).success
    assert rows(either_mode, defs, "2024-01-02") == [(2, "2024-01-02")]
    assert rows(either_mode, defs, "2024-01-04") == [(2, "2024-01-04")]


def test_node_that_no_parameter_reaches_is_computed_once(project: Project) -> None:
    write(project)
    result = launch(project, definitions(project, DAYS), "2024-01-01", "2024-01-03")
    causes = {day: item.metadata["flowfile/cache"].value for day, item in told(result, "manual_input_1").items()}
    assert causes == {"2024-01-01": "miss:first", "2024-01-02": "hit", "2024-01-03": "hit"}
    causes = {day: item.metadata["flowfile/cache"].value for day, item in told(result, "formula_2").items()}
    assert causes == dict.fromkeys(("2024-01-01", "2024-01-02", "2024-01-03"), "miss:first")


def test_partition_that_is_there_is_a_hit(either_mode: Project) -> None:
    write(either_mode)
    defs = definitions(either_mode, DAYS)
    launch(either_mode, defs, "2024-01-01", "2024-01-03")
    result = launch(either_mode, defs, "2024-01-02")
    assert told(result, "filter_3")["2024-01-02"].metadata["flowfile/cache"].value == "hit"


def test_one_run_over_a_range_tells_each_partition_with_what_is_its_own(either_mode: Project) -> None:
    write(either_mode)
    result = launch(either_mode, definitions(either_mode, DAYS), "2024-01-01", "2024-01-03")
    assert result.success
    found = told(result, "filter_3")
    assert {day: item.metadata["flowfile/parameters"].value for day, item in found.items()} == {
        day: {"day": day} for day in ("2024-01-01", "2024-01-02", "2024-01-03")
    }
    assert len({(item.tags or {})["dagster/data_version"] for item in found.values()}) == 3


def test_data_version_of_a_partition_is_the_same_in_a_range_and_alone(project: Project) -> None:
    write(project)
    defs = definitions(project, DAYS)
    together = told(launch(project, defs, "2024-01-01", "2024-01-02"), "filter_3")["2024-01-02"]
    alone = told(launch(project, defs, "2024-01-02"), "filter_3")["2024-01-02"]
    assert together.tags
    assert alone.tags
    assert together.tags["dagster/data_version"] == alone.tags["dagster/data_version"]


def test_failed_partition_of_a_range_keeps_the_others(either_mode: Project, tmp_path: Path) -> None:
    for day in (1, 2, 4, 5):
        (tmp_path / f"2024-01-0{day}.csv").write_text("a\n1\n2\n")
    nodes = [read_csv(1, tmp_path / "${day}.csv"), formula(2, 1, "x", "[a] + 1"), node(3, "record_count", {}, 2)]
    either_mode.write(nodes, parameters=[DAY])
    defs = definitions(either_mode, DAYS)
    result = launch(either_mode, defs, "2024-01-01", "2024-01-05")
    assert not result.success
    kept = {f"2024-01-0{day}" for day in (1, 2, 4, 5)}
    assert set(told(result, "record_count_3")) == kept
    assert either_mode.instance.get_materialized_partitions(dg.AssetKey(["shop", "record_count_3"])) == kept
    assert rows(either_mode, defs, "2024-01-05", "shop/record_count_3") == [(2,)]
    message = result.get_step_failure_events()[0].step_failure_data.error
    assert message is not None
    assert "shop / 1 / read" in message.message.split("\n")[0]
    assert "(partition 2024-01-03)" in message.message.split("\n")[0]
    assert "1 of 5 partitions failed; the others are materialized" in message.message


def test_partitioned_flow_on_a_partitioned_flow_maps_each_partition_to_itself(
    either_mode: Project, tmp_path: Path
) -> None:
    write(either_mode)
    target = tmp_path / "shared.csv"
    either_mode.write(
        [manual(1, {"a": [1]}), formula(2, 1, "x", "${day}"), write_file(3, 2, target)], "first", parameters=[DAY]
    )
    either_mode.write([read_csv(1, target), formula(2, 1, "y", "${day}")], "second", parameters=[DAY])
    defs = definitions(either_mode, DAYS)
    result = launch(either_mode, defs, "2024-01-01", "2024-01-02", select=["first/output_3", "second/formula_2"])
    assert result.success
    assert set(told(result, "formula_2")) == {"2024-01-01", "2024-01-02"}
    upstream = defs.resolve_asset_graph().get(
        dg.AssetKey(["second", "formula_2" if either_mode.mode == "performance" else "read_1"])
    )
    assert upstream.parent_keys == {dg.AssetKey(["first", "output_3"])}
    assert isinstance(
        upstream.partition_mappings.get(dg.AssetKey(["first", "output_3"]), dg.TimeWindowPartitionMapping()),
        dg.TimeWindowPartitionMapping,
    )


def test_run_without_a_partition_says_what_is_missing(project: Project) -> None:
    write(project)
    job = definitions(project, DAYS).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=project.instance, raise_on_error=False)
    failure = result.get_step_failure_events()[0].step_failure_data.error
    assert failure is not None
    assert "choose a partition" in failure.message


def test_time_window_sets_key_start_and_end_as_they_are_to_be_written(project: Project) -> None:
    parameters = [{"name": name} for name in ("key", "begin", "end")]
    project.write(
        [manual(1, {"a": [1]}), formula(2, 1, "x", "${key} + '|' + ${begin} + '|' + ${end}")], parameters=parameters
    )
    weeks = TimePartitions(
        type="weekly",
        start="2024-01-01",
        timezone="Europe/Berlin",
        key_format="%Y%m%d",
        parameter="key",
        start_parameter="begin",
        end_parameter="end",
        window_format="%d.%m.%Y",
    )
    defs = definitions(project, weeks)
    assert launch(project, defs, "20240107").success
    assert rows(project, defs, "20240107", "shop/formula_2") == [(1, "20240107|07.01.2024|14.01.2024")]


def test_hours_and_months_begin_where_the_time_zone_says(project: Project) -> None:
    hours = TimePartitions(type="hourly", start="2024-01-01T00:00", start_parameter="day", parameter=None)
    months = TimePartitions(type="monthly", start="2024-01-01", start_parameter="day", window_format="%Y")
    assert hours.values("2024-01-01-05:00", Path()) == {"day": "2024-01-01 05:00:00"}
    assert months.values("2024-02-01", Path()) == {"day": "2024"}


def test_static_keys_set_a_parameter(either_mode: Project) -> None:
    write(either_mode, COUNTRY, column="country")
    defs = definitions(either_mode, StaticPartitions(keys=["DE", "FR"], parameter="country"))
    assert launch(either_mode, defs, "FR").success
    assert rows(either_mode, defs, "FR") == [(2, "FR")]


def test_dynamic_keys_set_a_parameter(project: Project) -> None:
    write(project, {"name": "customer"}, column="customer")
    defs = definitions(project, DynamicPartitions(name="customers", parameter="customer"))
    project.instance.add_dynamic_partitions("customers", ["acme"])
    assert launch(project, defs, "acme").success
    assert rows(project, defs, "acme") == [(2, "acme")]


def test_each_dimension_sets_its_own_parameter(either_mode: Project) -> None:
    nodes = [manual(1, {"a": [1]}), formula(2, 1, "x", "${day} + ${country}")]
    either_mode.write(nodes, parameters=[DAY, COUNTRY])
    both = MultiPartitions(dimensions={"date": DAYS, "where": StaticPartitions(keys=["DE", "FR"], parameter="country")})
    defs = definitions(either_mode, both)
    assert launch(either_mode, defs, "2024-01-02|FR").success
    assert rows(either_mode, defs, "2024-01-02|FR", "shop/formula_2") == [(1, "2024-01-02FR")]
    result = launch(either_mode, defs, "2024-01-03|DE", "2024-01-04|DE")
    assert set(told(result, "formula_2")) >= {"2024-01-03|DE", "2024-01-04|DE"}
    tags = told(result, "formula_2")["2024-01-03|DE"].tags
    assert tags
    assert tags["dagster/partition/where"] == "DE"


def test_parameter_of_a_partition_is_not_asked_for_in_the_launchpad(project: Project) -> None:
    write(project, DAY, {"name": "note"})
    resource = definitions(project, DAYS).resources["flow__shop"]
    assert isinstance(resource, dg.ResourceDefinition)
    config: Any = resource.config_schema.config_type
    assert set(config.fields["parameters"].config_type.fields) == {"note"}


def test_run_of_a_range_is_tagged_with_what_its_partitions_share(project: Project) -> None:
    write(project, DAY, {"name": "note", "default_value": "n"})
    result = launch(project, definitions(project, DAYS), "2024-01-01", "2024-01-02")
    run = project.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags["flowfile/parameters.shop"] == "note=n"


def test_backfill_is_one_run_unless_configured_otherwise(project: Project) -> None:
    write(project)
    key = dg.AssetKey(["shop", "filter_3"])
    for more, expected in (({}, None), ({"max_partitions_per_run": 3}, 3)):
        policy = definitions(project, DAYS, **more).get_assets_def(key).backfill_policy
        assert policy is not None
        assert policy.max_partitions_per_run == expected


def read_back(annotation: Any, metadata: dict[str, Any] | None = None) -> dg.AssetsDefinition:
    """A Python asset without partitions on all partitions of a node."""

    def whole(x: Any) -> pl.DataFrame:
        if isinstance(x, dict):
            frames = {key: item.lazy().collect().rows() for key, item in x.items()}
            return pl.DataFrame({"seen": [f"{key}: {found}" for key, found in sorted(frames.items())]})
        frame = pl.DataFrame(pl.from_arrow(x)) if isinstance(x, pa.Table) else x.lazy().collect()
        return pl.DataFrame({"seen": [str(frame.rows())]})

    whole.__annotations__["x"] = annotation
    source = dg.AssetIn(["shop", "filter_3"], input_manager_key="flowfile_io_manager", metadata=metadata)
    return dg.asset(ins={"x": source}, io_manager_key="flowfile_io_manager")(whole)


@pytest.mark.parametrize(
    ("annotation", "seen"),
    [
        (dict[str, pl.LazyFrame], ["DE: [(2, 'DE')]", "FR: [(2, 'FR')]"]),
        (dict[str, pl.DataFrame], ["DE: [(2, 'DE')]", "FR: [(2, 'FR')]"]),
        (pl.LazyFrame, ["[(2, 'DE'), (2, 'FR')]"]),
        (pl.DataFrame, ["[(2, 'DE'), (2, 'FR')]"]),
        (pa.Table, ["[(2, 'DE'), (2, 'FR')]"]),
    ],
)
def test_python_asset_reads_all_partitions_of_a_node(project: Project, annotation: Any, seen: list[str]) -> None:
    write(project, COUNTRY, column="country")
    partitions = StaticPartitions(keys=["DE", "FR"], parameter="country")
    defs = definitions(project, partitions, read_back(annotation))
    flow = ["shop/manual_input_1", "shop/formula_2", "shop/filter_3"]
    assert launch(project, defs, "DE", "FR", select=flow).success
    job = defs.resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(instance=project.instance, asset_selection=[dg.AssetKey("whole")]).success
    frame: Any = defs.load_asset_value("whole", python_type=pl.DataFrame, instance=project.instance)
    assert frame["seen"].to_list() == seen


def test_missing_partition_is_named_unless_it_may_be_missing(project: Project) -> None:
    write(project, COUNTRY, column="country")
    partitions = StaticPartitions(keys=["DE", "FR"], parameter="country")
    for metadata, is_success in ((None, False), ({"allow_missing_partitions": True}, True)):
        defs = definitions(project, partitions, read_back(pl.DataFrame, metadata))
        assert launch(project, defs, "FR", select=["shop/filter_3"]).success
        job = defs.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            instance=project.instance, asset_selection=[dg.AssetKey("whole")], raise_on_error=False
        )
        assert result.success == is_success
        if not is_success:
            error = result.get_step_failure_events()[0].step_failure_data.error
            assert error is not None
            assert "partition DE, has no result" in str(error)


@pytest.mark.filterwarnings("ignore:Parameter `backfill_policy`")
def test_python_asset_stores_and_reads_partitions_of_its_own(project: Project) -> None:
    write(project, COUNTRY, column="country")
    partitions = StaticPartitions(keys=["DE", "FR"], parameter="country")

    @dg.asset(
        ins={"x": dg.AssetIn(["shop", "filter_3"], input_manager_key="flowfile_io_manager")},
        partitions_def=dg.StaticPartitionsDefinition(["DE", "FR"]),
        backfill_policy=dg.BackfillPolicy.single_run(),
        io_manager_key="flowfile_io_manager",
    )
    def mine(x: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
        return {key: frame.with_columns(mine=pl.lit(key)) for key, frame in x.items()}

    defs = definitions(project, partitions, mine)
    assert launch(project, defs, "DE", "FR").success
    assert rows(project, defs, "FR", "mine") == [(2, "FR", "FR")]
    assert rows(project, defs, "DE", "mine") == [(2, "DE", "DE")]


def test_file_that_appears_becomes_a_partition_and_is_run(either_mode: Project, tmp_path: Path) -> None:
    inbox = either_mode.folder / "inbox" / "2024"
    inbox.mkdir(parents=True)
    nodes = [read_csv(1, "${file}"), formula(2, 1, "x", "[a] + 1")]
    either_mode.write(nodes, parameters=[{"name": "file", "default_value": "none.csv"}])
    either_mode.write(nodes, "second", parameters=[{"name": "file", "default_value": "none.csv"}])
    files = FilePartitions(pattern="inbox/**/*.csv", parameter="file")
    defs = definitions(either_mode, files)
    (sensor,) = defs.sensors or ()
    assert isinstance(sensor, dg.SensorDefinition)

    def tick() -> list[str]:
        answer = sensor(dg.build_sensor_context(instance=either_mode.instance, definitions=defs))
        if isinstance(answer, dg.SkipReason):
            return []
        assert isinstance(answer, dg.SensorResult)
        for request in answer.dynamic_partitions_requests or ():
            either_mode.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        return [str(request.partition_key) for request in answer.run_requests or ()]

    assert tick() == []
    (inbox / "one.csv").write_text("a\n1\n")
    (inbox / "two.csv").write_text("a\n5\n")
    assert tick() == ["2024/one.csv", "2024/two.csv"]
    assert tick() == []
    run = [spec.key.to_user_string() for spec in defs.resolve_all_asset_specs() if spec.partitions_def]
    assert launch(either_mode, defs, "2024/two.csv", select=run).success
    assert rows(either_mode, defs, "2024/two.csv", "shop/formula_2") == [(5, 6)]
    assert rows(either_mode, defs, "2024/two.csv", "second/formula_2") == [(5, 6)]


def test_folders_that_would_share_the_partitions_of_their_files_are_named(project: Project) -> None:
    for folder, name in (("north", "shop"), ("south", "mall")):
        (project.folder / folder).mkdir()
        project.write([read_csv(1, "${file}")], f"{folder}/{name}", parameters=[{"name": "file", "default_value": ""}])
    folders = [project.folder / "north", project.folder / "south"]

    def define(pattern: str) -> dg.Definitions:
        looking = [FilePartitions(pattern=text, parameter="file") for text in ("inbox/*.csv", pattern)]
        overrides = {name: FlowConfig(partitions=files) for name, files in zip(("shop", "mall"), looking, strict=True)}
        return build_definitions(folders, overrides=overrides, compiled_folder=project.folder / ".compiled")

    with pytest.raises(ConfigError, match=r"'mall': partitions\.pattern: flow 'shop' has"):
        define("inbox/*.csv")
    assert len(list(define(str(folders[1] / "inbox" / "*.csv")).sensors or ())) == 2


@pytest.mark.parametrize(("value", "expected"), [("name", "a.b.csv"), ("stem", "a.b"), ("path", "/data/in/x/a.b.csv")])
def test_file_gives_its_path_name_or_stem(value: Any, expected: str) -> None:
    files = FilePartitions(pattern="in/*/*.csv", parameter="file", value=value)
    assert files.values("x/a.b.csv", Path("/data")) == {"file": expected}


@pytest.mark.parametrize(
    ("partitions", "message"),
    [
        (TimePartitions(type="daily", start="2024-01-01"), "partitions: name the parameter that a partition sets"),
        (TimePartitions(type="daily", start="soon", parameter="day"), "partitions: .*'soon'"),
        (TimePartitions(type="daily", start="2024-01-01", timezone="Moon", parameter="day"), "partitions: .*Moon"),
        (TimePartitions(type="daily", start="2024-01-02", end="2024-01-01", parameter="day"), "is not after start"),
        (
            TimePartitions(type="daily", start="2024-01-01", parameter="day", start_parameter="day"),
            "'day' is set twice",
        ),
        (StaticPartitions(keys=["a"], parameter="dya"), "partitions: the flow has no parameter 'dya'; parameters: day"),
        (StaticPartitions(keys=["DE", "IT"], parameter="country"), "'country': must be one of DE, FR; got 'IT'"),
        (StaticPartitions(keys=["a", "a"], parameter="day"), "partitions: .*unique"),
        (MultiPartitions(dimensions={"date": DAYS}), "2 partitions"),
    ],
)
def test_partitions_that_do_not_fit_the_flow_are_refused(
    project: Project, partitions: Partitions, message: str
) -> None:
    write(project, DAY, COUNTRY)
    with pytest.raises(ConfigError, match=message):
        definitions(project, partitions)


def test_static_partitions_without_a_key_are_refused() -> None:
    with pytest.raises(ValueError, match="name at least one key"):
        StaticPartitions(keys=[], parameter="day")


def test_parameter_is_set_by_the_run_or_by_the_partition(project: Project) -> None:
    write(project)
    with pytest.raises(ConfigError, match="'day' is set by the partition"):
        definitions(project, DAYS, required_parameters=["day"])


def test_check_of_a_range_fails_once_and_names_the_partitions_in_which_it_failed(project: Project) -> None:
    nodes = [manual(1, {"a": [1, 2]}), advanced_filter(2, 1, "[a] > to_integer(right(${day}, 1)) - 1")]
    project.write(nodes, parameters=(DAY,))
    checked = {"filter_2": NodeConfig(checks=[RowCount(min=1)])}
    result = launch(project, definitions(project, DAYS, nodes=checked), "2024-01-01", "2024-01-04")
    (check,) = [item for item in result.get_asset_check_evaluations() if item.check_name == "row_count"]
    assert not check.passed
    assert "failed in partitions: 2024-01-03, 2024-01-04" in (check.description or "")
    assert list(told(result, "filter_2")) == ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"]
