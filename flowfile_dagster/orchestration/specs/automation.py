"""When Dagster materializes nodes by itself."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeAlias

import dagster as dg

from flowfile_dagster.compile.form import CompiledFlow
from flowfile_dagster.errors import ConfigError
from flowfile_dagster.orchestration.project.config import FlowConfig
from flowfile_dagster.orchestration.specs.specs import FlowSpecs

Condition: TypeAlias = dg.AutomationCondition[Any]


def automate(specs: FlowSpecs, flow: CompiledFlow, config: FlowConfig) -> FlowSpecs:
    """The specs with the automation conditions that are configured.

    Raises:
        ConfigError: one is neither known nor a cron expression.
    """
    own = {node.node_id: config.nodes[node.name].automation for node in flow.nodes if node.name in config.nodes}
    if config.automation is None and not any(own.values()):
        return specs
    by_output = {}
    for (node_id, handle), spec in specs.by_output.items():
        text = config.automation if own.get(node_id) is None else own[node_id]
        by_output[node_id, handle] = (
            spec if text is None else spec.replace_attributes(automation_condition=_condition(text, specs.place.group))
        )
    return replace(specs, by_output=by_output)


def on_change() -> Condition:
    """True for an asset whose settings or inputs have changed in content, or that is new: it and all below run once.

    Unlike `eager`, an input that was updated with an equal result does not count.
    """
    of_inputs: Condition = Condition.any_deps_match(Condition.data_version_changed() | Condition.will_be_requested())
    has_changed: Condition = of_inputs | Condition.code_version_changed() | Condition.newly_missing()
    return (
        Condition.in_latest_time_window()
        & has_changed.since_last_handled()
        & ~Condition.any_deps_missing()
        & ~Condition.any_deps_in_progress()
        & ~Condition.in_progress()
    ).with_label("on_change")


@lru_cache(maxsize=256)
def _condition(text: str, group: str) -> Condition:
    if text == "eager":
        return Condition.eager()
    if text == "on_change":
        return on_change()
    try:
        return Condition.on_cron(text)
    except Exception as error:  # Dagster's own class for it is private
        cause = f"{text!r} is neither 'eager' nor 'on_change' nor a cron expression"
        raise ConfigError(group, "automation", cause) from error
