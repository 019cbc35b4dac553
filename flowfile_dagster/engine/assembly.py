"""One segment as lazy frames: every node built over the frames of the nodes before it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import polars as pl

from flowfile_dagster.columns.schema import refuse_patterns
from flowfile_dagster.compat import FILTERS_SHARE_NOTHING
from flowfile_dagster.contract.node_type import NODE_FAILURES, TableFacts, Trait, by_handle
from flowfile_dagster.contract.output_fields import apply_output_fields
from flowfile_dagster.engine.collect import collect
from flowfile_dagster.engine.context import NodeContext, NodeFrames
from flowfile_dagster.errors import NodeError
from flowfile_dagster.flow.graph import FlowGraph, FlowNode, output_field_handles
from flowfile_dagster.flow.wiring import Input
from flowfile_dagster.plan.lookups import LookupChain, lookup_chains
from flowfile_dagster.plan.order import order_keepers
from flowfile_dagster.plan.segments import cheap_nodes

#: What has no prediction, or one that costs as much as its work.
_NOT_PREDICTED = frozenset({Trait.BARRIER, Trait.SINK, Trait.RUNS_USER_CODE})


def build_node(node: FlowNode, frames: Sequence[pl.LazyFrame], context: NodeContext) -> dict[str, pl.LazyFrame]:
    """The node's outputs by handle, with the common output fields step applied."""
    settings: Any = node.settings
    outputs = by_handle(node.kind.compute(settings, frames, context))
    if node.output_fields is not None:
        for handle in output_field_handles(node):
            outputs[handle] = apply_output_fields(node.output_fields, outputs[handle])
    return {handle: outputs[handle] for handle in node.handles}


def assemble(
    members: Mapping[int, Sequence[Input]],
    stored: Mapping[int, NodeFrames],
    context: NodeContext,
    ordered: Collection[int],
) -> dict[int, NodeFrames]:
    """The frames of every member of a segment.

    Args:
        members: the inputs that take part, by member, in topological order.
        stored: the frames of results that exist already.
        context: what the nodes may ask for.
        ordered: the members whose row order matters.

    Raises:
        NodeError: a member cannot be built; names it.
    """
    frames: dict[int, NodeFrames] = dict(stored)
    schemas: dict[int, pl.Schema] = {}
    together, alone = (replace(base, known_schemas=schemas) for base in (context, context.alone()))
    contexts = {
        (is_barrier, keeps): replace(together if is_barrier else alone, keeps_order=keeps)
        for is_barrier in (False, True)
        for keeps in (False, True)
    }
    keepers = order_keepers(context.graph, members, ordered)
    chains = lookup_chains(context.graph, members, keepers)
    cheap: Collection[int] = cheap_nodes(context.graph, members, stored) if FILTERS_SHARE_NOTHING else members
    for node_id, inputs in members.items():
        node = context.graph.nodes[node_id]
        given = [frames[item.node_id][item.handle] for item in inputs]
        try:
            # What others collect while they are built is by the way: only a barrier's plan is the segment's.
            chosen = contexts[Trait.BARRIER in node.traits, node_id in keepers]
            frames[node_id] = build_node(node, given, chosen)
            if node_id in chains:
                frames[node_id] = _build_chain(chains[node_id], frames, chosen) or frames[node_id]
            if node_id not in cheap and len(context.graph.consumers[node_id]) > 1:
                frames[node_id] = {handle: frame.cache() for handle, frame in frames[node_id].items()}
            schemas |= _schemas(node, given, frames[node_id], alone)
        except NODE_FAILURES as error:
            built = {earlier: frames[earlier] for earlier in members if earlier in frames}
            raise _blame(built, schemas, context.graph, node_id, error) from error
    return {node_id: frames[node_id] for node_id in members}


def _build_chain(
    chain: LookupChain, frames: Mapping[int, NodeFrames], context: NodeContext
) -> dict[str, pl.LazyFrame] | None:
    """The last node of a chain, from what the chain begins with; None where one node after the other is as good."""
    nodes = [context.graph.nodes[node_id] for node_id in chain.nodes]
    tables = [frames[table.node_id][table.handle] for table in chain.tables]

    @cache
    def rows(table: int) -> int | None:
        source = chain.sources[table]
        if source is None:
            return None
        try:
            count: int = collect(frames[source.node_id][source.handle].select(pl.len())).item()
        except NODE_FAILURES:
            return None  # whoever reads the rows tells what is wrong
        return count

    settings: list[Any] = [node.settings for node in nodes]
    facts = TableFacts(rows, chain.whole, chain.deciding)
    built = nodes[-1].kind.build_chain(settings, tables, context, facts)
    return None if built is None else by_handle(built)


def _blame(
    built: Mapping[int, NodeFrames],
    known: Mapping[int, pl.Schema],
    graph: FlowGraph,
    node_id: int,
    error: BaseException,
) -> NodeError:
    """The error of a node that cannot be built, or of one before it whose plan is wrong without its having said so."""
    for earlier, frames in built.items():
        try:
            for frame in frames.values():
                if id(frame) not in known:
                    frame.collect_schema()
        except NODE_FAILURES as own:
            return NodeError.from_exception(graph.location(earlier), own)
    return NodeError.from_exception(graph.location(node_id), error)


def _schemas(
    node: FlowNode, given: Sequence[pl.LazyFrame], built: NodeFrames, context: NodeContext
) -> dict[int, pl.Schema]:
    """The schemas of a node's frames by identity, from those of its inputs alone: a long plan is not planned again."""
    settings: Any = node.settings
    if not given or node.traits & _NOT_PREDICTED or node.output_fields is not None:
        return {}
    try:
        predicted = node.kind.predict(settings, [context.schema_of(frame) for frame in given], context)
        for schema in predicted.values():
            refuse_patterns(schema or ())
    except NODE_FAILURES:
        return {}  # the plan itself tells what is wrong
    return {id(frame): schema for handle, frame in built.items() if (schema := predicted.get(handle)) is not None}
