"""What Flowfile computed for real flow files, we compute: names, dtypes, values, orders where they are defined."""

from pathlib import Path

import pytest

from flowfile_dagster import Flow
from tests.conformance.case import case_names, run_case
from tests.conformance.differences import OPAQUE_SETTINGS, OPAQUE_TYPES, OUTPUTS, VALUES

RIGHT = {"exact", "ok_absent", "ok_optional", "not_compared"}


@pytest.mark.parametrize("file_name", case_names())
def test_flow_gives_what_flowfile_gives(file_name: str, tmp_path: Path) -> None:
    result = run_case(file_name, tmp_path)
    known = VALUES.get(Path(file_name).stem, {})
    for name, node in result.report["nodes"].items():
        wanted = {known[name].verdict} if name in known else RIGHT
        assert node["verdict"] in wanted, f"{name} {node['type']}: {node}"
    assert not result.report["extra_results"]

    known_outputs = OUTPUTS.get(Path(file_name).stem, {})
    for path, output in result.outputs.items():
        wanted = {known_outputs[path].verdict} if path in known_outputs else {"exact"}
        assert output["verdict"] in wanted, f"{path}: {output}"


@pytest.mark.parametrize("file_name", case_names())
def test_prediction_is_what_is_computed(file_name: str, tmp_path: Path) -> None:
    result = run_case(file_name, tmp_path)
    schemas = result.flow.schemas()
    for node in result.flow.nodes.values():
        for handle in node.handles:
            if result.run.status[node.node_id] not in ("computed", "hit"):
                continue
            predicted = schemas[node.node_id, handle]
            if predicted is None:
                assert _may_be_opaque(result.flow, node.node_id), f"node {node.node_id} ({node.node_type}) is opaque"
            else:
                assert predicted == result.run.frame(node.node_id, handle).schema, f"node {node.node_id}"


def _may_be_opaque(flow: Flow, node_id: int) -> bool:
    return any(
        node.node_type in OPAQUE_TYPES or any(word in str(node.settings) for word in OPAQUE_SETTINGS)
        for node in (flow.nodes[ancestor] for ancestor in flow.graph.ancestors([node_id]))
    )
