"""A real webserver on a code location of flow files, asked over GraphQL."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFINITIONS = """
import dagster as dg
from flowfile_dagster import build_definitions, flowfile_executor
defs = dg.Definitions.merge(
    build_definitions({flows!r}, mode={mode!r}), dg.Definitions(executor={executor})
)
"""
IN_PROCESS = "dg.in_process_executor"
STOCK_MULTIPROCESS = "dg.multiprocess_executor"
FORK_SERVER = (
    "dg.multiprocess_executor.configured("
    "{'max_concurrent': 2, 'start_method': {'forkserver': {'preload_modules': ['flowfile_dagster.preload']}}})"
)
#: The user's own module preloaded, too: loading definitions must leave nothing behind that a fork trips over.
FORK_SERVER_WITH_DEFINITIONS = FORK_SERVER.replace(
    "'flowfile_dagster.preload'", "'flowfile_dagster.preload', 'location'"
)
OURS = "flowfile_executor"
AT_ONCE = """
run_coordinator:
  module: dagster._core.run_coordinator
  class: DefaultRunCoordinator
"""
INSTANCE = """
telemetry:
  enabled: false
nux:
  enabled: false
"""
LAUNCH = """
mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }
"""
REEXECUTE = """
mutation($params: ReexecutionParams!) { launchPipelineReexecution(reexecutionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }
"""
TERMINATE = """
mutation($id: String!) { terminateRun(runId: $id) { __typename ... on TerminateRunFailure { message } } }
"""
STATUS = """
query($id: ID!) { runOrError(runId: $id) { ... on Run { status
  assetMaterializations { assetKey { path } } } } }
"""
LOG = """
query($id: ID!) { logsForRun(runId: $id, limit: 1000) { ... on EventConnection { events {
  __typename ... on MessageEvent { message stepKey }
  ... on DisplayableEvent { metadataEntries {
    label ... on TextMetadataEntry { text } ... on IntMetadataEntry { intValue } } }
} } } }
"""
FAILURES = """
query($id: ID!) { logsForRun(runId: $id, limit: 1000) { ... on EventConnection { events {
  ... on ExecutionStepFailureEvent { error { message } } } } } }
"""
STALE = """{ assetNodes { assetKey { path } isObservable staleStatus staleCauses { category reason } } }"""
LOCATION = """{ workspaceOrError { ... on Workspace { locationEntries {
  name loadStatus locationOrLoadError { __typename ... on PythonError { message } } } } } }"""

RELOAD = """
mutation { reloadRepositoryLocation(repositoryLocationName: "location") {
  __typename ... on WorkspaceLocationEntry { loadStatus } } }
"""
GRAPH = "{ assetNodes { assetKey { path } dependencyKeys { path } } }"


@dataclass(frozen=True)
class Server:
    url: str

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answer: dict[str, Any] = json.load(response)
        assert "errors" not in answer, answer["errors"]
        return dict(answer["data"])

    def reload(self) -> None:
        """What the button "Reload definitions" does."""
        answer = self.ask(RELOAD)["reloadRepositoryLocation"]
        assert answer["loadStatus"] == "LOADED", answer

    def graph(self) -> dict[str, set[str]]:
        """Last key parts of all assets, each with those of the assets that it depends on."""
        return {
            node["assetKey"]["path"][-1]: {key["path"][-1] for key in node["dependencyKeys"]}
            for node in self.ask(GRAPH)["assetNodes"]
        }

    def launch(self, keys: list[list[str]], **tags: str) -> str:
        selector = {
            "repositoryLocationName": "location",
            "repositoryName": "__repository__",
            "jobName": "__ASSET_JOB",
            "assetSelection": [{"path": key} for key in keys],
        }
        metadata = {"tags": [{"key": key, "value": value} for key, value in tags.items()]}
        params = {"selector": selector, "mode": "default", "executionMetadata": metadata}
        answer = self.ask(LAUNCH, params=params)["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def sources(self) -> list[list[str]]:
        """The keys of the sources that can be observed."""
        return [node["assetKey"]["path"] for node in self.ask(STALE)["assetNodes"] if node["isObservable"]]

    def stale(self) -> dict[str, list[str]]:
        """Unsynced assets, as the UI marks them, with the reasons."""
        return {
            "/".join(node["assetKey"]["path"]): [cause["reason"] for cause in node["staleCauses"]]
            for node in self.ask(STALE)["assetNodes"]
            if node["staleStatus"] != "FRESH"
        }

    def reexecute_from_asset_failure(self, run_id: str) -> str:
        params = {"parentRunId": run_id, "strategy": "FROM_ASSET_FAILURE"}
        answer = self.ask(REEXECUTE, params=params)["launchPipelineReexecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def terminate(self, run_id: str) -> None:
        answer = self.ask(TERMINATE, id=run_id)["terminateRun"]
        assert answer["__typename"] == "TerminateRunSuccess", answer

    def events(self, run_id: str) -> list[dict[str, Any]]:
        return list(self.ask(LOG, id=run_id)["logsForRun"]["events"])

    def failures(self, run_id: str) -> list[str]:
        """The messages of the steps of a run that failed."""
        events = self.ask(FAILURES, id=run_id)["logsForRun"]["events"]
        return [event["error"]["message"] for event in events if event]

    def await_step_process(self, run_id: str, step_key: str, message: str, *, seconds: float = 60) -> int:
        """The id of the process that runs a step, once the step has logged a message that begins so."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            events = [event for event in self.events(run_id) if event["stepKey"] == step_key]
            entries = [entry for event in events for entry in event.get("metadataEntries") or ()]
            found = [entry.get("text") or entry.get("intValue") for entry in entries if entry["label"] == "pid"]
            if found and any(event["message"].startswith(message) for event in events):
                return int(found[-1])
            time.sleep(0.2)
        raise TimeoutError(f"step {step_key} did not log {message!r} within {seconds} s")

    def wait(self, run_id: str, *, seconds: float = 120) -> tuple[str, set[str]]:
        """The final status of a run, and the last key parts of what it materialized."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            run = self.ask(STATUS, id=run_id)["runOrError"]
            if run["status"] in ("SUCCESS", "FAILURE", "CANCELED"):
                return run["status"], {item["assetKey"]["path"][-1] for item in run["assetMaterializations"]}
            time.sleep(0.2)
        raise TimeoutError(f"run {run_id} did not end within {seconds} s")


@contextmanager
def serve(folder: Path, flows: Path, executor: str, mode: str | None = None) -> Iterator[Server]:
    """A webserver on a folder of flows, with a Dagster home under `folder`."""
    with serve_location(folder, DEFINITIONS.format(flows=str(flows), executor=executor, mode=mode)) as server:
        yield server


@contextmanager
def serve_location(folder: Path, code: str, *, daemon: bool = False, coordinator: str = AT_ONCE) -> Iterator[Server]:
    """A webserver on the Python `code` of a location, and the daemon if asked; stopped with all their children.

    `coordinator`: the part of ``dagster.yaml`` that says when runs start.
    """
    home = folder / "dagster-home"
    home.mkdir()
    (home / "dagster.yaml").write_text(coordinator + INSTANCE)
    (folder / "location.py").write_text(code)
    (folder / "workspace.yaml").write_text(
        "load_from:\n- python_module: {module_name: location, location_name: location}\n"
    )
    port = _free_port()
    given = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(folder), *([given] if given else [])])
    environment = {**os.environ, "DAGSTER_HOME": str(home), "PYTHONPATH": path}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    processes: list[subprocess.Popen[bytes]] = []

    def start(name: str, *command: str) -> None:
        with (folder / f"{name}.log").open("w") as log:
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", *command, "-w", "workspace.yaml"],
                    cwd=folder,
                    env=environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    try:
        start("webserver", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port))
        server = Server(f"http://127.0.0.1:{port}")
        _await_location(server, processes[0], folder / "webserver.log")
        if daemon:  # only now: two that make the tables of an empty home at the same time trip over each other
            start("daemon", "dagster._daemon", "run")
        yield server
    finally:
        for process in processes:
            stop(process)


def stop(process: subprocess.Popen[Any]) -> None:
    """End a process and everything in its session."""
    for signal_number in (15, 9):
        try:
            os.killpg(process.pid, signal_number)
            process.wait(10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def _await_location(server: Server, process: subprocess.Popen[Any], log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            entries: list[Mapping[str, Any]] = server.ask(LOCATION)["workspaceOrError"]["locationEntries"]
        except OSError:
            time.sleep(0.3)
            continue
        if entries and entries[0]["loadStatus"] == "LOADED":
            assert entries[0]["locationOrLoadError"]["__typename"] != "PythonError", entries[0]
            return
        time.sleep(0.3)
    raise TimeoutError(log.read_text())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
