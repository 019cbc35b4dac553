"""Flowfile flows as Dagster assets.

The public names are resolved on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowfile_dagster.api import Flow, FlowRun, load_flow
    from flowfile_dagster.engine.checks import AcceptedValues, FanOut, NotNull, RowCount, Unique
    from flowfile_dagster.errors import (
        ConfigError,
        FlowfileDagsterError,
        FlowFileError,
        NodeError,
        NodeProblem,
        ParameterError,
        SelectionError,
        StoreError,
    )
    from flowfile_dagster.orchestration.component import FlowfileComponent
    from flowfile_dagster.orchestration.definitions import build_definitions
    from flowfile_dagster.orchestration.executor import flowfile_executor
    from flowfile_dagster.orchestration.launching.alerts import FlowAlert, flowfile_alert_sensor
    from flowfile_dagster.orchestration.launching.garbage import build_gc_schedule
    from flowfile_dagster.orchestration.project.config import FlowConfig, Freshness, NodeConfig
    from flowfile_dagster.orchestration.project.launch_config import AlertConfig, ScheduleConfig, TriggerConfig
    from flowfile_dagster.orchestration.project.partitions import (
        DynamicPartitions,
        FilePartitions,
        MultiPartitions,
        StaticPartitions,
        TimePartitions,
    )
    from flowfile_dagster.orchestration.specs.translator import FlowfileTranslator, NodeOutput, OutputEdges
    from flowfile_dagster.orchestration.steps.io_manager import FlowfileIOManager
    from flowfile_dagster.testing.runner import find_tests

_MODULES = {
    "AcceptedValues": "engine.checks",
    "AlertConfig": "orchestration.project.launch_config",
    "ConfigError": "errors",
    "DynamicPartitions": "orchestration.project.partitions",
    "FanOut": "engine.checks",
    "FilePartitions": "orchestration.project.partitions",
    "Flow": "api",
    "FlowAlert": "orchestration.launching.alerts",
    "FlowConfig": "orchestration.project.config",
    "FlowFileError": "errors",
    "FlowRun": "api",
    "FlowfileComponent": "orchestration.component",
    "FlowfileDagsterError": "errors",
    "FlowfileIOManager": "orchestration.steps.io_manager",
    "FlowfileTranslator": "orchestration.specs.translator",
    "Freshness": "orchestration.project.config",
    "MultiPartitions": "orchestration.project.partitions",
    "NodeConfig": "orchestration.project.config",
    "NodeError": "errors",
    "NodeOutput": "orchestration.specs.translator",
    "NodeProblem": "errors",
    "NotNull": "engine.checks",
    "OutputEdges": "orchestration.specs.translator",
    "ParameterError": "errors",
    "RowCount": "engine.checks",
    "ScheduleConfig": "orchestration.project.launch_config",
    "SelectionError": "errors",
    "StaticPartitions": "orchestration.project.partitions",
    "StoreError": "errors",
    "TimePartitions": "orchestration.project.partitions",
    "TriggerConfig": "orchestration.project.launch_config",
    "Unique": "engine.checks",
    "build_definitions": "orchestration.definitions",
    "build_gc_schedule": "orchestration.launching.garbage",
    "find_tests": "testing.runner",
    "flowfile_alert_sensor": "orchestration.launching.alerts",
    "flowfile_executor": "orchestration.executor",
    "load_flow": "api",
}

__all__ = [
    "AcceptedValues",
    "AlertConfig",
    "ConfigError",
    "DynamicPartitions",
    "FanOut",
    "FilePartitions",
    "Flow",
    "FlowAlert",
    "FlowConfig",
    "FlowFileError",
    "FlowRun",
    "FlowfileComponent",
    "FlowfileDagsterError",
    "FlowfileIOManager",
    "FlowfileTranslator",
    "Freshness",
    "MultiPartitions",
    "NodeConfig",
    "NodeError",
    "NodeOutput",
    "NodeProblem",
    "NotNull",
    "OutputEdges",
    "ParameterError",
    "RowCount",
    "ScheduleConfig",
    "SelectionError",
    "StaticPartitions",
    "StoreError",
    "TimePartitions",
    "TriggerConfig",
    "Unique",
    "build_definitions",
    "build_gc_schedule",
    "find_tests",
    "flowfile_alert_sensor",
    "flowfile_executor",
    "load_flow",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
