"""The plan of a run: for each segment the decision to reuse, compute or leave it.

Built without side effects from the graph, the store's index and the state of the sources. What depends on data that
is not there yet (a gate's formula, a volatile node) is planned as to be computed and settled during the run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.errors import NodeProblem
from flowfile_dagster.flow.admission import Admission, Outcome, admit, decide_without_data
from flowfile_dagster.flow.graph import FlowGraph, FlowNode
from flowfile_dagster.plan.node_hash import NodeHashes
from flowfile_dagster.plan.segments import Segment, delivers_table
from flowfile_dagster.store.index import Manifest

#: ``leave``: the node is not needed for what was asked, or is there and was not asked for.
Action: TypeAlias = Literal["reuse", "compute", "leave", "skip", "fail"]


@dataclass(frozen=True)
class Stage:
    """What to do with one segment. `node_hash` is its root's; None where it is settled during the run."""

    segment: Segment
    action: Action
    node_hash: str | None = None
    manifest: Manifest | None = None
    because: str = ""

    @property
    def node_id(self) -> int:
        """The root."""
        return self.segment.root


@dataclass(frozen=True)
class RunPlan:
    """The stages in topological order, and the roots that were asked for."""

    stages: tuple[Stage, ...]
    targets: frozenset[int]


@dataclass(frozen=True)
class PlanInputs:
    """What planning looks at: results by node hash, a node's latest result, the fingerprint of what it reads.

    `made_by_run`: the result that another step of the same run gave a node. `hashes` keeps what was hashed for whoever
    asks again. `ordered` are the nodes whose row order matters.
    """

    find: Callable[[str], Manifest | None]
    latest: Callable[[FlowNode], Manifest | None]
    made_by_run: Callable[[FlowNode], Manifest | None]
    fingerprint: Callable[[FlowNode], str]
    hashes: NodeHashes = field(default_factory=NodeHashes)
    ordered: Collection[int] = ()


@dataclass(frozen=True)
class _Finding:
    admission: Admission
    outcome: Outcome
    node_hash: str | None = None
    manifest: Manifest | None = None


def plan_run(
    graph: FlowGraph,
    segments: Sequence[Segment],
    targets: Collection[int],
    state: PlanInputs,
    context: BuildContext,
) -> RunPlan:
    """Plan the targets and what they need. Everything above a result that is there already is left alone.

    `targets` are roots of `segments`.
    """
    wanted = frozenset(targets)
    scope = graph.ancestors(wanted)
    planned = {segment.root: segment for segment in segments if segment.root in scope}
    findings = _look(graph, scope, _Wanted(graph, planned, wanted), state, context)
    needed = set(wanted)
    for root in reversed(list(planned)):
        if root in needed and findings[root].manifest is None:
            needed.update(planned[root].inputs)
    stages = [
        _stage(segment, findings[root], is_needed=root in needed, is_target=root in wanted)
        for root, segment in planned.items()
    ]
    return RunPlan(tuple(stages), wanted)


@dataclass(frozen=True)
class _Wanted:
    graph: FlowGraph
    segments: Mapping[int, Segment]
    targets: frozenset[int]

    @cached_property
    def served(self) -> Collection[int]:
        """The roots that only others want."""
        return self.segments.keys() - self.targets


def is_found(
    graph: FlowGraph, segment: Segment, manifest: Manifest, ordered: Collection[int], *, is_target: bool
) -> bool:
    """Whether a stored result is all that is wanted of a segment: its table, in order, and for a sink its file."""
    node = graph.nodes[segment.root]
    if not _is_in_order(node, manifest, ordered):
        return False
    if delivers_table(graph, segment) and not manifest.outputs.keys() >= set(node.handles):
        return False
    return not is_target or Trait.SINK not in node.traits or _is_written(node, graph, manifest)


def _is_in_order(node: FlowNode, manifest: Manifest, ordered: Collection[int]) -> bool:
    """Whether a result has its order, if that matters."""
    return manifest.is_ordered or node.node_id not in ordered


def _is_written(node: FlowNode, graph: FlowGraph, manifest: Manifest) -> bool:
    """Whether the file stands where this flow wants it: an equal flow elsewhere may have written another one."""
    settings: Any = node.settings
    target = node.kind.target(settings, graph)
    is_same_place = target is not None and manifest.written is not None and str(target.path) == manifest.written.path
    return is_same_place and is_still_written(manifest)


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
    wanted: _Wanted,
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
        finding = _find(node, admission, findings, state, wanted)
        findings[node_id], outcomes[node_id] = finding, finding.outcome
        decided = _known_decision(node, finding, context)
        if decided is not None:
            open_handles[node_id] = decided
    return findings


def _find(
    node: FlowNode, admission: Admission, findings: Mapping[int, _Finding], state: PlanInputs, wanted: _Wanted
) -> _Finding:
    if not node.can_run:
        return _Finding(admission, "failed")
    if admission.outcome != "done":
        return _Finding(admission, admission.outcome)
    segment = wanted.segments.get(node.node_id)
    if segment is not None and node.node_id in wanted.served:
        # The steps of one run agree on it, even if the flow or a source was edited between them.
        made = state.made_by_run(node)
        if made is not None and is_found(wanted.graph, segment, made, state.ordered, is_target=False):
            return _Finding(admission, "done", made.node_hash, made)
    upstream = [findings[item.node_id].node_hash for item in admission.inputs]
    if Trait.VOLATILE in node.traits:
        latest = state.latest(node) if node.node_id in wanted.served else None
        if latest is None or not _is_in_order(node, latest, state.ordered):
            return _Finding(admission, "done")
        is_current = _is_made_of(latest, node, admission, upstream, state.hashes)
        return _Finding(admission, "done", *((latest.node_hash, latest) if is_current else ()))
    if None in upstream:
        return _Finding(admission, "done")
    try:
        sources = state.fingerprint(node)
    except (OSError, NodeProblem):
        return _Finding(admission, "done")
    known = [hashed for hashed in upstream if hashed is not None]
    node_hash = state.hashes.identify(node, admission.inputs, known, sources).node_hash
    manifest = None if segment is None else state.find(node_hash)
    if manifest is None or segment is None:
        return _Finding(admission, "done", node_hash)
    is_target = node.node_id in wanted.targets
    is_enough = is_found(wanted.graph, segment, manifest, state.ordered, is_target=is_target)
    return _Finding(admission, "done", node_hash, manifest if is_enough else None)


def _is_made_of(
    manifest: Manifest, node: FlowNode, admission: Admission, upstream: Sequence[str | None], hashes: NodeHashes
) -> bool:
    """Whether a volatile result has the settings and inputs of now; its source part is a random text."""
    known = [hashed for hashed in upstream if hashed is not None]
    if len(known) < len(upstream):
        return False
    sources = manifest.parts.get("source", "")
    return dict(manifest.parts) == hashes.identify(node, admission.inputs, known, sources).parts


def _known_decision(node: FlowNode, finding: _Finding, context: BuildContext) -> frozenset[str] | None:
    if finding.outcome != "done":
        return None
    if Trait.BARRIER in node.traits:
        handles = finding.manifest.open_handles if finding.manifest else None
        return None if handles is None else frozenset(handles)
    return decide_without_data(node, context)


def _stage(segment: Segment, finding: _Finding, *, is_needed: bool, is_target: bool) -> Stage:
    action: Action = "compute"
    if not is_needed or (finding.manifest is not None and not is_target):
        action = "leave"
    elif finding.outcome == "failed":
        action = "fail"
    elif finding.outcome in ("skipped", "closed"):
        action = "skip"
    elif finding.manifest is not None:
        action = "reuse"
    return Stage(segment, action, finding.node_hash, finding.manifest, finding.admission.because)
