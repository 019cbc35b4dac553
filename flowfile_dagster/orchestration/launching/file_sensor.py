"""The sensor behind "one partition per input file": a file that appears becomes a partition, and is run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import dagster as dg

from flowfile_dagster.errors import ConfigError
from flowfile_dagster.flow.names import slug
from flowfile_dagster.orchestration.project.partitions import FilePartitions
from flowfile_dagster.orchestration.project.place import FlowPlace
from flowfile_dagster.orchestration.project.project import Project

#: More new files than this are left for the next ticks.
_MAX_FILES_PER_TICK = 100


def build_file_sensors(project: Project, assets: Iterable[dg.AssetsDefinition]) -> list[dg.SensorDefinition]:
    """One sensor for each set of files that flows are partitioned by; it runs all of those flows.

    Raises:
        ConfigError: flows in different folders would share a set of partitions.
    """
    looking: dict[str, list[FlowPlace]] = {}
    for place in project.flows:
        partitions = project.config_of(place).partitions
        if isinstance(partitions, FilePartitions):
            sharing = looking.setdefault(partitions.set_name(place), [])
            sharing.append(place)
            _refuse_another_folder(project, partitions, sharing[0], place)
    if not looking:
        return []
    keys = _keys_by_set(assets)
    return [_build_sensor(name, project, places[0], keys[name]) for name, places in looking.items() if name in keys]


def _refuse_another_folder(project: Project, partitions: FilePartitions, first: FlowPlace, place: FlowPlace) -> None:
    """Only one of the folders would be looked in, and its files be run for both flows."""
    one, other = (partitions.folder_of_files(project.folder_of(flow)) for flow in (first, place))
    if one != other:
        cause = (
            f"flow {first.group!r} has {partitions.pattern!r} under {one}, this one under {other}, and partitions are "
            "known by their pattern; write one of the patterns as an absolute path"
        )
        raise ConfigError(place.group, "partitions.pattern", cause)


def _keys_by_set(assets: Iterable[dg.AssetsDefinition]) -> Mapping[str, list[dg.AssetKey]]:
    keys: dict[str, list[dg.AssetKey]] = {}
    for spec in (spec for asset in assets for spec in asset.specs):
        if isinstance(spec.partitions_def, dg.DynamicPartitionsDefinition) and spec.partitions_def.name:
            keys.setdefault(spec.partitions_def.name, []).append(spec.key)
    return keys


def _build_sensor(name: str, project: Project, place: FlowPlace, keys: list[dg.AssetKey]) -> dg.SensorDefinition:
    partitions = project.config_of(place).partitions
    assert isinstance(partitions, FilePartitions)
    folder = project.folder_of(place)

    @dg.sensor(
        name=f"files_{slug(name)[:40]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}",
        target=dg.AssetSelection.assets(*keys),
        description=f"One partition for each file {partitions.pattern} in {folder}; runs what reads it.",
    )
    def add_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        known = set(context.instance.get_dynamic_partitions(name))
        fresh = [key for key in partitions.find(folder) if key not in known][:_MAX_FILES_PER_TICK]
        if not fresh:
            return dg.SkipReason(f"no new file matches {partitions.pattern} in {folder}")
        return dg.SensorResult(
            run_requests=[dg.RunRequest(run_key=key, partition_key=key) for key in fresh],
            dynamic_partitions_requests=[dg.DynamicPartitionsDefinition(name=name).build_add_request(fresh)],
        )

    return add_files
