"""What has changed since it was materialized, and everything below, as the event log tells it."""

from __future__ import annotations

from collections.abc import Collection

import dagster as dg

from flowfile_dagster.orchestration.steps.history import (
    DATA_VERSION_TAG,
    latest_materializations,
    latest_observed_version,
)
from flowfile_dagster.orchestration.steps.observation import INPUT_DATA_VERSION_TAG

_CODE_VERSION_TAG = "dagster/code_version"


def changed_assets(
    instance: dg.DagsterInstance, repository: dg.RepositoryDefinition, keys: Collection[dg.AssetKey]
) -> set[dg.AssetKey]:
    """Those of the assets that were never made, were made by other settings or of other inputs, and those below them.

    Dagster's own staleness is one hop: what is below something stale is not stale until that was made again.
    """
    graph = repository.asset_graph
    parents = {parent for key in keys for parent in graph.get(key).parent_keys}
    latest = latest_materializations(instance, parents | set(keys))
    made = {key: materialization.tags or {} for key, materialization in latest.items()}
    current = {key: tags.get(DATA_VERSION_TAG) for key, tags in made.items()}
    current |= {key: latest_observed_version(instance, key) for key in parents - made.keys()}

    def has_changed(key: dg.AssetKey) -> bool:
        if key not in made:
            return True
        node, known = graph.get(key), made[key]
        has_new_input = any(
            current.get(parent) not in (None, known.get(f"{INPUT_DATA_VERSION_TAG}/{parent.to_user_string()}"))
            for parent in node.parent_keys
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
