"""What identifies the nodes of a run, and whether the files that they read stay as they were."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from flowfile_dagster.contract.node_type import NODE_FAILURES, Source, Trait
from flowfile_dagster.engine.progress import Members, Progress
from flowfile_dagster.errors import NodeError
from flowfile_dagster.flow.graph import FlowNode
from flowfile_dagster.plan.node_hash import NodeHashes, recipe_hash
from flowfile_dagster.plan.sources import SourceState, check_unchanged, fingerprint_sources, source_state


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

    def identify(self, members: Members, state: SourceState) -> tuple[Mapping[str, str], str | None]:
        """Hash every member; gives the parts and the recipe of the last, the root. Notes the state of the sources.

        Only what is made of stored results has a recipe, for only these have a content that can be equal to another.

        Raises:
            NodeError: a source cannot be read.
        """
        progress = self.progress
        parts: Mapping[str, str] = {}
        recipe: str | None = None
        for node_id, inputs in members.items():
            node = progress.graph.nodes[node_id]
            sources = self._look_at_sources(node, state)
            upstream = [progress.hashes[item.node_id] for item in inputs]
            identity = self.hashes.identify(node, inputs, upstream, sources)
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

    def check_sources(self, node: FlowNode, members: Members, before: SourceState) -> None:
        """Raise a `DataError` if what the members read has changed; a flow may read the file that it then replaces."""
        graph = self.progress.graph
        read = [self._sources(graph.nodes[node_id]) for node_id in members]
        after = source_state([source for sources in read for source in sources])
        settings: Any = node.settings
        target = node.kind.target(settings, graph) if Trait.SINK in node.traits else None
        check_unchanged(before, after, except_for=None if target is None else target.path)

    def _sources(self, node: FlowNode) -> tuple[Source, ...]:
        settings: Any = node.settings
        return node.kind.sources(settings, self.progress.graph)

    def _look_at_sources(self, node: FlowNode, state: SourceState) -> str:
        """The fingerprint of what a node reads; a source that cannot be read is that node's failure."""
        try:
            sources = self._sources(node)
            state.update(source_state(sources))
            is_volatile = Trait.VOLATILE in node.traits
            return self.nonce if is_volatile else fingerprint_sources(sources, self.content_hash)
        except NODE_FAILURES as error:
            raise NodeError.from_exception(self.progress.graph.location(node.node_id), error) from error
