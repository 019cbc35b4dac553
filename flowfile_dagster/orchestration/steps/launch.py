"""What may be said of a flow in the launchpad, once for all of its steps: a resource per flow."""

# No postponed annotations here: Dagster reads the annotation of the resource's context as an object.

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from flowfile_dagster.compile.form import CompiledFlow
from flowfile_dagster.contract.settings import ParameterValue
from flowfile_dagster.flow.graph import ExecutionMode
from flowfile_dagster.orchestration.project.config import FlowConfig
from flowfile_dagster.orchestration.project.parameters import given_values, parameter_fields
from flowfile_dagster.orchestration.project.place import FlowPlace


@dataclass(frozen=True)
class LaunchSettings:
    """What a run says of a flow. `mode`: None is the one that the flow has in this project.

    `parameters`: the values of those that are not bound to partitions.
    """

    mode: ExecutionMode | None = None
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict[str, ParameterValue])


_MODE = dg.Field(
    dg.Enum("FlowfileMode", [dg.EnumValue("development"), dg.EnumValue("performance")]),
    is_required=False,
    description="development: every node is computed and stored by itself; performance: nodes are fused",
)


def flow_resource_key(place: FlowPlace) -> str:
    """The key under which a flow stands among the resources of a run."""
    return "flow__" + "__".join(place.key_prefix)


def build_flow_resource(flow: CompiledFlow, place: FlowPlace, config: FlowConfig) -> dg.ResourceDefinition:
    """The resource that holds what a run says of a flow."""
    fields = {"mode": _MODE}
    bound = config.partitions.parameters if config.partitions else ()
    parameters = parameter_fields(flow, place, config.required_parameters, bound)
    if parameters:
        fields["parameters"] = dg.Field(parameters, description="the flow's parameters")
    return dg.ResourceDefinition(_read_settings, config_schema=fields)


def _read_settings(context: dg.InitResourceContext) -> LaunchSettings:
    config: Mapping[str, Any] = context.resource_config
    return LaunchSettings(mode=config.get("mode"), parameters=given_values(config.get("parameters") or {}))
