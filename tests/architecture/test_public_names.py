"""The names that users import, pinned."""

import inspect

import pytest

import flowfile_dagster


def test_public_names_are_these() -> None:
    assert sorted(flowfile_dagster.__all__) == [
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


@pytest.mark.parametrize("name", flowfile_dagster.__all__)
def test_public_name_resolves_and_has_a_docstring(name: str) -> None:
    assert inspect.getdoc(getattr(flowfile_dagster, name))


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'load_flows'"):
        flowfile_dagster.load_flows  # noqa: B018


def test_signatures_are_these() -> None:
    assert list(inspect.signature(flowfile_dagster.load_flow).parameters) == ["path", "parameters", "root"]
    assert list(inspect.signature(flowfile_dagster.Flow.run).parameters)[:4] == ["self", "mode", "targets", "store"]
    assert list(inspect.signature(flowfile_dagster.FlowRun.frame).parameters) == ["self", "node", "handle"]
