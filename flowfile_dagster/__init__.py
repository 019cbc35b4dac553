"""Flowfile flows as Dagster assets.

The public names are resolved on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowfile_dagster.api import Flow, FlowRun, load_flow
    from flowfile_dagster.errors import (
        ConfigError,
        FlowfileDagsterError,
        FlowFileError,
        NodeError,
        NodeProblem,
        ParameterError,
    )
    from flowfile_dagster.orchestration.config import FlowConfig, NodeConfig
    from flowfile_dagster.orchestration.definitions import build_definitions
    from flowfile_dagster.orchestration.executor import flowfile_executor
    from flowfile_dagster.orchestration.io_manager import FlowfileIOManager
    from flowfile_dagster.orchestration.partitions import (
        DynamicPartitions,
        FilePartitions,
        MultiPartitions,
        StaticPartitions,
        TimePartitions,
    )

_MODULES = {
    "ConfigError": "errors",
    "DynamicPartitions": "orchestration.partitions",
    "FilePartitions": "orchestration.partitions",
    "Flow": "api",
    "FlowConfig": "orchestration.config",
    "FlowFileError": "errors",
    "FlowRun": "api",
    "FlowfileDagsterError": "errors",
    "FlowfileIOManager": "orchestration.io_manager",
    "MultiPartitions": "orchestration.partitions",
    "NodeConfig": "orchestration.config",
    "NodeError": "errors",
    "NodeProblem": "errors",
    "ParameterError": "errors",
    "StaticPartitions": "orchestration.partitions",
    "TimePartitions": "orchestration.partitions",
    "build_definitions": "orchestration.definitions",
    "flowfile_executor": "orchestration.executor",
    "load_flow": "api",
}

__all__ = [
    "ConfigError",
    "DynamicPartitions",
    "FilePartitions",
    "Flow",
    "FlowConfig",
    "FlowFileError",
    "FlowRun",
    "FlowfileDagsterError",
    "FlowfileIOManager",
    "MultiPartitions",
    "NodeConfig",
    "NodeError",
    "NodeProblem",
    "ParameterError",
    "StaticPartitions",
    "TimePartitions",
    "build_definitions",
    "flowfile_executor",
    "load_flow",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
