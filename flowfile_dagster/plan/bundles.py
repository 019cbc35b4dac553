"""Bundles: segments that are collected together, so that what they share runs once, unstored.

That is one dear node; or the cheap beginning of several sinks, which then read their source once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile

from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.flow.graph import FlowGraph, topological_order
from flowfile_dagster.plan.segments import ONCE_ONLY, Segment, delivers_table, passes_input_on

#: Polars plans all of a bundle at once; beyond this number of results storing the shared node is the safer way.
MAX_BUNDLE = 16


def find_bundles(graph: FlowGraph, segments: Mapping[int, Segment]) -> dict[int, int]:
    """The shared node of every root that is in a bundle. A shared node itself is a root no longer.

    `segments` are in topological order.
    """
    readers: dict[int, list[int]] = {root: [] for root in segments}
    for root, segment in segments.items():
        for source in dict.fromkeys(segment.inputs):
            readers[source].append(root)
    place = {root: index for index, root in enumerate(segments)}
    checks = _checks_above(segments)
    bundles: dict[int, int] = {}
    for shared, segment in segments.items():
        near = [segments[reader] for reader in readers[shared]]
        is_stopped_alike = len({checks[reader.root] for reader in near}) == 1
        if is_stopped_alike and _can_share(graph, segment, near, bundles) and _are_independent(near, segments, place):
            bundles.update({reader.root: shared for reader in near})
    return bundles


def find_streams(graph: FlowGraph, segments: Mapping[int, Segment]) -> dict[int, int]:
    """The first node of every root that can be streamed together with others that begin with it.

    Each would also do by itself, so only those take part that take no memory to speak of: a sum of large sorts could
    be more than the machine has, where one after the other would fit.
    """
    together: dict[int, list[int]] = {}
    for root, segment in segments.items():
        if segment.bundle is None and _is_streamed(graph, segment):
            together.setdefault(segment.nodes[0], []).append(root)
    return {root: start for start, roots in together.items() if 1 < len(roots) <= MAX_BUNDLE for root in roots}


def _is_streamed(graph: FlowGraph, segment: Segment) -> bool:
    """Whether a segment is a chain into a file that works row by row until its rows are few.

    Chains do not wait for anything but their rows. Where one waits, Polars keeps what the others already have.
    """
    members = [graph.nodes[node_id] for node_id in segment.nodes]
    sink = members[-1]
    if Trait.SINK not in sink.traits or Trait.EXCLUSIVE in sink.traits or delivers_table(graph, segment):
        return False
    at_first = takewhile(lambda member: Trait.REDUCING not in member.traits, members[:-1])
    works_row_by_row = all(member.traits & {Trait.NARROW, Trait.SOURCE} for member in at_first)
    return works_row_by_row and all(len(member.inputs) <= 1 for member in members)


def in_bundle_order(segments: Mapping[int, Segment], order: Sequence[int]) -> tuple[Segment, ...]:
    """Each segment after what it reads, and those of a bundle side by side."""
    place = {node_id: index for index, node_id in enumerate(order)}
    groups: dict[int, list[Segment]] = {}
    for segment in sorted(segments.values(), key=lambda segment: place[segment.root]):
        groups.setdefault(segment.root if segment.bundle is None else segment.bundle, []).append(segment)
    group_of = {segment.root: key for key, members in groups.items() for segment in members}
    rank = {key: index for index, key in enumerate(groups)}
    reads = {
        rank[key]: {rank[group_of[root]] for segment in members for root in segment.inputs}
        for key, members in groups.items()
    }
    in_rank = list(groups.values())
    return tuple(segment for index in topological_order(reads) for segment in in_rank[index])


def _checks_above(segments: Mapping[int, Segment]) -> dict[int, frozenset[int]]:
    """The checked roots that each segment depends on: those below a check do not join those that are not."""
    found: dict[int, frozenset[int]] = {}
    for root, segment in segments.items():
        near = (other for other in segment.inputs if "check" in segments[other].reasons)
        found[root] = frozenset(near).union(*(found[other] for other in segment.inputs))
    return found


def _can_share(graph: FlowGraph, segment: Segment, readers: Sequence[Segment], bundles: Mapping[int, int]) -> bool:
    traits = frozenset[Trait]().union(*(graph.nodes[node_id].traits for node_id in segment.nodes))
    is_plain = segment.reasons == ("fan-out",) and not traits & ONCE_ONLY
    is_free = segment.root not in bundles and not any(reader.root in bundles for reader in readers)
    stays_apart = any(_stays_apart(graph, reader) for reader in readers)
    return is_plain and is_free and not stays_apart and len(readers) <= MAX_BUNDLE


def _stays_apart(graph: FlowGraph, reader: Segment) -> bool:
    """Whether a reader holds a lock while its plan runs, for which another one could wait for ever; or delivers just
    what is shared: that is stored anyhow, and can as well be stored for all."""
    node = graph.nodes[reader.root]
    is_shared_itself = reader.nodes == (reader.root,) and passes_input_on(node) and delivers_table(graph, reader)
    return Trait.EXCLUSIVE in node.traits or is_shared_itself


def _are_independent(readers: Sequence[Segment], segments: Mapping[int, Segment], place: Mapping[int, int]) -> bool:
    """Whether the readers can be collected at the same time: none needs another, and none is a fan-out in turn.

    A reader with a check stays by itself: a check that fails must stop what is below it, and only that.
    """
    if any({"fan-out", "check"} & set(reader.reasons) for reader in readers):
        return False
    together = {reader.root for reader in readers}
    first = min((place[root] for root in together), default=0)
    seen: set[int] = set()
    waiting = [root for reader in readers for root in reader.inputs]
    while waiting:
        root = waiting.pop()
        if root in together:
            return False
        if root not in seen and place[root] > first:
            seen.add(root)
            waiting.extend(segments[root].inputs)
    return True
