"""Asset checks of a flow: the predicted schema, and what the configuration expects of results."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import dagster as dg

from flowfile_dagster.columns.difference import explain_difference
from flowfile_dagster.columns.schema import schema_from_json
from flowfile_dagster.compile.form import CompiledFlow, CompiledNode, SchemaText
from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.engine.checks import Check, Judgement, RowCounts, check_name, judge
from flowfile_dagster.engine.preview import hide_columns, render_rows
from flowfile_dagster.errors import ConfigError
from flowfile_dagster.flow.graph import FlowGraph, FlowNode
from flowfile_dagster.orchestration.project.config import FlowConfig
from flowfile_dagster.orchestration.project.redaction import NOTHING, Redaction, Redactions
from flowfile_dagster.orchestration.specs.specs import FlowSpecs
from flowfile_dagster.store.index import Manifest, StoredTable
from flowfile_dagster.store.store import ResultStore

SCHEMA_CHECK = "predicted_schema"
#: What begins the cause of a failure that is a failed check.
BLOCKING_CHECK = "blocking check "


@dataclass(frozen=True)
class NodeCheck:
    """A check of one output of a node.

    `check`: what the configuration expects; None is that the schema is the `predicted` one.
    """

    node_id: int
    handle: str
    spec: dg.AssetCheckSpec
    check: Check | None = None
    predicted: SchemaText = ()


def find_checks(flow: CompiledFlow, specs: FlowSpecs, config: FlowConfig) -> list[NodeCheck]:
    """The checks of all outputs that are assets.

    Raises:
        ConfigError: two checks would have one name, or one is for an output that its node does not have.
    """
    found = list(_schema_checks(flow, specs, config))
    if any(node.checks for node in config.nodes.values()):
        found += _configured_checks(flow, specs, config)
    return found


def with_freshness(flow: CompiledFlow, specs: FlowSpecs, config: FlowConfig) -> FlowSpecs:
    """The specs with the freshness policies that the configuration gives them."""
    wanted = {name: node.freshness for name, node in config.nodes.items() if node.freshness is not None}
    if not wanted:
        return specs
    policies = {
        node.node_id: dg.FreshnessPolicy.time_window(
            fail_window=timedelta(hours=freshness.fail_after_hours),
            warn_window=None if freshness.warn_after_hours is None else timedelta(hours=freshness.warn_after_hours),
        )
        for node in flow.nodes
        if (freshness := wanted.get(node.name)) is not None
    }
    by_output = {
        output: spec.replace_attributes(freshness_policy=policies[output[0]]) if output[0] in policies else spec
        for output, spec in specs.by_output.items()
    }
    return replace(specs, by_output=by_output)


def _schema_checks(flow: CompiledFlow, specs: FlowSpecs, config: FlowConfig) -> Iterator[NodeCheck]:
    if config.schema_checks == "none":
        return
    nodes = {node.node_id: node for node in flow.nodes}
    for segment in specs.segments:
        if specs.mode == "performance" and Trait.SINK.value in nodes[segment.root].traits:
            continue  # it streams its rows to a file, and nothing is stored
        is_wanted = config.schema_checks == "all" or any(_may_drift(nodes[node_id]) for node_id in segment.nodes)
        for handle, predicted in nodes[segment.root].schemas.items() if is_wanted else ():
            if predicted is not None:
                spec = dg.AssetCheckSpec(SCHEMA_CHECK, asset=specs.by_output[segment.root, handle].key)
                yield NodeCheck(segment.root, handle, spec, predicted=predicted)


def _may_drift(node: CompiledNode) -> bool:
    """Whether a node depends on more than its settings and inputs."""
    return bool(node.sources) or Trait.RUNS_USER_CODE.value in node.traits


def _configured_checks(flow: CompiledFlow, specs: FlowSpecs, config: FlowConfig) -> Iterator[NodeCheck]:
    nodes = {node.name: node for node in flow.nodes}
    for name, node_config in config.nodes.items():
        taken: set[tuple[str, str]] = set()
        for place, check in enumerate(node_config.checks):
            field = f"nodes.{name}.checks[{place}]"
            handle = _handle(nodes[name], check, specs.place.group, field)
            named = check_name(check)
            if (handle, named) in taken or named == SCHEMA_CHECK:
                raise ConfigError(specs.place.group, field, f"there is another check {named!r}; give it a `name`")
            taken.add((handle, named))
            spec = dg.AssetCheckSpec(
                named,
                asset=specs.by_output[nodes[name].node_id, handle].key,
                blocking=check.blocking,
                description=check.expectation,
            )
            yield NodeCheck(nodes[name].node_id, handle, spec, check)


def _handle(node: CompiledNode, check: Check, group: str, field: str) -> str:
    labels = list(node.handle_labels)
    if check.output is None:
        return "output-0"
    if check.output not in labels:
        cause = f"the node has no output {check.output!r}; outputs: {', '.join(labels)}"
        raise ConfigError(group, f"{field}.output", cause)
    return f"output-{labels.index(check.output)}"


@dataclass
class StepChecks:
    """The selected checks of one step, judged from stored results.

    `materialized` are the assets of the step that are selected, too. `results` by asset are those of nodes that have
    run; `failures` are blocking checks that failed, by node.
    """

    checks: Sequence[NodeCheck]
    materialized: Collection[dg.AssetKey]
    graph: FlowGraph
    store: ResultStore
    redactions: Redactions = field(default_factory=dict)
    results: dict[dg.AssetKey | None, list[dg.AssetCheckResult]] = field(default_factory=dict)
    failures: dict[int, list[str]] = field(default_factory=dict)

    def verify(self, node_id: int, manifests: Mapping[int, Manifest]) -> bool:
        """Judge a node's result; false where a blocking check failed."""
        own = [check for check in self.checks if check.node_id == node_id and self._is_materialized(check)]
        for result in self._judge(own, manifests):
            self.results.setdefault(result.asset_key, []).append(result)
        return node_id not in self.failures

    def judge_alone(self, latest: Callable[[FlowNode], Manifest | None]) -> Iterator[dg.AssetCheckResult]:
        """The results of checks whose asset is not materialized now, from the latest result that it has."""
        alone = [check for check in self.checks if not self._is_materialized(check)]
        for node_id in dict.fromkeys(check.node_id for check in alone):
            node = self.graph.nodes[node_id]
            read = {node_id, *(item.node_id for item in node.inputs[:1])}
            manifests = {other: found for other in read if (found := latest(self.graph.nodes[other])) is not None}
            yield from self._judge([check for check in alone if check.node_id == node_id], manifests)

    def _is_materialized(self, check: NodeCheck) -> bool:
        return check.spec.asset_key in self.materialized

    def _judge(self, checks: Sequence[NodeCheck], manifests: Mapping[int, Manifest]) -> Iterator[dg.AssetCheckResult]:
        """The results of checks of one node."""
        for handle in dict.fromkeys(check.handle for check in checks):
            of_output = [check for check in checks if check.handle == handle]
            for check, result in zip(of_output, self._judge_output(of_output, manifests), strict=True):
                if check.spec.blocking and not result.passed:
                    location = self.graph.location(check.node_id)
                    text = f"{location}: {BLOCKING_CHECK}{check.spec.name!r} failed: {result.description}"
                    self.failures.setdefault(check.node_id, []).append(text)
                yield result

    def _judge_output(
        self, checks: Sequence[NodeCheck], manifests: Mapping[int, Manifest]
    ) -> Iterator[dg.AssetCheckResult]:
        node, handle = self.graph.nodes[checks[0].node_id], checks[0].handle
        table = _table(manifests, node.node_id, handle)
        if table is None:
            text = "there is no stored result; materialize the asset"
            yield from (_result(check, is_passed=False, description=text) for check in checks)
            return
        left = _table(manifests, node.inputs[0].node_id, node.inputs[0].handle) if node.inputs else None
        counts = RowCounts(table.rows, None if left is None else left.rows)
        expected = [check.check for check in checks if check.check is not None]
        judgements = iter(judge(expected, self.store.scan(table), table.schema, counts))
        for check in checks:
            if check.check is None:
                difference = explain_difference(schema_from_json(check.predicted), table.schema)
                text = difference or "the columns are those that were predicted"
                yield _result(check, is_passed=difference is None, description=text)
            else:
                redaction = self.redactions.get((check.node_id, check.handle), NOTHING)
                yield _judged(check, next(judgements), table.rows, redaction)


def _table(manifests: Mapping[int, Manifest], node_id: int, handle: str) -> StoredTable | None:
    return manifests[node_id].outputs.get(handle) if node_id in manifests else None


def _judged(check: NodeCheck, judgement: Judgement, rows: int, redaction: Redaction) -> dg.AssetCheckResult:
    metadata: dict[str, dg.MetadataValue] = {"dagster/row_count": dg.MetadataValue.int(rows)}
    if judgement.broken_rows is not None:
        metadata["flowfile/failing_rows"] = dg.MetadataValue.int(judgement.broken_rows)
    if judgement.sample is not None:
        sample = render_rows(hide_columns(judgement.sample, redaction.hides), judgement.broken_rows or 0)
        metadata["flowfile/sample"] = dg.MetadataValue.md(sample)
    return _result(check, is_passed=judgement.is_passed, description=judgement.description, metadata=metadata)


def _result(
    check: NodeCheck, *, is_passed: bool, description: str, metadata: Mapping[str, dg.MetadataValue] | None = None
) -> dg.AssetCheckResult:
    is_error = check.check is not None and check.check.severity == "error"
    return dg.AssetCheckResult(
        passed=is_passed,
        asset_key=check.spec.asset_key,
        check_name=check.spec.name,
        severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
        description=description,
        metadata=metadata or {},
    )
