"""Everything of a project that happens without anyone asking: schedules, triggers, alerts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from flowfile_dagster.orchestration.alerts import flowfile_alert_sensor
from flowfile_dagster.orchestration.io_manager import FlowfileIOManager
from flowfile_dagster.orchestration.launch_config import AlertConfig, ScheduleConfig, TriggerConfig
from flowfile_dagster.orchestration.schedules import build_schedule
from flowfile_dagster.orchestration.target import FlowAssets
from flowfile_dagster.orchestration.triggers import build_trigger


@dataclass(frozen=True)
class Launches:
    """What is configured."""

    schedules: Sequence[ScheduleConfig] = ()
    triggers: Sequence[TriggerConfig] = ()
    alerts: Sequence[AlertConfig] = ()

    def build(
        self, assets: FlowAssets, io_manager: FlowfileIOManager, base: Path
    ) -> tuple[list[dg.ScheduleDefinition], list[dg.SensorDefinition]]:
        """Schedules and sensors. `base`: the folder that relative paths of triggers stand under.

        Raises:
            ConfigError: a flow is named that there is not.
        """
        scheduled = [build_schedule(config, assets) for config in self.schedules]
        triggers = [build_trigger(config, assets, io_manager, base) for config in self.triggers]
        alerts = [
            flowfile_alert_sensor(
                alert.webhook, on=alert.on, base_url=alert.base_url, name=alert.name, status=alert.status
            )
            for alert in self.alerts
        ]
        intervals = [item for item in scheduled if isinstance(item, dg.SensorDefinition)]
        crons = [item for item in scheduled if isinstance(item, dg.ScheduleDefinition)]
        return crons, [*intervals, *triggers, *alerts]
