"""The unit tests beside a flow as asset checks, which need neither its sources nor a result."""

# No postponed annotations here: Dagster reads the annotation of the check's context as an object.

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, count
from pathlib import Path

import dagster as dg

from flowfile_dagster.compile.form import CompiledFlow
from flowfile_dagster.errors import FlowFileError
from flowfile_dagster.flow.names import slug
from flowfile_dagster.orchestration.specs.specs import FlowSpecs
from flowfile_dagster.testing.cases import tests_path
from flowfile_dagster.testing.runner import FlowTest, find_tests

_log = logging.getLogger(__name__)


def build_flow_tests(flow: CompiledFlow, specs: FlowSpecs, root: Path | None) -> list[dg.AssetChecksDefinition]:
    """One check per test, on the asset of the first node that it expects something of, or the one it is fused into.

    A file with tests that cannot be used becomes one check that fails and says why.
    """
    path = Path(flow.path)
    if not tests_path(path).is_file() or not specs.by_output:
        return []
    tests: dict[str, FlowTest] = {}
    problem = ""
    try:
        for test in find_tests(path, root=root):
            name = f"test_{slug(test.name)}"
            numbered = (f"{name}_{number}" for number in count(2))
            tests[next(free for free in chain([name], numbered) if free not in tests)] = test
    except FlowFileError as error:
        problem = str(error)
        _log.error("tests of a flow do not load: %s", problem)
    homes = _assets_by_node(flow, specs)
    first = next(iter(specs.by_output.values())).key
    check_specs = [
        dg.AssetCheckSpec(name, asset=homes.get(next(iter(test.case.expect)), first), description=test.name)
        for name, test in tests.items()
    ]
    if problem:
        check_specs = [dg.AssetCheckSpec("tests", asset=first, description="the tests of the flow load")]
    return [_build_op("__".join([*specs.place.key_prefix, "_tests"]), check_specs, tests, problem)]


def _build_op(
    name: str, check_specs: Sequence[dg.AssetCheckSpec], tests: Mapping[str, FlowTest], problem: str
) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(name=name, specs=check_specs, can_subset=True, description="unit tests of the flow")
    def run_tests(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        for spec in check_specs:
            if spec.key in context.selected_asset_check_keys:
                failures = (problem,) if problem else tests[spec.name].run().failures
                yield dg.AssetCheckResult(
                    passed=not failures,
                    asset_key=spec.asset_key,
                    check_name=spec.name,
                    description="\n".join(failures) or spec.description,
                )

    return run_tests


def _assets_by_node(flow: CompiledFlow, specs: FlowSpecs) -> dict[str, dg.AssetKey]:
    """The asset of every node, or of the segment that it is in, by all that the node goes by in a test."""
    nodes = {node.node_id: node for node in flow.nodes}
    found: dict[str, dg.AssetKey] = {}
    for segment in specs.segments:
        key = specs.of_segment(segment)[0].key
        for node_id in segment.nodes:
            node = nodes[node_id]
            for name in (node.name, str(node_id)):
                if name not in found or node_id == segment.root:
                    found[name] = key
    return found
