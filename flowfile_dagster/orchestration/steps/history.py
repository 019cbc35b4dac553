"""What the event log knows of assets."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import dagster as dg

#: Tags that Dagster itself gives events.
DATA_VERSION_TAG = "dagster/data_version"
INPUT_DATA_VERSION_TAG = "dagster/input_data_version"
INPUT_EVENT_TAG = "dagster/input_event_pointer"


def latest_materializations(
    instance: dg.DagsterInstance, keys: Collection[dg.AssetKey]
) -> Mapping[dg.AssetKey, dg.AssetMaterialization]:
    """The latest materialization of each asset that was ever materialized.

    All in one query, which takes longer than it takes to look up a single one.
    """
    found: list[tuple[dg.AssetKey, dg.EventLogRecord | dg.EventLogEntry]]
    if len(keys) == 1:
        (key,) = keys
        found = [(key, record) for record in instance.fetch_materializations(key, limit=1).records]
    else:
        entries = (record.asset_entry for record in instance.get_asset_records(list(keys)))
        found = [(entry.asset_key, entry.last_materialization) for entry in entries if entry.last_materialization]
    return {key: made for key, event in found if (made := event.asset_materialization) is not None}


def latest_of_partition(
    instance: dg.DagsterInstance, keys: Collection[dg.AssetKey], partition: str
) -> Mapping[dg.AssetKey, dg.EventLogRecord]:
    """The event of the latest materialization of one partition, of each asset that has one."""
    found: dict[dg.AssetKey, dg.EventLogRecord] = {}
    for key in keys:
        wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition])
        for record in instance.fetch_materializations(wanted, limit=1).records:
            found[key] = record
    return found


def latest_observed_version(instance: dg.DagsterInstance, key: dg.AssetKey) -> str | None:
    """The data version of the latest observation of an asset."""
    for record in instance.fetch_observations(key, limit=1).records:
        observation = record.asset_observation
        return None if observation is None else observation.tags.get(DATA_VERSION_TAG)
    return None
