"""What the event log knows of assets."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import dagster as dg


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
