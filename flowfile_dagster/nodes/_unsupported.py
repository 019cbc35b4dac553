"""The stand-in for every node type that cannot run here: it loads, shows up, and says why it does not run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import polars as pl
from pydantic import ConfigDict

from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import Frames, MaybeSchema, NodeType, Ports, Trait
from flowfile_dagster.contract.settings import NodeSettings
from flowfile_dagster.errors import UnsupportedNodeError

#: Types of Flowfile 0.23 that read or write outside systems, or run in a kernel: (minimum, maximum) inputs.
KNOWN_TYPES: dict[str, Ports] = {
    "database_reader": Ports(0, 0),
    "database_writer": Ports(1, 1),
    "cloud_storage_reader": Ports(0, 0),
    "cloud_storage_writer": Ports(1, 1),
    "catalog_reader": Ports(0, 0),
    "catalog_writer": Ports(1, 1),
    "kafka_source": Ports(0, 0),
    "google_analytics_reader": Ports(0, 0),
    "rest_api_reader": Ports(0, 0),
    "external_source": Ports(0, 0),
    "python_script": Ports(0, None),
    "train_model": Ports(1, 1),
    "apply_model": Ports(1, 1),
    "evaluate_model": Ports(1, 1),
    "run_flow": Ports(0, None),
}


class UnsupportedSettings(NodeSettings):
    """The settings as they stand in the file, kept whole."""

    model_config = ConfigDict(extra="allow", frozen=True)


class Unsupported(NodeType[UnsupportedSettings]):
    """A node that cannot run; its schema is opaque."""

    Settings = UnsupportedSettings
    traits = frozenset({Trait.BARRIER})

    def __init__(self, name: str, cause: str = "") -> None:
        self._cause = cause
        self.type = name  # type: ignore[misc]  # one class stands for many types
        self.ports = KNOWN_TYPES.get(name, Ports(0, None))  # type: ignore[misc]

    def check(self, settings: UnsupportedSettings) -> NoReturn:
        if self._cause:
            raise UnsupportedNodeError(self._cause)
        if self.type in KNOWN_TYPES:
            raise UnsupportedNodeError(f"nodes of type {self.type!r} cannot run yet")
        raise UnsupportedNodeError(
            f"node type {self.type!r} is not known: install the package that provides it "
            "(entry-point group 'flowfile_dagster.nodes'), or correct the type"
        )

    def build(self, settings: UnsupportedSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> Frames:
        self.check(settings)

    def predict(
        self, settings: UnsupportedSettings, inputs: Sequence[MaybeSchema], context: BuildContext
    ) -> Mapping[str, MaybeSchema]:
        return {f"output-{index}": None for index in range(len(self.handles(settings)))}

    def handles(self, settings: UnsupportedSettings) -> tuple[str, ...]:
        given = settings.model_extra or {}
        names: Any = given.get("output_names") or given.get("output_slots")
        return tuple(str(name) for name in names) if isinstance(names, list) and names else ("main",)
