"""Which assets Dagster marks as unsynced, and why."""

from __future__ import annotations

from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from tests.orchestration.project import Project


def stale(project: Project) -> dict[str, list[str]]:
    """Unsynced assets by ``flow/node``, with the reasons."""
    graph = project.definitions().resolve_asset_graph()
    resolver = CachingStaleStatusResolver(project.instance, graph, LoadingContextForTest(project.instance))
    return {
        key.to_user_string(): [cause.reason for cause in resolver.get_stale_causes(key)]
        for key in sorted(graph.materializable_asset_keys)
        if resolver.get_status(key) is not StaleStatus.FRESH
    }
