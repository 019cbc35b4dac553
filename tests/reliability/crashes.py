"""Kill writers, and whole Dagster runs, at random moments; then look at every byte that they left.

``python -m tests.reliability.crashes --kills 300`` prints what was found, and fails if anything was wrong, partial or
lost. What a process said that it had finished before it was killed must be there.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg

from flowfile_dagster import load_flow
from flowfile_dagster.store.digest import hash_result
from flowfile_dagster.store.garbage import Policy, collect_garbage
from flowfile_dagster.store.store import ResultStore
from tests.factories import fifteen_nodes, write_flow
from tests.reliability.results import expected_table, node_hash_of

_WRITER = """
import sys
from tests.reliability.results import expected_table, node_hash_of
from flowfile_dagster.store.refs import Ref
from flowfile_dagster.store.store import ResultStore
store, number = ResultStore(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
while True:
    manifest = store.record([node_hash_of(number)], {"output-0": store.write(expected_table(number))})
    store.of_run(str(number)).publish(("crash", str(number % 50)), Ref(manifest.node_hash, "output-0"))
    print(number, flush=True)
    number += 1
"""
_DEFINITIONS = """
from flowfile_dagster import FlowfileIOManager, build_definitions
defs = build_definitions(
    {flow!r}, compiled_folder={compiled!r}, io_manager=FlowfileIOManager(base_path={store!r})
)
"""


@dataclass
class Findings:
    """What was found after the kills; everything but the counts of work done must be empty."""

    kills: int = 0
    finished: int = 0
    wrong: list[str] = field(default_factory=list[str])
    partial: list[str] = field(default_factory=list[str])
    lost: list[str] = field(default_factory=list[str])
    leftovers: int = 0
    leftovers_after_gc: list[str] = field(default_factory=list[str])

    @property
    def is_clean(self) -> bool:
        """Whether nothing happened that must not."""
        return not (self.wrong or self.partial or self.lost or self.leftovers_after_gc)


def kill_writers(folder: Path, kills: int, seed: int) -> Findings:
    """Start writers on one store and kill each at a random moment, two at a time."""
    chance, store = random.Random(seed), ResultStore(folder / "store")
    findings, finished = Findings(), set[int]()
    for kill in range(kills):
        # The second of each pair writes the same results as the first.
        number = kill // 2 * 1000
        command = [sys.executable, "-c", _WRITER, str(store.base), str(number)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            time.sleep(chance.uniform(0, 0.25))
            writer.kill()
            finished.update(int(line) for line in writer.stdout.read().split("\n")[:-1])
    findings.kills, findings.finished = kills, len(finished)
    _verify_store(store, findings)
    for number in sorted(finished):
        manifest = store.look_up(node_hash_of(number))
        if manifest is None:
            findings.lost.append(f"result {number}")
        elif not store.scan(manifest.outputs["output-0"]).collect().equals(expected_table(number)):
            findings.wrong.append(f"result {number}")
    _collect(store, findings)
    return findings


def kill_dagster_runs(folder: Path, kills: int, seed: int) -> Findings:
    """Materialize an edited flow again and again, and kill each run with all of its processes at a random moment."""
    chance, store, findings = random.Random(seed), ResultStore(folder / "store"), Findings()
    flow, definitions, home = folder / "shop.json", folder / "defs.py", folder / "home"
    home.mkdir()
    text = _DEFINITIONS.format(flow=str(flow), compiled=str(folder / "compiled"), store=str(store.base))
    definitions.write_text(text)
    environment = {**os.environ, "DAGSTER_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "--select", "*", "-f", str(definitions)]
    write_flow(flow, fifteen_nodes())
    started = time.monotonic()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    usual = time.monotonic() - started
    for kill in range(kills):
        write_flow(flow, fifteen_nodes(f"[a] * {kill + 3}"))
        run = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        if kill % 3:
            _await_results(store.base, usual)
            time.sleep(chance.uniform(0, usual / 3))
        else:
            time.sleep(chance.uniform(0, usual))
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    findings.kills = kills
    _verify_store(store, findings)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        told = set(_told_node_hashes(instance))
    findings.finished = len(told)
    findings.lost += [f"node hash {node_hash}" for node_hash in told if store.look_up(node_hash) is None]
    fresh, kept = load_flow(flow).run(), load_flow(flow).run(store=store)
    findings.wrong += [
        f"node {node_id}" for node_id in fresh.status if not kept.frame(node_id).equals(fresh.frame(node_id))
    ]
    _collect(store, findings)
    return findings


def _await_results(base: Path, usual: float) -> None:
    """Wait until a run begins to store what it computes."""
    folder, end = base / "nodes", time.monotonic() + 3 * usual
    before = len(list(folder.glob("*/*.json")))
    while len(list(folder.glob("*/*.json"))) == before and time.monotonic() < end:
        time.sleep(0.01)


def _told_node_hashes(instance: dg.DagsterInstance) -> Iterator[str]:
    """The node hash of every materialization in the event log."""
    for key in instance.get_asset_keys():
        for record in instance.fetch_materializations(key, limit=10_000).records:
            materialization = record.asset_materialization
            if materialization is not None:
                yield str(materialization.metadata["flowfile/node_hash"].value)


def _verify_store(store: ResultStore, findings: Findings) -> None:
    """Read every file again, whatever is remembered of it."""
    for path in (store.base / "data").glob("*/*.arrow"):
        if hash_result(path)[0] != path.stem:
            findings.partial.append(str(path))
    for path in (store.base / "nodes").glob("*/*.json"):
        if store.look_up(path.stem) is None:
            findings.partial.append(str(path))
    for path in (store.base / "refs").rglob("*.json"):
        if path.read_bytes()[-1:] != b"}":
            findings.partial.append(str(path))


def _collect(store: ResultStore, findings: Findings) -> None:
    named = [path.stem for path in (store.base / "nodes").glob("*/*.json")]
    findings.leftovers = len(list(store.base.rglob("*.tmp")))
    time.sleep(2.1)
    collect_garbage(store, Policy(grace=0))
    findings.leftovers_after_gc += [str(path) for path in store.base.rglob("*.tmp")]
    findings.lost += [f"{node_hash}, by gc" for node_hash in named if store.look_up(node_hash) is None]


def main() -> int:
    """Kill writers nine times out of ten, and else Dagster runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    of_dagster = options.kills // 10
    is_clean = True
    for kill, kills in ((kill_writers, options.kills - of_dagster), (kill_dagster_runs, of_dagster)):
        with tempfile.TemporaryDirectory() as folder:
            findings = kill(Path(folder), kills, options.seed)
        print(kill.__name__, findings, flush=True)
        is_clean = is_clean and findings.is_clean
    return 0 if is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
