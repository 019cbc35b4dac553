"""Let the nodes below run only under a condition; the data passes unchanged.

A parameter gate compares a flow parameter and needs no data. A formula gate is open if at least one row of the right
(control) input, else of the main input, fulfils the formula; no rows means closed. With ``else_output`` a closed gate
opens its second output instead. Kept: the old forms ``condition_source: control_input`` and ``invert``; the latter is
honoured for ``is_set`` too, and refused with a formula, where Flowfile forgets it. A condition that cannot be decided
(unknown parameter, bad value, bad formula) is an error, never a silent choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import polars as pl
from pydantic import Field, model_validator

from flowfile_dagster.columns.lineage import ColumnLineage, identity_lineage
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import Frames, Gate, MaybeSchema, NodeType, Ports, Trait
from flowfile_dagster.contract.settings import (
    FlagOrFalse,
    FormulaText,
    NodeSettings,
    ParameterValue,
    SettingsBlock,
    parse_boolean,
)
from flowfile_dagster.errors import SettingsError
from flowfile_dagster.formula.compile import check_formula, compile_formula, is_volatile

_COMPLEMENTS = {
    "equals": "not_equals",
    "not_equals": "equals",
    "in": "not_in",
    "not_in": "in",
    "is_true": "is_false",
    "is_false": "is_true",
}


class GateInput(SettingsBlock):
    """The condition: a rule over a parameter, or a formula."""

    condition_source: Literal["parameter", "formula"] = "parameter"
    parameter: str = ""
    operator: Literal["equals", "not_equals", "in", "not_in", "is_true", "is_false", "is_set"] = "equals"
    value: str = ""
    formula: FormulaText = ""
    #: Old form. Turned into the opposite operator where there is one.
    invert: FlagOrFalse = False

    @model_validator(mode="before")
    @classmethod
    def _from_old_forms(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        settings: dict[str, Any] = dict(given)
        if settings.get("condition_source") == "control_input":
            settings["condition_source"] = "formula"
        if settings.get("invert") and settings.get("condition_source", "parameter") == "parameter":
            operator = settings.get("operator", "equals")
            if operator in _COMPLEMENTS:
                settings.update(operator=_COMPLEMENTS[operator], invert=False)
        return settings


class GateSettings(NodeSettings):
    """Settings of `GateNode`."""

    gate_input: GateInput = Field(default_factory=GateInput)
    else_output: FlagOrFalse = False

    @property
    def has_formula(self) -> bool:
        """Whether the condition looks at data."""
        return self.gate_input.condition_source == "formula"


class GateNode(NodeType[GateSettings]):
    """Let the nodes below run only under a condition."""

    type = "gate"
    Settings = GateSettings
    ports = Ports(1, 2)
    traits = frozenset({Trait.PASSTHROUGH, Trait.NARROW, Trait.GATE})

    def traits_of(self, settings: GateSettings) -> frozenset[Trait]:
        if not settings.has_formula:
            return self.traits
        volatile = {Trait.VOLATILE} if is_volatile(settings.gate_input.formula) else set[Trait]()
        return self.traits | {Trait.BARRIER} | volatile

    def handles(self, settings: GateSettings) -> tuple[str, ...]:
        return ("then", "else") if settings.else_output else ("main",)

    def check(self, settings: GateSettings) -> None:
        gate = settings.gate_input
        if settings.has_formula:
            if gate.invert:
                raise SettingsError("gate_input.invert", "is not possible with a formula; negate the formula instead")
            compile_formula(gate.formula)
        elif not gate.parameter:
            raise SettingsError("gate_input.parameter", "is empty; name the flow parameter that decides")

    def build(self, settings: GateSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> Frames:
        return {f"output-{number}": frames[0] for number in range(len(self.handles(settings)))}

    def predict(
        self, settings: GateSettings, inputs: Sequence[MaybeSchema], context: BuildContext
    ) -> Mapping[str, MaybeSchema]:
        return {f"output-{number}": inputs[0] for number in range(len(self.handles(settings)))}

    def lineage(self, settings: GateSettings, inputs: Sequence[pl.Schema], output: pl.Schema) -> ColumnLineage | None:
        return identity_lineage(output)

    def decide(self, settings: GateSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> Gate | None:
        self.check(settings)
        if settings.has_formula:
            is_open = _has_match(frames[-1], settings.gate_input.formula, context)
        else:
            is_open = _is_open(settings.gate_input, context)
        if is_open:
            return Gate(frozenset({"output-0"}))
        return Gate(frozenset({"output-1"}) if settings.else_output else frozenset())


def _has_match(frame: pl.LazyFrame, formula: str, context: BuildContext) -> bool:
    condition = check_formula(formula, frame.collect_schema(), needs_boolean=True)
    return context.collect(frame.filter(condition).head(1)).height > 0


def _is_open(gate: GateInput, context: BuildContext) -> bool:
    parameters = context.parameters
    if gate.parameter not in parameters:
        known = ", ".join(repr(name) for name in parameters) or "none"
        raise SettingsError("gate_input.parameter", f"the flow has no parameter {gate.parameter!r}; it has: {known}")
    current = parameters[gate.parameter]
    match gate.operator:
        case "is_set":
            return (str(current).strip() != "") is not gate.invert
        case "is_true" | "is_false":
            return _as_boolean(current, gate.parameter) is (gate.operator == "is_true")
        case "equals" | "not_equals":
            return (current == _compared(gate.value, gate, context)) is (gate.operator == "equals")
        case "in" | "not_in":
            texts = (member.strip() for member in gate.value.split(","))
            members = [_compared(text, gate, context) for text in texts if text]
            return (current in members) is (gate.operator == "in")


def _compared(text: str, gate: GateInput, context: BuildContext) -> ParameterValue:
    """The compared text as a value of the parameter's type."""
    try:
        return context.parse_parameter(gate.parameter, text)
    except ValueError as error:
        cause = f"{text!r} cannot be compared with parameter {gate.parameter!r}: {error}"
        raise SettingsError("gate_input.value", cause) from None


def _as_boolean(current: ParameterValue, name: str) -> bool:
    text = f"{current:g}" if isinstance(current, float) else str(current)
    try:
        return parse_boolean(text)
    except ValueError:
        raise SettingsError(
            "gate_input.operator", f"parameter {name!r} is {current!r}, which is neither true nor false"
        ) from None
