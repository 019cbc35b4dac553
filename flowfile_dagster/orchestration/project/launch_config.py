"""What a project says about when its flows run and who is told: the same words in Python and in ``defs.yaml``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal, TypeAlias

import dagster as dg
from pydantic import AfterValidator, Field, model_validator

from flowfile_dagster.contract.settings import ParameterValue
from flowfile_dagster.durations import parse_duration


def _check_duration(text: str) -> str:
    parse_duration(text)
    return text


#: What is told: a node or run that failed, a check that did not pass.
AlertKind: TypeAlias = Literal["failure", "check"]
#: A time span as text: see `parse_duration`.
Duration: TypeAlias = Annotated[str, AfterValidator(_check_duration)]


class LaunchConfig(dg.Model, dg.Resolvable):
    """What a schedule or trigger launches.

    Attributes:
        name: the name of the schedule or sensor.
        flows: the flows, by group (``folder/flow``); without any and without `select`, all of them.
        select: instead, or to narrow the flows down, a selection in Dagster's language (``key:"shop/sales"+``).
        only_changed: launch only what was never materialized, what was materialized with other settings or inputs,
            and what is below; nothing where there is none.
        parameters: the values of parameters by flow and name.
        tags: tags of the runs.
        skip_if_running: whether nothing is launched while another run of one of the flows goes on.
        stale_after: the age from which a run that has not ended is taken for dead, such as ``90m``: longer than the
            longest run. Less than a day by default: a dead run must not block the one of the next day.
        status: ``running``, or ``stopped`` until someone turns it on.
    """

    name: str
    flows: list[str] = Field(default_factory=list)
    select: str | None = None
    only_changed: bool = False
    parameters: dict[str, dict[str, ParameterValue]] = Field(default_factory=dict)
    tags: dict[str, str] = Field(default_factory=dict)
    skip_if_running: bool = True
    stale_after: Duration = "23h"
    status: Literal["running", "stopped"] = "stopped"


class ScheduleConfig(LaunchConfig):
    """Launches at fixed times, or as often as a time span says.

    Attributes:
        cron: a cron expression.
        timezone: the IANA name of the time zone that `cron` is in; default: UTC.
        every: instead, the span from start to start, at least ``60s``; what is new starts at once.
    """

    cron: str | None = None
    timezone: str | None = None
    every: Duration | None = None

    @model_validator(mode="after")
    def _has_one_rhythm(self) -> ScheduleConfig:
        if (self.cron is None) == (self.every is None):
            raise ValueError(f"schedule {self.name!r}: give either cron or every")
        if self.every is not None and parse_duration(self.every) < timedelta(minutes=1):
            raise ValueError(f"schedule {self.name!r}: every is {self.every!r}, but must be at least 60s")
        if self.every is not None and self.timezone is not None:
            raise ValueError(f"schedule {self.name!r}: timezone belongs to cron, not to every")
        return self


class TriggerConfig(LaunchConfig):
    """Launches when something has changed since the last launch.

    Attributes:
        files: paths or globs of files whose content is watched, absolute or under the project's root.
        assets: keys of assets whose data version is watched, such as ``dbt/orders``.
        when: ``any`` of them has changed, or ``all`` of them have.
    """

    files: list[str] = Field(default_factory=list)
    assets: list[str] = Field(default_factory=list)
    when: Literal["any", "all"] = "any"

    @model_validator(mode="after")
    def _watches_something(self) -> TriggerConfig:
        if not self.files and not self.assets:
            raise ValueError(f"trigger {self.name!r}: give files or assets to watch")
        return self


class AlertConfig(dg.Model, dg.Resolvable):
    """Tells a web address of what went wrong.

    Attributes:
        webhook: where a JSON object is posted, with a ``text`` as chat services show it and a field per fact.
        kinds: what is told: ``failure`` of a node or run, and failed ``check``.
        base_url: the address of Dagster's web server, for links to runs.
        name: the name of the sensor.
        status: ``running``, or ``stopped`` until someone turns it on.
    """

    webhook: str
    kinds: list[AlertKind] = ["failure", "check"]
    base_url: str | None = None
    name: str = "flowfile_alerts"
    status: Literal["running", "stopped"] = "running"


@dataclass(frozen=True)
class Launches:
    """Everything of a project that happens without anyone asking."""

    schedules: Sequence[ScheduleConfig] = ()
    triggers: Sequence[TriggerConfig] = ()
    alerts: Sequence[AlertConfig] = ()
