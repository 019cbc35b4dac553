"""Everything of a project that happens without anyone asking: schedules, triggers, alerts."""

from __future__ import annotations

import dagster as dg

from flowfile_dagster.orchestration.launching.alerts import flowfile_alert_sensor
from flowfile_dagster.orchestration.launching.schedules import build_schedule
from flowfile_dagster.orchestration.launching.target import FlowAssets
from flowfile_dagster.orchestration.launching.triggers import build_trigger
from flowfile_dagster.orchestration.steps.io_manager import FlowfileIOManager


def build_launches(
    assets: FlowAssets, io_manager: FlowfileIOManager
) -> tuple[list[dg.ScheduleDefinition], list[dg.SensorDefinition]]:
    """Schedules and sensors.

    Raises:
        ConfigError: one names a flow or parameter that there is not, or a value does not fit.
    """
    launches = assets.project.launches
    scheduled = [build_schedule(config, assets) for config in launches.schedules]
    triggers = [build_trigger(config, assets, io_manager) for config in launches.triggers]
    alerts = [
        flowfile_alert_sensor(
            alert.webhook, kinds=alert.kinds, base_url=alert.base_url, name=alert.name, status=alert.status
        )
        for alert in launches.alerts
    ]
    intervals = [item for item in scheduled if isinstance(item, dg.SensorDefinition)]
    crons = [item for item in scheduled if isinstance(item, dg.ScheduleDefinition)]
    return crons, [*intervals, *triggers, *alerts]
