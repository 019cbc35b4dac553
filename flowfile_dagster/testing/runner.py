"""Run the tests of flows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from flowfile_dagster.api import Flow, FlowRun, load_flow
from flowfile_dagster.contract.node_type import NODE_FAILURES, Trait
from flowfile_dagster.engine.collect import collect
from flowfile_dagster.errors import FlowfileDagsterError, FlowFileError, Problem, SelectionError
from flowfile_dagster.flow.files import find_flow_files
from flowfile_dagster.flow.graph import FlowGraph
from flowfile_dagster.flow.outside import sources_of
from flowfile_dagster.testing.cases import ExpectedRows, FlowTestCase, Rows, read_cases, tests_path
from flowfile_dagster.testing.difference import find_differences
from flowfile_dagster.testing.fixtures import read_rows, with_fixtures


@dataclass(frozen=True)
class FlowTestResult:
    """What came of a test. `failures` says what differs, or why the test could not run; empty for a success."""

    test: FlowTest
    failures: tuple[str, ...]

    @property
    def is_success(self) -> bool:
        """Whether everything was as expected."""
        return not self.failures


@dataclass(frozen=True)
class FlowTest:
    """A test of a flow: `case` is what its file says. As text it is ``flow: name``."""

    flow: Path
    case: FlowTestCase
    root: Path | None = None

    @property
    def name(self) -> str:
        """What is tested."""
        return self.case.name

    def __str__(self) -> str:
        return f"{self.flow.stem}: {self.name}"

    def run(self) -> FlowTestResult:
        """Run the nodes that are expected to deliver something over the given rows. Reads no source, writes no file
        and keeps no result; never raises for what the test or the flow gets wrong.
        """
        try:
            return FlowTestResult(self, tuple(_run(self)))
        except FlowfileDagsterError as error:
            return FlowTestResult(self, (str(error),))


def find_tests(path: str | Path, *, root: str | Path | None = None) -> list[FlowTest]:
    """The tests of a flow file, or of all flow files under a folder: of ``orders.yaml`` those in ``orders.tests.yaml``.

    Args:
        path: the flow file or folder.
        root: the folder that relative paths in flows stand under.

    Raises:
        FlowFileError: the path does not exist, or a file with tests cannot be used; names every field that is wrong.
    """
    if not Path(path).exists():
        raise FlowFileError(str(path), [Problem("", "does not exist")])
    root_path = None if root is None else Path(root)
    return [
        FlowTest(flow, case, root_path)
        for flow in find_flow_files(Path(path))
        if tests_path(flow).is_file()
        for case in read_cases(tests_path(flow))
    ]


def _run(test: FlowTest) -> Iterator[str]:
    graph = load_flow(test.flow, parameters=test.case.parameters, root=test.root).graph
    given = {Flow(graph).find_node(name): name for name in test.case.given}
    fixtures = {node_id: _frame(test, graph, node_id, name) for node_id, name in given.items()}
    flow = Flow(with_fixtures(graph, fixtures))
    wanted = {name: _output(flow, name, rows) for name, rows in test.case.expect.items()}
    _refuse_sources(flow.graph, [node_id for node_id, _ in wanted.values()])
    run = flow.run(targets=[node_id for node_id, _ in wanted.values()])
    for name, (node_id, handle) in wanted.items():
        yield from (f"{name}: {text}" for text in _compare(test, run, name, node_id, handle))


def _frame(test: FlowTest, graph: FlowGraph, node_id: int, name: str) -> pl.LazyFrame:
    if len(graph.nodes[node_id].handles) > 1:
        raise SelectionError(f"given.{name}: the node has several outputs; give rows for what reads them")
    return _read(test, f"given.{name}", test.case.given[name])


def _read(test: FlowTest, field: str, rows: Rows) -> pl.LazyFrame:
    try:
        return collect(read_rows(rows, test.flow.parent)).lazy()
    except NODE_FAILURES as error:
        raise SelectionError(f"{field}: {str(error).partition(chr(10))[0]}") from error


def _output(flow: Flow, name: str, rows: ExpectedRows) -> tuple[int, str]:
    """The node and handle that deliver what is expected. What a writer would write is what it is given."""
    node = flow.nodes[flow.find_node(name)]
    if Trait.SINK in node.traits and node.inputs:
        return node.inputs[0].node_id, node.inputs[0].handle
    labels = list(node.handle_labels)
    if rows.output is not None and rows.output not in labels:
        cause = f"the node has no output {rows.output!r}; outputs: {', '.join(labels)}"
        raise SelectionError(f"expect.{name}: {cause}")
    return node.node_id, f"output-{0 if rows.output is None else labels.index(rows.output)}"


def _refuse_sources(graph: FlowGraph, wanted: list[int]) -> None:
    """A test must not depend on what a source holds today."""
    for node_id in sorted(graph.ancestors(wanted)):
        sources = sources_of(graph.nodes[node_id], graph)
        if sources:
            cause = f"reads {sources[0].uri}; say in `given` what it delivers in the test"
            raise SelectionError(f"{graph.location(node_id)}: {cause}")


def _compare(test: FlowTest, run: FlowRun, name: str, node_id: int, handle: str) -> list[str]:
    if run.status.get(node_id) not in ("computed", "hit"):
        above = run.flow.graph.ancestors([node_id])
        errors = [str(error) for failed, error in run.errors.items() if failed in above]
        return errors or ["the node did not run: a gate above it is closed"]
    rows = test.case.expect[name]
    expected = collect(_read(test, f"expect.{name}", rows))
    return find_differences(expected, run.frame(node_id, handle), ignore_order=rows.ignore_order)
