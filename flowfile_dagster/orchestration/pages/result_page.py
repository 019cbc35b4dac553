"""What a run tells of its results on the pages of their assets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from flowfile_dagster.compile.form import CompiledFlow, CompiledSegment
from flowfile_dagster.contract.chart import Chart
from flowfile_dagster.contract.node_type import NODE_FAILURES
from flowfile_dagster.engine.chart import draw_chart
from flowfile_dagster.engine.events import NodeComputed, NodeReused
from flowfile_dagster.flow.graph import FlowNode
from flowfile_dagster.orchestration.pages.difference import describe_changes
from flowfile_dagster.orchestration.pages.metadata import result_metadata
from flowfile_dagster.orchestration.pages.row_counts import render_row_counts
from flowfile_dagster.orchestration.pages.settings import settings_change, settings_markdown
from flowfile_dagster.orchestration.project.redaction import NOTHING, Redactions
from flowfile_dagster.plan.segments import Segment
from flowfile_dagster.store.index import Manifest
from flowfile_dagster.store.store import ResultStore

#: Pictures beyond this are left out, so that the event log stays small.
MAX_BYTES_OF_CHARTS = 32 * 1024

_log = logging.getLogger(__name__)


class ResultPages:
    """Renders the results of one step, and remembers them to say what came of what."""

    def __init__(
        self,
        flow: CompiledFlow,
        segments: Sequence[CompiledSegment],
        ref_key: Callable[[int], Sequence[str]],
        store: ResultStore,
        redactions: Redactions,
        made: Mapping[dg.AssetKey, dg.AssetMaterialization],
    ) -> None:
        self._ref_key = ref_key
        self._store = store
        self._made = made
        self._nodes = {node.node_id: node for node in flow.nodes}
        self._names = {node.node_id: node.name for node in flow.nodes}
        self._members = {segment.root: segment.nodes for segment in segments}
        self._redactions = redactions
        self._manifests: dict[int, Manifest] = {}
        self._previous: dict[int, Manifest | None] = {}

    def remember(self, event: NodeComputed | NodeReused, previous: Manifest | None) -> None:
        """Note a result and the one before it, whether or not it is an asset that was asked for."""
        self._manifests[event.node_id] = event.manifest
        self._previous[event.node_id] = previous

    def render(
        self, event: NodeComputed | NodeReused, node: FlowNode, segment: Segment, handle: str, key: dg.AssetKey
    ) -> dict[str, Any]:
        """The metadata of one materialization. `segment`: what was computed together to make it."""
        redaction = self._redactions.get((node.node_id, handle), NOTHING)
        metadata = result_metadata(event, handle, self._nodes[node.node_id].schemas.get(handle), self._store, redaction)
        members = [self._nodes[node_id] for node_id in self._members.get(node.node_id, segment.nodes)]
        metadata |= settings_change(settings_markdown(members), self._made.get(key))
        table = event.manifest.outputs.get(handle)
        charts = [chart for chart in _charts(node) if not any(map(redaction.hides, filter(None, (chart.x, chart.y))))]
        if table is not None and charts:
            metadata["flowfile/charts"] = dg.MetadataValue.md(_draw(self._store.scan(table), charts))
        if len(segment.nodes) == 1:
            counts = render_row_counts(node, handle, event.manifest, self._inputs(node), self._names)
            metadata |= {} if counts is None else {"flowfile/rows": counts}
        previous = self._previous[node.node_id]
        before = None if previous is None else previous.outputs.get(handle)
        if before is not None and table is not None:
            metadata["flowfile/changes"] = describe_changes(before, table, self._store)
        return metadata

    def _inputs(self, node: FlowNode) -> Mapping[int, Manifest]:
        """The latest results of the node's inputs, as far as there are any."""
        for item in node.inputs:
            if item.node_id not in self._manifests:
                ref = self._store.latest(self._ref_key(item.node_id))
                found = None if ref is None else self._store.find(ref.node_hash)
                if found is not None:
                    self._manifests[item.node_id] = found
        return self._manifests


def _charts(node: FlowNode) -> tuple[Chart, ...]:
    settings: Any = node.settings
    return node.kind.charts(settings) if node.can_run else ()


def _draw(frame: pl.LazyFrame, charts: Iterable[Chart]) -> str:
    drawn = ""
    for chart in charts:
        try:
            picture = draw_chart(frame, chart)
        except NODE_FAILURES as error:  # a picture must not lose the result
            _log.warning("no picture of chart %r: %s", chart.title, error)
            continue
        if len(drawn) + len(picture) <= MAX_BYTES_OF_CHARTS:
            drawn += f"{picture}\n\n"
    return drawn or "no chart could be drawn"
