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
    )
    from flowfile_dagster.orchestration.component import FlowfileComponent
    from flowfile_dagster.orchestration.config import FlowConfig, Freshness, NodeConfig
    from flowfile_dagster.orchestration.definitions import build_definitions
    from flowfile_dagster.orchestration.executor import flowfile_executor
    from flowfile_dagster.orchestration.io_manager import FlowfileIOManager
    from flowfile_dagster.orchestration.translator import FlowfileTranslator, FlowOutput, OutputEdges
    from flowfile_dagster.testing.runner import find_tests

_MODULES = {
    "AcceptedValues": "engine.checks",
    "ConfigError": "errors",
    "FanOut": "engine.checks",
    "Flow": "api",
    "FlowConfig": "orchestration.config",
    "FlowFileError": "errors",
    "FlowOutput": "orchestration.translator",
    "FlowRun": "api",
    "FlowfileComponent": "orchestration.component",
    "FlowfileDagsterError": "errors",
    "FlowfileIOManager": "orchestration.io_manager",
    "FlowfileTranslator": "orchestration.translator",
    "Freshness": "orchestration.config",
    "NodeConfig": "orchestration.config",
    "NodeError": "errors",
    "NodeProblem": "errors",
    "NotNull": "engine.checks",
    "OutputEdges": "orchestration.translator",
    "ParameterError": "errors",
    "RowCount": "engine.checks",
    "Unique": "engine.checks",
    "build_definitions": "orchestration.definitions",
    "find_tests": "testing.runner",
    "flowfile_executor": "orchestration.executor",
    "load_flow": "api",
}

__all__ = [
    "AcceptedValues",
    "ConfigError",
    "FanOut",
    "Flow",
    "FlowConfig",
    "FlowFileError",
    "FlowOutput",
    "FlowRun",
    "FlowfileComponent",
    "FlowfileDagsterError",
    "FlowfileIOManager",
    "FlowfileTranslator",
    "Freshness",
    "NodeConfig",
    "NodeError",
    "NodeProblem",
    "NotNull",
    "OutputEdges",
    "ParameterError",
    "RowCount",
    "Unique",
    "build_definitions",
    "find_tests",
    "flowfile_executor",
    "load_flow",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
