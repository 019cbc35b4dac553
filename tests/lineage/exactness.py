"""The lineage that we name, held against what moves."""

from __future__ import annotations

from dataclasses import dataclass, field

from flowfile_dagster import Flow
from flowfile_dagster.engine.context import NodeContext
from flowfile_dagster.flow.predict import predict_graph
from flowfile_dagster.lineage.columns import ColumnGraph, ColumnId, flow_columns
from tests.lineage.moves import Bench, Cell, other_values

#: After so many other values, only those columns are waited for that have not moved yet.
_AT_LEAST = 3


@dataclass
class Verdict:
    """`wrong`: what moved without being listed. `inexact`: what is listed and was never seen to move.

    `columns` counts those below sources; `empty` are not among them, for where no row comes nothing can move.
    """

    columns: int = 0
    empty: list[Cell] = field(default_factory=list)
    opaque: list[Cell] = field(default_factory=list)
    wrong: list[tuple[Cell, Cell]] = field(default_factory=list)
    inexact: list[tuple[Cell, Cell]] = field(default_factory=list)

    @property
    def exact(self) -> int:
        """How many columns have exactly the origins that move them."""
        return self.columns - len(self.opaque) - len({cell for cell, _ in (*self.wrong, *self.inexact)})


def known_columns(flow: Flow, bench: Bench) -> ColumnGraph:
    """The lineage as it is named once the schema of every result is known."""
    known = {
        node_id: {handle: table.schema for handle, table in tables.items()} for node_id, tables in bench.tables.items()
    }
    predictions = predict_graph(flow.graph, NodeContext(flow.graph, is_prediction=True), known)
    return flow_columns(flow.name, flow.graph, predictions)


def verify(flow: Flow, bench: Bench, graph: ColumnGraph) -> Verdict:
    """Change every source column in many ways; compare what moves with the lineage of all columns below sources."""
    verdict = Verdict()
    listed: dict[Cell, set[Cell]] = {}
    for node_id, tables in bench.tables.items():
        if not flow.nodes[node_id].inputs:
            continue
        for handle, table in tables.items():
            for name in table.columns:
                cell = (node_id, handle, name)
                if not table.height:
                    verdict.empty.append(cell)
                    continue
                verdict.columns += 1
                trace = graph.traces.get(ColumnId(flow.name, *cell))
                if trace is None or not graph.opaque.isdisjoint(trace.origins):
                    verdict.opaque.append(cell)
                else:
                    listed[cell] = {origin[1:] for origin in trace.origins}
    for node_id, name in bench.sources():
        _compare(bench, (node_id, "output-0", name), listed, verdict)
    return verdict


def _compare(bench: Bench, source: Cell, listed: dict[Cell, set[Cell]], verdict: Verdict) -> None:
    node_id, handle, name = source
    waiting = {cell for cell, origins in listed.items() if source in origins}
    wrong: set[Cell] = set()
    for number, values in enumerate(other_values(bench.tables[node_id][handle][name])):
        if number >= _AT_LEAST and not waiting:
            break
        moves = bench.moves(node_id, values)
        waiting -= moves.possible
        wrong |= {cell for cell in moves.certain if cell in listed and source not in listed[cell]}
    verdict.wrong += [(cell, source) for cell in sorted(wrong)]
    verdict.inexact += [(cell, source) for cell in sorted(waiting)]
