"""What flows read from outside: each thing one asset, whichever flows read it. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import dagster as dg

from flowfile_dagster.compile.form import CompiledFlow, CompiledSource
from flowfile_dagster.orchestration.project.place import FlowPlace
from flowfile_dagster.orchestration.specs.translator import FlowfileTranslator
from flowfile_dagster.plan.sources import belongs_to


@dataclass(frozen=True)
class OutsideSource:
    """One thing outside, and a node that reads it."""

    source: CompiledSource
    place: FlowPlace
    node_id: int

    @property
    def is_observable(self) -> bool:
        """Whether its state can be looked at: files can, a URL cannot."""
        return Path(self.source.uri).is_absolute()


@dataclass(frozen=True)
class OutsideSources:
    """Everything that flows read. `named` are the assets that the project says a source is, by path or glob."""

    flows: Mapping[FlowPlace, CompiledFlow]
    translator: FlowfileTranslator
    named: Mapping[str, dg.AssetKey]

    @cached_property
    def by_identity(self) -> Mapping[str, OutsideSource]:
        """Every distinct source."""
        found = (
            OutsideSource(source, place, node.node_id)
            for place, flow in self.flows.items()
            for node in flow.nodes
            for source in node.sources
        )
        return {item.source.identity: item for item in found}

    @cached_property
    def specs(self) -> Mapping[str, dg.AssetSpec]:
        """The specs of the sources that nothing else in the project defines, by identity."""
        own: dict[str, dg.AssetSpec] = {}
        for identity, item in sorted(self.by_identity.items()):
            if self._name_of(item.source.uri) is None:
                uri = item.source.uri
                spec = self.translator.get_source_spec(uri, self.translator.get_source_key(uri))
                own |= {} if spec is None else {identity: spec}
        count = Counter(spec.key for spec in own.values())
        return {
            identity: spec if count[spec.key] == 1 else spec.replace_attributes(key=_with_mark(spec.key, identity))
            for identity, spec in own.items()
        }

    @cached_property
    def keys(self) -> Mapping[str, dg.AssetKey]:
        """The key of every source, by identity."""
        return {identity: self._key(identity, item.source.uri) for identity, item in self.by_identity.items()}

    def observable(self, identities: Iterable[str]) -> dict[str, dg.AssetKey]:
        """Those of some sources whose state is kept as the data version of an asset of our own."""
        return {
            identity: self.specs[identity].key
            for identity in identities
            if identity in self.specs and self.by_identity[identity].is_observable
        }

    def _key(self, identity: str, uri: str) -> dg.AssetKey:
        own = self.specs.get(identity)
        return own.key if own is not None else self._name_of(uri) or self.translator.get_source_key(uri)

    def _name_of(self, uri: str) -> dg.AssetKey | None:
        """The asset that the project says a source is; a path before a glob."""
        matching = (key for pattern, key in self.named.items() if belongs_to(uri, pattern))
        return self.named.get(uri) or next(matching, None)


def _with_mark(key: dg.AssetKey, identity: str) -> dg.AssetKey:
    """Sources that would share a key are told apart by a hash of what they are."""
    return dg.AssetKey([*key.path[:-1], f"{key.path[-1]}_{hashlib.sha256(identity.encode()).hexdigest()[:8]}"])
