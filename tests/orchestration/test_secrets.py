"""Planted secrets are looked for in everything that a project leaves behind: event logs, compute logs, the store."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import dagster as dg
import pytest

from flowfile_dagster import FlowfileDagsterError, FlowfileIOManager, build_definitions, load_flow
from flowfile_dagster.errors import NodeError, NodeLocation, StoreError, without_secrets
from tests.factories import formula, manual, node, write_flow
from tests.orchestration.project import Project

PASSWORD = "planted-Passw0rd"
SIGNATURE = "planted-Signature"
KEY = "planted-Storage-Key"
ENVIRONMENT = "planted-in-Environment"
SECRETS = (PASSWORD, SIGNATURE, KEY, ENVIRONMENT)
#: Port 9 discards what it gets, where there is anything at all.
URL = f"http://reader:{PASSWORD}@127.0.0.1:9/orders.{{}}?sig={SIGNATURE}&page=1"


def read_url(node_id: int, file_type: str) -> dict[str, object]:
    return node(node_id, "read", {"received_file": {"path": URL.format(file_type), "file_type": file_type}})


def flow_with_secrets(folder: Path) -> Path:
    readers = [read_url(node_id, kind) for node_id, kind in enumerate(("csv", "parquet", "ndjson", "ipc"), start=3)]
    unreadable = node(7, "read", {"received_file": {"path": f"s3://key:{PASSWORD}@bucket/x.csv", "file_type": "csv"}})
    source = manual(1, {"a": [1]}, description=f"see {URL}")
    return write_flow(folder / "leaky.json", [source, formula(2, 1, "b", "[a]"), *readers, unreadable])


def files_with_secrets(folder: Path) -> list[tuple[str, str]]:
    return [
        (str(path.relative_to(folder)), secret)
        for path in folder.rglob("*")
        if path.is_file()
        for secret in SECRETS
        if secret.encode() in path.read_bytes()
    ]


def test_planted_secrets_are_in_no_log_no_metadata_and_no_result(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE_PASSWORD", ENVIRONMENT)
    monkeypatch.setenv("STORAGE_KEY", KEY)
    flow_with_secrets(project.folder)
    logged = io.StringIO()
    handler = logging.StreamHandler(logged)
    logging.getLogger().addHandler(handler)
    store = tmp_path / "results"
    io_manager = FlowfileIOManager(base_path=str(store), storage_options={"secret": dg.EnvVar("STORAGE_KEY")})
    definitions = build_definitions(project.folder, io_manager=io_manager, compiled_folder=tmp_path / "compiled")
    job = definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=project.instance, raise_on_error=False)
    logging.getLogger().removeHandler(handler)
    assert not result.success
    assert len(list(store.rglob("*.arrow"))) == 2
    assert not files_with_secrets(Path(project.instance.root_directory))
    assert not files_with_secrets(store)
    # Beside each compiled form lies the flow file as it is, for steps to run.
    compiled = [found for found in files_with_secrets(tmp_path / "compiled") if not found[0].endswith(".flow.json")]
    assert not compiled
    specs = json.dumps([repr(spec) for spec in definitions.resolve_all_asset_specs()])
    told = [logged.getvalue(), specs, *(str(event) for event in result.all_events)]
    assert not [secret for secret in SECRETS for text in told if secret in text]
    assert "http://***@127.0.0.1:9/orders.csv?sig=***&page=1" in specs


def test_errors_of_readers_hold_no_secrets(tmp_path: Path) -> None:
    run = load_flow(flow_with_secrets(tmp_path)).run()
    assert sorted(run.errors) == [3, 4, 5, 6, 7]
    for error in run.errors.values():
        assert not [secret for secret in SECRETS if secret in f"{error!s} {error!r} {error.detail}"]


def test_store_url_with_credentials_is_refused_without_showing_them() -> None:
    with pytest.raises(FlowfileDagsterError) as caught:
        FlowfileIOManager(base_path=f"s3://key:{PASSWORD}@bucket/x").open_store(dg.DagsterInstance.ephemeral())
    assert PASSWORD not in f"{caught.value!s} {caught.value!r}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no https://u:p@host/a?b=1 there", "no https://***@host/a?b=1 there"),
        ("s3://AKIA@bucket/x", "s3://***@bucket/x"),
        (
            "https://h/x?X-Amz-Signature=ab%2F&sv=1&access_token='",
            "https://h/x?X-Amz-Signature=***&sv=1&access_token='",
        ),
        ("https://reader:p@ss@host/x?pwd=1#token=2;jwt=3", "https://***@host/x?pwd=***#token=***;jwt=***"),
        ("https://host?mail=a@b.c", "https://host?mail=a@b.c"),
        ("mail a@b.c about a/b?key=1", "mail a@b.c about a/b?key=1"),
        ("https://host/path@2x.csv", "https://host/path@2x.csv"),
        ("https://reader:Zm9v/YmFy+@host/x and s3://id:a#b?c@bucket/x", "https://***@host/x and s3://***@bucket/x"),
        ("http://host:8080/path@2x.csv", "http://host:8080/path@2x.csv"),
        ("http://[::1]:80/a@b.csv?author=c", "http://[::1]:80/a@b.csv?author=c"),
        ("https://host/x?auth=1", "https://host/x?auth=***"),
    ],
)
def test_secrets_of_urls_are_hidden_and_nothing_else(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
    assert NodeError(NodeLocation("f", 1, "read"), text).args[1] == shown
    assert StoreError(text, text).args == (shown, shown)
