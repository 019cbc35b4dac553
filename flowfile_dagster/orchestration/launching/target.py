"""What a schedule or trigger launches, and whether something is in the way of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import dagster as dg

from flowfile_dagster.durations import parse_duration
from flowfile_dagster.errors import ConfigError
from flowfile_dagster.orchestration.launching.changes import changed_assets
from flowfile_dagster.orchestration.launching.dead_runs import is_dead
from flowfile_dagster.orchestration.project.launch_config import LaunchConfig
from flowfile_dagster.orchestration.project.parameters import launch_values
from flowfile_dagster.orchestration.project.place import FlowPlace
from flowfile_dagster.orchestration.project.project import Project
from flowfile_dagster.orchestration.steps.launch import flow_resource_key

#: How often Flowfile's own scheduler looks, in seconds.
TICK = 30

_GOING_ON = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True)
class FlowAssets:
    """The keys of the assets of each flow of a project."""

    project: Project
    by_place: Mapping[FlowPlace, frozenset[dg.AssetKey]]

    def find(self, groups: Iterable[str], field: str) -> list[FlowPlace]:
        """Flows by group.

        Raises:
            ConfigError: there is no such flow.
        """
        known = {place.group: place for place in self.by_place}
        for group in groups:
            if group not in known:
                raise ConfigError(None, field, f"there is no flow {group!r}; flows: {', '.join(known) or 'none'}")
        return [known[group] for group in groups]

    def whole_flows(self, keys: Iterable[dg.AssetKey]) -> frozenset[dg.AssetKey]:
        """The keys, with all assets of the flows that any of them belongs to."""
        wanted = frozenset(keys)
        return wanted.union(*(keys for keys in self.by_place.values() if keys & wanted))


@dataclass(frozen=True)
class LaunchTarget:
    """The runs that one schedule or trigger requests."""

    config: LaunchConfig
    selection: dg.AssetSelection
    run_config: Mapping[str, Any]
    assets: FlowAssets

    def request(
        self, instance: dg.DagsterInstance, repository: dg.RepositoryDefinition | None, at: datetime | None = None
    ) -> dg.RunRequest | dg.SkipReason:
        """A run of what is selected, or why there should be none now.

        Of flows that are partitioned by time it is the partition that was over last, `at` the given time or now.
        """
        if repository is None:
            raise ValueError("a schedule or sensor needs the repository that it belongs to")
        keys = self.selection.resolve(repository.asset_graph)
        running = self._running(keys, instance) if self.config.skip_if_running else None
        if running is not None:
            return dg.SkipReason(f"run {running} of the same flow goes on")
        partition = _latest_partition(keys, repository, at)
        if not self.config.only_changed:
            return dg.RunRequest(run_config=self.run_config, tags=self.config.tags, partition_key=partition)
        changed = changed_assets(instance, repository, keys, partition)
        if not changed:
            return dg.SkipReason("nothing has changed")
        return dg.RunRequest(
            run_config=self.run_config,
            tags=self.config.tags,
            asset_selection=sorted(changed),
            partition_key=partition,
        )

    def sensor(
        self, evaluate: Callable[[dg.SensorEvaluationContext], dg.RunRequest | dg.SkipReason], description: str
    ) -> dg.SensorDefinition:
        """A sensor that asks `evaluate` whether to launch."""
        return dg.SensorDefinition(
            name=self.config.name,
            evaluation_fn=evaluate,
            target=self.selection,
            minimum_interval_seconds=TICK,
            default_status=dg.DefaultSensorStatus(self.config.status.upper()),
            description=description,
        )

    def _running(self, keys: Iterable[dg.AssetKey], instance: dg.DagsterInstance) -> str | None:
        """A run of one of the flows that goes on; one that is too old is taken for dead, too."""
        ours = self.assets.whole_flows(keys)
        oldest = datetime.now(timezone.utc) - parse_duration(self.config.stale_after)
        for record in instance.get_run_records(dg.RunsFilter(statuses=_GOING_ON, created_after=oldest)):
            run = record.dagster_run
            if ours & _materialized_by(run, instance) and not is_dead(run, instance):
                return run.run_id
        return None


def build_target(config: LaunchConfig, assets: FlowAssets, field: str) -> LaunchTarget:
    """What a configuration says to launch. `field`: where it stands, for errors.

    Raises:
        ConfigError: there is no such flow, its parameters are not what is given, flows differ in their partitions, or
            the selection cannot be read.
    """
    places = assets.find(config.flows, f"{field}.flows") or list(assets.by_place)
    if config.select is None:
        _refuse_mixed_partitions(places, assets.project, f"{field}.flows")
    keys = frozenset[dg.AssetKey]().union(*(assets.by_place[place] for place in places))
    selected: dg.AssetSelection = dg.AssetSelection.assets(*sorted(keys))
    if config.select is not None:
        chosen = _parse_selection(config.select, f"{field}.select")
        selected = chosen & selected if config.flows else chosen
    given = assets.find(config.parameters, f"{field}.parameters")
    project = assets.project
    values = {
        place: launch_values(
            project.flows[place],
            place,
            project.config_of(place),
            config.parameters.get(place.group, {}),
            f"{field}.parameters",
        )
        # What a selection leaves of other flows is not known here.
        for place in dict.fromkeys([*given, *([] if config.select else places)])
        if place in project.flows
    }
    resources = {
        flow_resource_key(place): {"config": {"parameters": named}} for place, named in values.items() if named
    }
    return LaunchTarget(config, selected, {"resources": resources} if resources else {}, assets)


def _parse_selection(text: str, field: str) -> dg.AssetSelection:
    try:
        return dg.AssetSelection.from_string(text)
    except dg.DagsterError as error:
        raise ConfigError(None, field, str(error)) from error


def _refuse_mixed_partitions(places: Iterable[FlowPlace], project: Project, field: str) -> None:
    """Dagster would refuse the job of all of these flows, and with it the whole code location."""
    owners: dict[dg.PartitionsDefinition[str], FlowPlace] = {}
    for place in places:
        partitions = project.config_of(place).partitions
        if partitions is not None:
            owners.setdefault(partitions.build(place), place)
    if len(owners) > 1:
        first, second = (place.group for place in [*owners.values()][:2])
        cause = f"{first!r} and {second!r} are partitioned in different ways, so launch each by itself"
        raise ConfigError(None, field, cause)


def _latest_partition(
    keys: Iterable[dg.AssetKey], repository: dg.RepositoryDefinition, at: datetime | None
) -> str | None:
    kinds = {repository.asset_graph.get(key).partitions_def for key in keys}
    by_time = [kind for kind in kinds if isinstance(kind, dg.TimeWindowPartitionsDefinition)]
    with dg.partition_loading_context(at):
        return by_time[0].get_last_partition_key() if len(by_time) == 1 else None


def _materialized_by(run: dg.DagsterRun, instance: dg.DagsterInstance) -> set[dg.AssetKey]:
    if run.asset_selection:
        return set(run.asset_selection)
    planned = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
    return {entry.dagster_event.asset_key for entry in planned if entry.dagster_event and entry.dagster_event.asset_key}
