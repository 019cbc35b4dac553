"""Fusion: from a graph to the segments of performance mode. Pure functions of the graph.

It starts from the nodes whose result is wanted for itself (roots) and fuses every other node into what reads it. A
fan-out that costs next to nothing is fused into each of its consumers, because their pushdowns then read less; of
those that only stream into files, Polars' streaming engine still reads what they share once. A dear one runs once:
where its consumers can be collected together they are a bundle, whose common part is computed once; else it becomes a
root and is stored.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.flow.graph import FlowGraph, FlowNode
from flowfile_dagster.plan.bundles import find_bundles, find_streams, in_bundle_order
from flowfile_dagster.plan.segments import ONCE_ONLY, Reason, Segment, cheap_nodes


def performance_segments(
    graph: FlowGraph, selected: Collection[int] = (), checked: Collection[int] = ()
) -> tuple[Segment, ...]:
    """Fused in-trees, so that each comes after what it reads. `selected` and `checked` nodes become roots."""
    reasons = _wanted_for_themselves(graph, selected, checked)
    cheap = cheap_nodes(graph, graph.nodes, reasons)
    settled = 0
    while settled < len(reasons):  # a root of the one kind can call for one of the other
        settled = len(reasons)
        _split_dear_fan_outs(graph, reasons, cheap)
        _keep_what_is_drawn(graph, reasons)
    place = {node_id: index for index, node_id in enumerate(graph.nodes)}
    segments = {root: _segment(graph, root, reasons, place) for root in graph.nodes if root in reasons}
    bundles = find_bundles(graph, segments)
    for shared in set(bundles.values()):
        del segments[shared], reasons[shared]
    for root, shared in bundles.items():
        segments[root] = replace(_segment(graph, root, reasons, place), bundle=shared)
    for root, shared in find_streams(graph, segments).items():
        segments[root] = replace(segments[root], bundle=shared)
    return in_bundle_order(segments, list(graph.nodes))


def _wanted_for_themselves(
    graph: FlowGraph, selected: Collection[int], checked: Collection[int]
) -> dict[int, list[Reason]]:
    reasons: dict[int, list[Reason]] = {}
    for node_id, node in graph.nodes.items():
        is_sink = Trait.SINK in node.traits
        answers: dict[Reason, bool] = {
            "sink": is_sink,
            "output": not is_sink and not graph.consumers[node_id],
            "cache_results": node.settings is not None and node.settings.cache_results,
            "selected": node_id in selected,
            "check": node_id in checked,
            "barrier": Trait.GATE in node.traits,
        }
        found = [reason for reason, holds in answers.items() if holds]
        if found:
            reasons[node_id] = found
    for node_id in _looked_at_as_a_whole(graph):
        reasons.setdefault(node_id, [])
        if "barrier" not in reasons[node_id]:
            reasons[node_id].append("barrier")
    return reasons


def _looked_at_as_a_whole(graph: FlowGraph) -> set[int]:
    """What barriers and gates read, and what a node waits for without reading it."""
    found: set[int] = set()
    for node in graph.nodes.values():
        inputs = [item.node_id for item in node.inputs]
        if node.traits & {Trait.BARRIER, Trait.GATE}:
            found.update(inputs)
        elif Trait.PASSTHROUGH in node.traits:
            found.update(inputs[1:])
    return found


def _split_dear_fan_outs(graph: FlowGraph, reasons: dict[int, list[Reason]], cheap: frozenset[int]) -> None:
    """Make a root of every node that would be built in more than one segment, unless it is cheap.

    Linear in what is planned: a node's homes are the segments that it is then built in, its copies how often it would
    stand in a plan, where 2 is any number above 1.
    """
    segments_of: dict[int, frozenset[int]] = {}
    copies: dict[int, int] = {}
    for node_id in reversed(list(graph.nodes)):
        readers = [graph.nodes[reader] for reader in graph.consumers[node_id]]
        homes = frozenset[int]().union(*(_homes(reader, reasons, segments_of) for reader in readers))
        edges = [reader.node_id for reader in readers for item in reader.inputs if item.node_id == node_id]
        copies[node_id] = min(2, sum(1 if reader in reasons else copies[reader] for reader in edges))
        is_doubled = copies[node_id] > 1 and bool(graph.nodes[node_id].traits & ONCE_ONLY)
        if node_id not in reasons and (is_doubled or (len(homes) > 1 and node_id not in cheap)):
            reasons[node_id] = ["fan-out"]
        segments_of[node_id] = homes


def _keep_what_is_drawn(graph: FlowGraph, reasons: dict[int, list[Reason]]) -> None:
    """Make a root of every volatile node but those fused into what nothing reads: its rows are drawn once for all."""
    for node_id in reversed(list(graph.nodes)):
        if Trait.VOLATILE in graph.nodes[node_id].traits and node_id not in reasons:
            root = node_id
            while root not in reasons:
                (root, *others) = graph.consumers[root]
                if others:
                    break
            if root not in reasons or graph.consumers[root]:
                reasons[node_id] = ["volatile"]


def _homes(
    reader: FlowNode, reasons: Mapping[int, list[Reason]], segments_of: Mapping[int, frozenset[int]]
) -> frozenset[int]:
    return frozenset({reader.node_id}) if reader.node_id in reasons else segments_of[reader.node_id]


def _segment(graph: FlowGraph, root: int, reasons: Mapping[int, list[Reason]], place: Mapping[int, int]) -> Segment:
    members, inputs, waiting = {root}, set[int](), [root]
    while waiting:
        for item in graph.nodes[waiting.pop()].inputs:
            if item.node_id in reasons:
                inputs.add(item.node_id)
            elif item.node_id not in members:
                members.add(item.node_id)
                waiting.append(item.node_id)
    return Segment(
        root,
        tuple(sorted(members, key=place.__getitem__)),
        tuple(sorted(inputs, key=place.__getitem__)),
        tuple(reasons[root]),
    )
