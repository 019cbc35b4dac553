import json
import os
import shutil
from pathlib import Path

import polars as pl
import pytest

from flowfile_dagster import load_flow
from flowfile_dagster.api import FLOW_RUNS
from flowfile_dagster.cli.app import main
from flowfile_dagster.cli.gc import _size
from flowfile_dagster.store.fingerprints import FingerprintMemory
from flowfile_dagster.store.store import ResultStore
from tests.factories import formula, manual, write_flow

HASH = "a" * 64


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store after three edits of one node, all of them long ago."""
    for factor in (2, 3, 4):
        path = write_flow(tmp_path / "shop.json", [manual(1, {"a": [1, 2]}), formula(2, 1, "b", f"[a] * {factor}")])
        load_flow(path).run(store=tmp_path / "store")
        for file in (tmp_path / "store").rglob("*"):
            if file.is_file() and file.stat().st_mtime > 100:
                os.utime(file, (factor, factor))
    return tmp_path / "store"


def test_gc_removes_what_the_limits_let_go_and_says_so(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gc", str(store), "--keep-last", "1"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("10 files, ")
    assert last.endswith("bytes of data stay")
    values = sorted(pl.read_ipc(path, memory_map=False).width for path in store.rglob("*.arrow"))
    assert values == [1, 2]


def test_dry_run_as_json_removes_nothing(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(store.rglob("*"))
    assert main(["gc", str(store), "--max-age", "1d", "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sorted(store.rglob("*")) == before
    assert {removal["reason"] for removal in found["removals"]} == {"age", "leftover"}
    assert found["bytes_removed"] == sum(removal["bytes"] for removal in found["removals"])


def test_forgotten_flow_goes_with_what_dagster_keeps_of_its_nodes(store: Path) -> None:
    for name in ("shop", "nodes/shop", "shop_2"):
        shutil.copytree(store / "refs" / FLOW_RUNS / "shop", store / "refs" / name)
    assert main(["gc", str(store), "--forget", "shop", "--keep-last", "1"]) == 0
    assert {path.relative_to(store).parts[1] for path in store.glob("refs/**/*.json")} == {"shop_2"}
    assert len(list(store.rglob("*.arrow"))) == 2
    assert main(["gc", str(store), "--forget", "shop_2/formula_2", "--keep-last", "1"]) == 0
    assert [pl.read_ipc(path, memory_map=False).width for path in store.rglob("*.arrow")] == [1]


def test_young_results_are_spared(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in store.rglob("*"):
        os.utime(file)
    assert main(["gc", str(store), "--keep-last", "1"]) == 0
    assert "0 files, 0 bytes removed" in capsys.readouterr().out


def test_decay_that_no_file_time_gives_away_is_found_and_computed_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ResultStore(tmp_path)
    table = store.record([HASH], {"output-0": store.write(pl.DataFrame({"a": range(200_000)}))}).outputs["output-0"]
    assert main(["gc", str(tmp_path), "--verify"]) == 0
    path = store.path(table)
    path.write_bytes(path.read_bytes().replace(b"\x07\x00", b"\x08\x00", 1))
    FingerprintMemory(tmp_path / "verified").settle(path, table.content_hash)
    assert ResultStore(tmp_path).find(HASH) is not None, "nothing gives it away"
    assert main(["gc", str(tmp_path), "--verify"]) == 1
    assert f"{path} is damaged: its content hash differs" in capsys.readouterr().out.splitlines()
    assert ResultStore(tmp_path).find(HASH) is None


def test_data_file_that_is_gone_is_told(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lost = next(store.glob("data/*/*.arrow"))
    lost.unlink()
    assert main(["gc", str(store), "--verify"]) == 1
    assert f"{lost} is damaged: the file is missing" in capsys.readouterr().out.splitlines()


def test_data_that_only_the_store_below_has_is_not_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    below = ResultStore(tmp_path / "below")
    stored = below.write(pl.DataFrame({"a": [1]}))
    ResultStore(tmp_path / "own").record([HASH], {"output-0": stored})
    before = sorted(tmp_path.rglob("*"))
    assert main(["gc", str(tmp_path / "own"), "--verify"]) == 1
    assert main(["gc", str(tmp_path / "own"), "--verify", "--read-from", str(tmp_path / "below"), "--grace", "0s"]) == 0
    assert sorted(tmp_path.rglob("*.arrow")) == [path for path in before if path.suffix == ".arrow"]


def test_dry_run_that_verifies_removes_nothing(tmp_path: Path) -> None:
    ResultStore(tmp_path).write(pl.DataFrame({"a": range(2_500_000)}))
    before = sorted(tmp_path.rglob("*"))
    assert list(tmp_path.glob("verified/*/*.json"))
    assert main(["gc", str(tmp_path), "--dry-run", "--verify"]) == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_folder_that_is_not_there_is_not_usable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gc", str(tmp_path / "nowhere")]) == 2
    assert "there is no such folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("500", 500), ("1.5kB", 1500), ("20GB", 20 * 10**9), ("1 t", 10**12)]
)
def test_size_is_a_number_with_or_without_a_unit(text: str, size: int) -> None:
    assert _size(text) == size


@pytest.mark.parametrize(
    "arguments",
    [["--max-age", "30"], ["--max-bytes", "many"], ["--keep-last", "0"], ["--max-bytes", "-5"], ["--forget", "shop/"]],
)
def test_limit_that_is_none_is_refused(store: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["gc", str(store), *arguments])
    assert caught.value.code == 2
    assert "argument --" in capsys.readouterr().err
