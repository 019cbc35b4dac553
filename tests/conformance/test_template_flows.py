"""The flows that ship with Flowfile as templates, if there is a copy of them.

``FLOWFILE_TEMPLATES`` names its folder: the templates, in which ``__TEMPLATE_DATA_DIR__`` stands for a folder ``data``.
"""

import os
from pathlib import Path

import pytest

from flowfile_dagster import Flow, load_flow
from flowfile_dagster.cli.app import main

TEMPLATES = Path(os.environ.get("FLOWFILE_TEMPLATES") or Path(__file__).parents[3] / "shared" / "flows")
#: Types in the templates that need more than this machine, or a catalog.
UNSUPPORTED = {"train_model", "apply_model", "evaluate_model", "catalog_writer"}

pytestmark = pytest.mark.skipif(
    not TEMPLATES.is_dir(), reason="FLOWFILE_TEMPLATES names no copy of Flowfile's templates"
)


def template_names() -> list[str]:
    return sorted(path.name for path in TEMPLATES.glob("*.yaml"))


def load_template(name: str, folder: Path) -> Flow:
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    path = folder / name
    path.write_text(text.replace("__TEMPLATE_DATA_DIR__", str(TEMPLATES / "data")), encoding="utf-8")
    return load_flow(path)


@pytest.mark.parametrize("name", template_names())
def test_template_runs_as_far_as_its_node_types_go(name: str, tmp_path: Path) -> None:
    flow = load_template(name, tmp_path)
    run = flow.run()
    failed = {flow.nodes[node_id].node_type for node_id in run.errors}
    assert failed <= UNSUPPORTED
    assert failed or set(run.status.values()) == {"computed"}
    for (node_id, handle), schema in flow.schemas().items():
        if schema is not None and run.status[node_id] == "computed":
            assert run.frame(node_id, handle).schema == schema, f"node {node_id}"


def test_check_is_clear_about_what_cannot_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in template_names():
        load_template(name, tmp_path)
    assert main(["check", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "10 of 14 flows are ready to run" in lines
    assert "  sales_to_catalog / 3 / catalog_writer: nodes of type 'catalog_writer' cannot run yet" in lines
