"""What has changed since it was materialized, and everything below, as the event log tells it."""

from __future__ import annotations

from collections.abc import Collection

import dagster as dg

from flowfile_dagster.orchestration.steps.history import (
    DATA_VERSION_TAG,
    INPUT_DATA_VERSION_TAG,
    INPUT_EVENT_TAG,
    latest_materializations,
    latest_observed_version,
    latest_of_partition,
)

_CODE_VERSION_TAG = "dagster/code_version"


def changed_assets(
    instance: dg.DagsterInstance,
    repository: dg.RepositoryDefinition,
    keys: Collection[dg.AssetKey],
    partition: str | None = None,
) -> set[dg.AssetKey]:
    """Those of the assets that were never made, were made by other settings or of other inputs, and those below them.

    Of assets that are partitioned it is the given partition that counts.
    Dagster's own staleness is one hop: what is below something stale is not stale until that was made again.
    """
    graph = repository.asset_graph
    parents = {parent for key in keys for parent in graph.get(key).parent_keys}
    looked_at = parents | set(keys)
    partitioned = {key for key in looked_at if partition and graph.get(key).partitions_def is not None}
    latest = latest_materializations(instance, looked_at - partitioned)
    made = {key: materialization.tags or {} for key, materialization in latest.items()}
    # By name of the tag on what was made of it, and value. Of a partition Dagster's tag holds a hash of its own making.
    current = {key: (INPUT_DATA_VERSION_TAG, tags.get(DATA_VERSION_TAG)) for key, tags in made.items()}
    if partition is not None:
        records = latest_of_partition(instance, partitioned, partition)
        made |= {
            key: made_of.tags or {} for key, record in records.items() if (made_of := record.asset_materialization)
        }
        current |= {key: (INPUT_EVENT_TAG, str(record.storage_id)) for key, record in records.items()}
    for key in parents - made.keys():
        current[key] = (INPUT_DATA_VERSION_TAG, latest_observed_version(instance, key))

    def has_changed(key: dg.AssetKey) -> bool:
        if key not in made:
            return True
        node, known = graph.get(key), made[key]
        has_new_input = any(
            value not in (None, known.get(f"{tag}/{parent.to_user_string()}"))
            for parent in node.parent_keys
            for tag, value in [current[parent]]
        )
        return has_new_input or node.code_version not in (None, known.get(_CODE_VERSION_TAG))

    found: set[dg.AssetKey] = set()
    waiting = [key for key in keys if has_changed(key)]
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting.extend(child for child in graph.get(key).child_keys if child in keys)
    return found
