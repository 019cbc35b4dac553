"""What the event log knows of assets."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import dagster as dg

DATA_VERSION_TAG = "dagster/data_version"


def latest_materializations(
    instance: dg.DagsterInstance, keys: Collection[dg.AssetKey]
) -> Mapping[dg.AssetKey, dg.AssetMaterialization]:
    """The latest materialization of each asset that was ever materialized; all in one query."""
    found: dict[dg.AssetKey, dg.AssetMaterialization] = {}
    for record in instance.get_asset_records(list(keys)):
        event = record.asset_entry.last_materialization
        if event is not None and event.asset_materialization is not None:
            found[record.asset_entry.asset_key] = event.asset_materialization
    return found


def latest_observed_version(instance: dg.DagsterInstance, key: dg.AssetKey) -> str | None:
    """The data version of the latest observation of an asset."""
    for record in instance.fetch_observations(key, limit=1).records:
        observation = record.asset_observation
        return None if observation is None else observation.tags.get(DATA_VERSION_TAG)
    return None
