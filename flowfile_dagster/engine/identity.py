"""What identifies the nodes of a run, and whether the files that they read stay as they were."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

from flowfile_dagster.contract.node_type import NODE_FAILURES, Source, Trait
from flowfile_dagster.engine.progress import Members, Progress
from flowfile_dagster.errors import NodeError
from flowfile_dagster.flow.graph import FlowNode
from flowfile_dagster.plan.node_hash import NodeHashes, recipe_hash
from flowfile_dagster.plan.sources import SourceState, check_unchanged, fingerprint_sources, source_state


@dataclass(frozen=True)
class Look:
    """What was seen of a node's sources at one time."""

    fingerprint: str
    state: SourceState


#: By node.
Looks: TypeAlias = dict[int, Look]


@dataclass
class Identities:
    """The hashes of a run's nodes. `content_hash`: of a source file. `nonce`: what volatile nodes are made of."""

    progress: Progress
    content_hash: Callable[[Path], str]
    nonce: str = field(default_factory=lambda: uuid4().hex)
    hashes: NodeHashes = field(default_factory=NodeHashes)

    def fingerprint(self, node: FlowNode) -> str:
        """The state of what a node reads.

        Raises:
            OSError: it cannot be read.
            NodeProblem: the settings name nothing that could be read.
        """
        return fingerprint_sources(self._sources(node), self.content_hash)

    def identify(self, members: Members, looks: Looks) -> tuple[Mapping[str, str], str | None]:
        """Hash every member; gives the parts and the recipe of the last, the root.

        Only what is made of stored results has a recipe, for only these have a content that can be equal to another.

        Args:
            members: those of a segment.
            looks: what was seen of sources since anything was computed; what is looked at here is added.

        Raises:
            NodeError: a source cannot be read.
        """
        progress = self.progress
        parts: Mapping[str, str] = {}
        recipe: str | None = None
        for node_id, inputs in members.items():
            node = progress.graph.nodes[node_id]
            if node_id not in looks:
                looks[node_id] = self._look_at_sources(node)
            upstream = [progress.hashes[item.node_id] for item in inputs]
            identity = self.hashes.identify(node, inputs, upstream, looks[node_id].fingerprint)
            parts, progress.hashes[node_id] = identity.parts, identity.node_hash
            contents = [progress.contents.get((item.node_id, item.handle)) for item in inputs]
            recipe = None
            if any(contents):
                known = [
                    content or f"{hashed}:{item.handle}" for content, hashed, item in zip(contents, upstream, inputs)
                ]
                recipe = recipe_hash(parts, known)
                progress.contents.update({(node_id, handle): f"{recipe}:{handle}" for handle in node.handles})
        return parts, recipe

    def check_sources(self, node: FlowNode, members: Members, before: Looks) -> None:
        """Raise a `DataError` if what the members read has changed; a flow may read the file that it then replaces."""
        graph = self.progress.graph
        seen = {path: signature for node_id in members for path, signature in before[node_id].state.items()}
        sources = [source for node_id in members for source in self._sources(graph.nodes[node_id])]
        after = source_state(sources, self.content_hash)
        if after == seen:
            return
        settings: Any = node.settings
        target = node.kind.target(settings, graph) if Trait.SINK in node.traits else None
        check_unchanged(seen, after, except_for=None if target is None else target.path)

    def _sources(self, node: FlowNode) -> tuple[Source, ...]:
        settings: Any = node.settings
        return node.kind.sources(settings, self.progress.graph)

    def _look_at_sources(self, node: FlowNode) -> Look:
        """What a node reads; a source that cannot be read is that node's failure."""
        try:
            sources = self._sources(node)
            state = source_state(sources, self.content_hash)
            if Trait.VOLATILE in node.traits:
                return Look(self.nonce, state)
            return Look(fingerprint_sources(sources, lambda path: state[path][-1]), state)
        except NODE_FAILURES as error:
            raise NodeError.from_exception(self.progress.graph.location(node.node_id), error) from error
