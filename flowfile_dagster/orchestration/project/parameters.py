"""A flow's parameters in Dagster: typed fields of the launchpad, and the values that a run used."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

import dagster as dg

from flowfile_dagster.columns.names import first_repeated
from flowfile_dagster.compile.form import BrokenFlow, CompiledFlow, CompiledParameter
from flowfile_dagster.contract.settings import ParameterValue
from flowfile_dagster.errors import ConfigError
from flowfile_dagster.flow.document import ParameterDefinition
from flowfile_dagster.flow.parameters import parse_value
from flowfile_dagster.orchestration.project.config import FlowConfig
from flowfile_dagster.orchestration.project.partitions import FilePartitions, Partitions
from flowfile_dagster.orchestration.project.place import FlowPlace

_TYPES = {"integer": dg.Int, "float": dg.Float, "boolean": dg.Bool, "string": dg.String}
_MAX_KEY, _MAX_VALUE = 63, 250


def parameter_fields(
    flow: CompiledFlow, place: FlowPlace, required: Collection[str], bound: Collection[str]
) -> dict[str, dg.Field]:
    """A field of the launchpad for each parameter, but for those that are `bound` to partitions."""
    return {
        parameter.name: _field(parameter, place, is_required=parameter.name in required)
        for parameter in flow.parameters
        if parameter.name not in bound
    }


def _field(parameter: CompiledParameter, place: FlowPlace, *, is_required: bool) -> dg.Field:
    kind: Any = _TYPES.get(parameter.type) or dg.Enum(
        "__".join((*place.key_prefix, parameter.name)), [dg.EnumValue(value) for value in parameter.enum_values]
    )
    description = parameter.description or None
    if is_required:
        return dg.Field(kind, is_required=True, description=description)
    if parameter.default == "" and parameter.type != "string":
        # Left blank, a parameter of any type is the empty text, which no field of that type can hold.
        return dg.Field(dg.Noneable(kind), default_value=None, is_required=False, description=description)
    return dg.Field(kind, default_value=parameter.default, is_required=False, description=description)


def given_values(config: Mapping[str, Any]) -> dict[str, ParameterValue]:
    """The values out of the launchpad; nothing is the blank value."""
    return {name: "" if value is None else value for name, value in config.items()}


def tell_parameters(
    context: dg.AssetExecutionContext, place: FlowPlace, values: Mapping[str, ParameterValue], bound: Collection[str]
) -> None:
    """Tag the run with what it uses for a flow's parameters, but for those that each partition sets."""
    used = {name: value for name, value in values.items() if name not in bound}
    tags = {tag_key(place): _bounded(", ".join(f"{name}={_text(value)}" for name, value in used.items()))}
    if used and tags.items() - context.run.tags.items():
        context.instance.add_run_tags(context.run_id, tags)


def tag_key(place: FlowPlace) -> str:
    """The tag by which a run tells what it used for a flow's parameters."""
    name = f"parameters.{'.'.join(place.key_prefix)}"
    if len(name) > _MAX_KEY:
        name = f"{name[: _MAX_KEY - 9]}.{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return f"flowfile/{name}"


def _bounded(text: str) -> str:
    return text if len(text) <= _MAX_VALUE else f"{text[: _MAX_VALUE - 1]}…"


def _text(value: ParameterValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def refuse_wrong_parameters(place: FlowPlace, config: FlowConfig, flow: CompiledFlow | BrokenFlow) -> None:
    """Raise a `ConfigError` where a flow's configuration does not fit the parameters that the flow has."""
    if isinstance(flow, BrokenFlow):
        if flow.parameter in config.parameters:
            raise ConfigError(place.group, "parameters", flow.error)
        return
    known = {parameter.name: parameter for parameter in flow.parameters}
    _refuse_unknown(place, "required_parameters", config.required_parameters, known)
    by_itself = config.automation or any(node.automation for node in config.nodes.values())
    if config.required_parameters and (by_itself or isinstance(config.partitions, FilePartitions)):
        cause = "runs that automation or a new file launches give no parameters; give this a value in `parameters`"
        raise ConfigError(place.group, "required_parameters", cause)
    if config.partitions is not None:
        _refuse_unknown(place, "partitions", config.partitions.parameters, known)
        _refuse_wrong_partitions(place, config, config.partitions, known)


def launch_values(
    flow: CompiledFlow, place: FlowPlace, config: FlowConfig, given: Mapping[str, ParameterValue], field: str
) -> dict[str, ParameterValue | None]:
    """What a schedule or trigger gives for a flow's parameters, as the launchpad would hold it.

    Args:
        flow: the flow.
        place: its place.
        config: what the project says of it.
        given: values by name.
        field: where they stand in the configuration.

    Raises:
        ConfigError: a name is unknown or set by partitions, a value is of another type, or a required one is missing.
    """
    bound = config.partitions.parameters if config.partitions else ()
    known = {parameter.name: parameter for parameter in flow.parameters if parameter.name not in bound}
    _refuse_unknown(place, field, given, known)
    missing = [name for name in config.required_parameters if name not in given]
    if missing:
        raise ConfigError(place.group, field, f"parameter {missing[0]!r} is required, so give it a value")
    values: dict[str, ParameterValue | None] = {}
    for name, value in given.items():
        typed = _parse(known[name], value, place, field)
        is_blank = typed == "" and known[name].type != "string"
        if is_blank and (known[name].default != "" or name in config.required_parameters):
            cause = f"parameter {name!r} cannot be blank; give it a value, or leave it out"
            raise ConfigError(place.group, field, cause)
        values[name] = None if is_blank else typed
    return values


def _parse(parameter: CompiledParameter, value: object, place: FlowPlace, field: str) -> ParameterValue:
    definition = ParameterDefinition(name=parameter.name, type=parameter.type, enum_values=tuple(parameter.enum_values))
    try:
        return parse_value(definition, value)
    except ValueError as error:
        raise ConfigError(place.group, field, f"parameter {parameter.name!r}: {error}") from None


def _refuse_unknown(place: FlowPlace, field: str, names: Collection[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(place.group, field, f"the flow has no parameter {name!r}; parameters: {_list(known)}")


def _refuse_wrong_partitions(
    place: FlowPlace, config: FlowConfig, partitions: Partitions, known: Mapping[str, CompiledParameter]
) -> None:
    names = partitions.parameters
    twice = first_repeated(names)
    given = next((name for name in names if name in config.required_parameters), None)
    if not names:
        raise ConfigError(place.group, "partitions", "name the parameter that a partition sets; else all are the same")
    if twice is not None:
        raise ConfigError(place.group, "partitions", f"parameter {twice!r} is set twice by one partition")
    if given is not None:
        raise ConfigError(place.group, "required_parameters", f"{given!r} is set by the partition, not by the run")
    try:
        partitions.build(place)
        examples = partitions.examples()
    except (dg.DagsterError, ValueError, KeyError) as error:
        raise ConfigError(place.group, "partitions", str(error)) from error
    for name, value in ((name, value) for values in examples for name, value in values.items()):
        _parse(known[name], value, place, "partitions")


def _list(names: Collection[str]) -> str:
    return ", ".join(names) or "none"
