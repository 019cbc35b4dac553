"""What a project says about its flows besides the flow files: the same words in Python and in ``defs.yaml``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field, model_validator

from flowfile_dagster.contract.settings import ParameterValue
from flowfile_dagster.engine.checks import Check, FanOut
from flowfile_dagster.engine.collect import Engine
from flowfile_dagster.flow.graph import ExecutionMode
from flowfile_dagster.orchestration.project.partitions import Partitions

#: Whose schemas are compared with the predicted ones by an asset check: what reads something outside, all, or none.
SchemaChecks: TypeAlias = Literal["sources", "all", "none"]


class Freshness(BaseModel):
    """How old a result may become, in hours; see `dagster.FreshnessPolicy`.

    Attributes:
        fail_after_hours: from then on it is overdue.
        warn_after_hours: from then on there is a warning.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fail_after_hours: float
    warn_after_hours: float | None = None

    @model_validator(mode="after")
    def _refuse_disorder(self) -> Freshness:
        given = [hours for hours in (self.warn_after_hours, self.fail_after_hours) if hours is not None]
        if given != sorted(set(given)) or given[0] * 60 < 1:
            raise ValueError("`warn_after_hours` must come before `fail_after_hours`, and neither within a minute")
        return self


class NodeConfig(dg.Model, dg.Resolvable):
    """What is said of one node.

    Attributes:
        engine: which of Polars' engines runs it, where its result is collected.
        redact: columns of its result whose values previews do not show, nor those of columns made from them.
        checks: what is expected of its result.
        freshness: how old its result may become.
        automation: when Dagster materializes it by itself: see `FlowConfig`.
    """

    engine: Engine | None = None
    redact: Sequence[str] = ()
    checks: Sequence[Check] = ()
    freshness: Freshness | None = None
    automation: str | None = None


class FlowConfig(dg.Model, dg.Resolvable):
    """What is said of one flow; what is left out is as for all flows.

    Attributes:
        mode: ``development`` (one asset per node) or ``performance`` (one per fused segment).
        engine: which of Polars' engines runs the plans.
        redact: columns whose values previews do not show, in whichever node, nor those of columns made from them.
        schema_checks: whose schemas an asset check compares with the predicted ones.
        parameters: values of the flow's parameters, which replace the defaults that stand in the flow file.
        required_parameters: parameters that every run has to give; Flowfile itself knows only defaults.
        partitions: how the flow is partitioned, and the parameters that a partition sets.
        max_partitions_per_run: how many partitions of a backfill one run takes on; default: all of them.
        automation: when Dagster materializes nodes by itself: ``eager`` (something above has been updated),
            ``on_change`` (what it is made of has really changed), or a cron expression.
        pool: the concurrency pool of the flow's steps, whose limit is set in Dagster.
        nodes: by the node's name, as it stands in asset keys.
    """

    mode: ExecutionMode | None = None
    engine: Engine | None = None
    redact: Sequence[str] = ()
    schema_checks: SchemaChecks | None = None
    parameters: Mapping[str, ParameterValue] = Field(default_factory=dict)
    required_parameters: Sequence[str] = ()
    partitions: Partitions | None = None
    max_partitions_per_run: int | None = Field(default=None, ge=1)
    automation: str | None = None
    pool: str | None = None
    nodes: dict[str, NodeConfig] = Field(default_factory=dict)

    @property
    def checked(self) -> Mapping[str, bool]:
        """The nodes that must be assets of their own, and whether a check of one counts the rows of the left input."""
        return {
            name: any(isinstance(check, FanOut) for check in node.checks)
            for name, node in self.nodes.items()
            if node.checks or node.freshness or node.automation
        }
