"""Whether a node may run, given what became of its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.errors import NodeProblem
from flowfile_dagster.flow.graph import FlowNode
from flowfile_dagster.flow.wiring import Input

#: What became of a node: a result, a failure, left out because of a failure above, left out by a closed gate.
Outcome: TypeAlias = Literal["done", "failed", "skipped", "closed"]


@dataclass(frozen=True)
class Admission:
    """The inputs that take part, or why the node does not run."""

    inputs: tuple[Input, ...] = ()
    outcome: Outcome = "done"
    because: str = ""


def admit(node: FlowNode, outcomes: Mapping[int, Outcome], open_handles: Mapping[int, frozenset[str]]) -> Admission:
    """Admit a node. A failure above always stops it; a closed gate stops it unless it takes what is left open."""
    for item in node.inputs:
        if outcomes[item.node_id] in ("failed", "skipped"):
            return Admission(outcome="skipped", because=f"its input, node {item.node_id}, failed or did not run")
    live = tuple(item for item in node.inputs if _is_live(item, outcomes, open_handles))
    if len(live) == len(node.inputs) or (live and Trait.TAKES_OPEN_INPUTS in node.traits):
        return Admission(live)
    closed = next(item for item in node.inputs if item not in live)
    return Admission(outcome="closed", because=f"a gate above its input, node {closed.node_id}, is closed")


def decide_without_data(node: FlowNode, context: BuildContext) -> frozenset[str] | None:
    """The outputs that a gate leaves open, where parameters alone decide; None for data, and for what is no gate."""
    if node.settings is None or Trait.GATE not in node.traits or Trait.BARRIER in node.traits:
        return None
    try:
        gate = node.kind.decide(node.settings, (), context)
    except NodeProblem:
        return None
    return None if gate is None else gate.open_handles


def _is_live(item: Input, outcomes: Mapping[int, Outcome], open_handles: Mapping[int, frozenset[str]]) -> bool:
    if outcomes[item.node_id] == "closed":
        return False
    handles = open_handles.get(item.node_id)
    return handles is None or item.handle in handles
