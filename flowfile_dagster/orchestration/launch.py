"""What may be said of a flow in the launchpad, once for all of its steps: a resource per flow."""

# No postponed annotations here: Dagster reads the annotation of the resource's context as an object.

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from flowfile_dagster.flow.graph import ExecutionMode
from flowfile_dagster.orchestration.translator import FlowPlace


@dataclass(frozen=True)
class LaunchSettings:
    """What a run says of a flow. `mode`: None is the one that the flow has in this project."""

    mode: ExecutionMode | None = None


_MODE = dg.Field(
    dg.Enum("FlowfileMode", [dg.EnumValue("development"), dg.EnumValue("performance")]),
    is_required=False,
    description="development: every node is computed and stored by itself; performance: nodes are fused",
)


def flow_resource_key(place: FlowPlace) -> str:
    """The key under which a flow stands among the resources of a run."""
    return "flow__" + "__".join(place.key_prefix)


def build_flow_resource() -> dg.ResourceDefinition:
    """The resource that holds what a run says of a flow."""
    return dg.ResourceDefinition(_read_settings, config_schema={"mode": _MODE})


def _read_settings(context: dg.InitResourceContext) -> LaunchSettings:
    config: Mapping[str, Any] = context.resource_config
    return LaunchSettings(mode=config.get("mode"))
