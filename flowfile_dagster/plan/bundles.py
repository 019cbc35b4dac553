"""Bundles: segments that hang on one dear node and are collected together, so that it runs once, unstored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.flow.graph import FlowGraph
from flowfile_dagster.plan.segments import Segment

#: Polars plans all of a bundle at once; beyond this number of results storing the shared node is the safer way.
MAX_BUNDLE = 16
#: What may not be built several times, even to be computed once: Polars might take the copies for different work.
_NOT_SHARED = frozenset({Trait.RANDOM, Trait.VOLATILE, Trait.RUNS_USER_CODE, Trait.BARRIER, Trait.SINK})


def find_bundles(graph: FlowGraph, segments: Mapping[int, Segment]) -> dict[int, int]:
    """The shared node of every root that is in a bundle. A shared node itself is a root no longer."""
    above = _above(segments)
    bundles: dict[int, int] = {}
    for shared, segment in segments.items():
        readers = [root for root, reader in segments.items() if shared in reader.inputs]
        if _can_share(graph, segment, readers, bundles) and _are_independent(readers, segments, above):
            bundles.update(dict.fromkeys(readers, shared))
    return bundles


def in_bundle_order(segments: Mapping[int, Segment], order: Sequence[int]) -> tuple[Segment, ...]:
    """Each segment after what it reads, and those of a bundle side by side."""
    place = {node_id: index for index, node_id in enumerate(order)}
    groups: dict[int, list[Segment]] = {}
    for segment in sorted(segments.values(), key=lambda segment: place[segment.root]):
        groups.setdefault(segment.root if segment.bundle is None else segment.bundle, []).append(segment)
    group_of = {segment.root: key for key, members in groups.items() for segment in members}
    ordered: dict[int, None] = {}
    waiting = list(groups)
    while waiting:
        for key in waiting:
            reads = {group_of[root] for segment in groups[key] for root in segment.inputs}
            if reads <= ordered.keys():
                ordered[key] = None
                waiting.remove(key)
                break
    return tuple(segment for key in ordered for segment in groups[key])


def _above(segments: Mapping[int, Segment]) -> dict[int, frozenset[int]]:
    """Every root that a segment depends on, directly or not."""
    above: dict[int, frozenset[int]] = {}
    for root, segment in segments.items():
        above[root] = frozenset(segment.inputs).union(*(above[other] for other in segment.inputs))
    return above


def _can_share(graph: FlowGraph, segment: Segment, readers: Sequence[int], bundles: Mapping[int, int]) -> bool:
    traits = frozenset[Trait]().union(*(graph.nodes[node_id].traits for node_id in segment.nodes))
    is_plain = segment.reasons == ("fan-out",) and not traits & _NOT_SHARED
    is_free = segment.root not in bundles and not any(reader in bundles for reader in readers)
    return is_plain and is_free and len(readers) <= MAX_BUNDLE


def _are_independent(
    readers: Sequence[int], segments: Mapping[int, Segment], above: Mapping[int, frozenset[int]]
) -> bool:
    """Whether the readers can be collected at the same time: none needs another, and none is a fan-out in turn.

    One with a check stays by itself, and those below a check do not join those that are not: a check that fails
    must stop what is below it, and only that.
    """
    together, alone = set(readers), {"fan-out", "check"}
    checked = {root for root, segment in segments.items() if "check" in segment.reasons}
    is_stopped_alike = len({above[reader] & checked for reader in readers}) == 1
    return is_stopped_alike and all(
        not above[reader] & together and not alone & set(segments[reader].reasons) for reader in readers
    )
