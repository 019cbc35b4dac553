"""Node hashes are the same for ever, in every process, on every machine and every Polars of a major version."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowfile_dagster.compat import POLARS_MAJOR
from flowfile_dagster.plan.node_hash import combine
from tests.factories import formula, read_csv, write_flow

RUN = """
import sys; from pathlib import Path
from flowfile_dagster import load_flow; from flowfile_dagster.store.store import ResultStore
store = ResultStore(Path(sys.argv[1]).parent / sys.argv[2])
run = load_flow(sys.argv[1]).run(store=store)
for node in run.flow.nodes.values():
    manifest = store.find(store.latest(("flow-runs", run.flow.name, run.flow.names[node.node_id])).node_hash)
    print(manifest.node_hash, *(manifest.parts[name] for name in ("settings", "upstream", "source")))
"""
READER = {
    "settings": "9f46b1c29c2c08b3205f13db3c2bf4b7aab54a1f4d567cb67ed9fed9426bb692",
    "upstream": "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945",
    "source": "e3060ba5c86f19496b7a635fbcc0749831c9fc7e8f1c5bb1681069339e24f0ef",
}
FORMULA_SETTINGS = "efbb1392e3c67d96e5273f0802407bf7eb0b590bd1b11279f871862c0ab5f887"


@pytest.mark.parametrize("place", ["plain", "données", "数据 ünï"])
def test_reader_has_its_pinned_hash_wherever_it_lies(tmp_path: Path, place: str) -> None:
    folder = tmp_path / place
    folder.mkdir()
    (folder / "日本 é.csv").write_text("a,ö\n1,ß\n", encoding="utf-8")
    path = write_flow(folder / "flow é.json", [read_csv(1, folder / "日本 é.csv"), formula(2, 1, "数", "[a] * 2")])
    answers = {
        subprocess.run(
            [sys.executable, "-c", RUN, str(path), f"store{seed}"],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1
    reader, doubled = (line.split() for line in answers.pop().splitlines())
    assert dict(zip(READER, reader[1:], strict=True)) == READER
    assert reader[0] == combine({**READER, "version": f"polars {POLARS_MAJOR}"})
    assert doubled[1] == FORMULA_SETTINGS
