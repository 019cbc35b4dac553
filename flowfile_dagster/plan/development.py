"""The development plan: one segment per node; for each the decision to reuse, compute or leave it.

Built without side effects from the graph, the store's index and the state of the sources. What depends on data that
is not there yet (a gate's formula, a volatile node) is planned as to be computed and settled during the run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.errors import NodeProblem
from flowfile_dagster.flow.graph import FlowGraph, FlowNode
from flowfile_dagster.plan.admission import Admission, Outcome, admit
from flowfile_dagster.plan.node_hash import combine, hash_parts
from flowfile_dagster.store.index import Manifest

#: ``leave``: the node is not needed for what was asked, or is there and was not asked for.
Action: TypeAlias = Literal["reuse", "compute", "leave", "skip", "fail"]


@dataclass(frozen=True)
class Stage:
    """What to do with one node. `node_hash` is None where it is settled during the run."""

    node_id: int
    action: Action
    node_hash: str | None = None
    manifest: Manifest | None = None
    because: str = ""


@dataclass(frozen=True)
class DevelopmentPlan:
    """The stages in topological order, and the nodes that were asked for."""

    stages: tuple[Stage, ...]
    targets: frozenset[int]


@dataclass(frozen=True)
class PlanInputs:
    """What planning looks at: results by node hash, a node's latest result, the fingerprint of what it reads."""

    find: Callable[[str], Manifest | None]
    latest: Callable[[FlowNode], Manifest | None]
    fingerprint: Callable[[FlowNode], str]


@dataclass(frozen=True)
class _Finding:
    admission: Admission
    outcome: Outcome
    node_hash: str | None = None
    manifest: Manifest | None = None


def plan_development(
    graph: FlowGraph, targets: Collection[int], state: PlanInputs, context: BuildContext
) -> DevelopmentPlan:
    """Plan the targets and what they need. Everything above a result that is there already is left alone."""
    wanted = frozenset(targets)
    scope = graph.ancestors(wanted)
    findings = _look(graph, scope, wanted, state, context)
    needed = set(wanted)
    for node_id in reversed([node_id for node_id in graph.nodes if node_id in scope]):
        finding = findings[node_id]
        if node_id in needed and finding.manifest is None:
            needed.update(item.node_id for item in graph.nodes[node_id].inputs)
    stages = [_stage(node_id, findings[node_id], node_id in needed, node_id in wanted) for node_id in findings]
    return DevelopmentPlan(tuple(stages), wanted)


def is_still_written(manifest: Manifest) -> bool:
    """Whether the file that a sink wrote is still as the sink left it."""
    written = manifest.written
    if written is None:
        return False
    try:
        state = Path(written.path).stat()
    except OSError:
        return False
    return (state.st_size, state.st_mtime_ns) == (written.size, written.mtime_ns)


def _look(
    graph: FlowGraph,
    scope: frozenset[int],
    wanted: frozenset[int],
    state: PlanInputs,
    context: BuildContext,
) -> dict[int, _Finding]:
    findings: dict[int, _Finding] = {}
    outcomes: dict[int, Outcome] = {}
    open_handles: dict[int, frozenset[str]] = {}
    for node_id, node in graph.nodes.items():
        if node_id not in scope:
            continue
        admission = admit(node, outcomes, open_handles)
        finding = _find(node, admission, findings, state, is_target=node_id in wanted)
        findings[node_id], outcomes[node_id] = finding, finding.outcome
        decided = _known_decision(node, finding, context)
        if decided is not None:
            open_handles[node_id] = decided
    return findings


def _find(
    node: FlowNode, admission: Admission, findings: Mapping[int, _Finding], state: PlanInputs, *, is_target: bool
) -> _Finding:
    if not node.can_run:
        return _Finding(admission, "failed")
    if admission.outcome != "done":
        return _Finding(admission, admission.outcome)
    upstream = [findings[item.node_id].node_hash for item in admission.inputs]
    if Trait.VOLATILE in node.traits:
        latest = None if is_target else state.latest(node)
        is_current = latest is not None and _is_made_of(latest, node, admission, upstream)
        return _Finding(admission, "done", *((latest.node_hash, latest) if latest and is_current else ()))
    if any(hashed is None for hashed in upstream):
        return _Finding(admission, "done")
    try:
        sources = state.fingerprint(node)
    except (OSError, NodeProblem):
        return _Finding(admission, "done")
    node_hash = combine(hash_parts(node, admission.inputs, [hashed or "" for hashed in upstream], sources))
    manifest = state.find(node_hash)
    if manifest and is_target and Trait.SINK in node.traits and not is_still_written(manifest):
        manifest = None
    return _Finding(admission, "done", node_hash, manifest)


def _is_made_of(manifest: Manifest, node: FlowNode, admission: Admission, upstream: Sequence[str | None]) -> bool:
    """Whether a volatile result has the settings and inputs of now; its source part is a random text."""
    known = [hashed for hashed in upstream if hashed is not None]
    if len(known) < len(upstream):
        return False
    return dict(manifest.parts) == hash_parts(node, admission.inputs, known, manifest.parts.get("source", ""))


def _known_decision(node: FlowNode, finding: _Finding, context: BuildContext) -> frozenset[str] | None:
    if finding.outcome != "done" or node.settings is None:
        return None
    if Trait.BARRIER in node.traits:
        handles = finding.manifest.open_handles if finding.manifest else None
        return None if handles is None else frozenset(handles)
    try:
        gate = node.kind.decide(node.settings, (), context)
    except NodeProblem:
        return None
    return None if gate is None else gate.open_handles


def _stage(node_id: int, finding: _Finding, is_needed: bool, is_target: bool) -> Stage:
    action: Action = "compute"
    if not is_needed or (finding.manifest is not None and not is_target):
        action = "leave"
    elif finding.outcome == "failed":
        action = "fail"
    elif finding.outcome in ("skipped", "closed"):
        action = "skip"
    elif finding.manifest is not None:
        action = "reuse"
    return Stage(node_id, action, finding.node_hash, finding.manifest, finding.admission.because)
