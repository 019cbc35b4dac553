"""No disk, no permission, damaged bytes, a clock that jumps, races: a clear error, or the right result."""

import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from tempfile import gettempdir

import dagster as dg
import polars as pl
import pytest

from flowfile_dagster import FlowfileIOManager, build_definitions, load_flow
from flowfile_dagster.api import FLOW_RUNS
from flowfile_dagster.cli.app import main
from flowfile_dagster.store.index import manifest_name
from flowfile_dagster.store.local_files import blocks_reserved
from flowfile_dagster.store.refs import Ref
from flowfile_dagster.store.store import ResultStore
from tests.factories import fifteen_nodes, formula, manual, node, write_flow
from tests.reliability.failing_nodes import find_traces

RUN = """
import os, sys
from flowfile_dagster import load_flow
{before}
run = load_flow(sys.argv[1]).run(sys.argv[3], store=sys.argv[2])
print(*(f"{{number}}:{{status}}" for number, status in run.status.items()))
print(*run.errors.values(), sep="\\n", file=sys.stderr)
sys.exit(0 if run.is_success else 1)
"""
SMALL_FILES_ONLY = (
    "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))"
)
#: Root may do what modes forbid; another user may not even import what root has installed.
AS_NOBODY = """
load_flow(sys.argv[1]).run(sys.argv[3])
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
"""
WRITE_AS_NOBODY = """
import os, sys, tempfile
import polars as pl
from flowfile_dagster.store.store import ResultStore
with tempfile.TemporaryDirectory() as other:
    ResultStore(other).write(pl.DataFrame({"a": range(100_000)}))
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
ResultStore(sys.argv[1]).write(pl.DataFrame({"a": range(3_000_000)}))
"""
RACER = """
import sys, time, polars as pl
from flowfile_dagster.store.refs import Ref
from flowfile_dagster.store.store import ResultStore
base, name = sys.argv[1:]
for race in range(100):
    sys.stdin.readline()
    store, node_hash = ResultStore(base).of_run(name), f"{race:064x}"
    stored = store.write(pl.DataFrame({"a": range(race, race + 20_000)}))
    manifest = store.record([node_hash], {"output-0": stored}, parts={"writer": name})
    store.publish(("race", str(race)), Ref(node_hash, "output-0"))
    found = store.find(node_hash)
    frame = store.scan(found.outputs["output-0"]).collect(engine="in-memory")
    assert frame["a"].to_list() == list(range(race, race + 20_000))
    print(race, flush=True)
"""


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "shop.json", fifteen_nodes())


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def run_apart(flow: Path, store: Path, before: str = "", mode: str = "development") -> subprocess.CompletedProcess[str]:
    """Run a flow in a process of its own, after a line of Python that makes its life harder."""
    command = [sys.executable, "-c", RUN.format(before=before), str(flow), str(store), mode]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def data_files(store: Path) -> list[Path]:
    return sorted(store.glob("data/*/*.arrow"))


def assert_sound(store: Path, flow: Path) -> None:
    """Every manifest has its whole result, nothing else is there, and the next run gives what a fresh one gives."""
    opened = ResultStore(store)
    assert all(opened.look_up(path.stem) is not None for path in store.glob("nodes/*/*.json"))
    assert not list(store.rglob("*.tmp"))
    fresh, kept = load_flow(flow).run(), load_flow(flow).run(store=store)
    assert kept.is_success
    assert all(kept.frame(node_id).equals(fresh.frame(node_id)) for node_id in fresh.status)


def test_result_that_does_not_fit_fails_its_node_only_and_leaves_nothing(tmp_path: Path, store: Path) -> None:
    flow = write_flow(
        tmp_path / "shop.json",
        [
            manual(1, {"a": list(range(10))}),
            manual(2, {"b": list(range(1000))}),
            node(3, "cross_join", {"cross_join_input": {"left_select": [], "right_select": []}}, 1, right=2),
            formula(4, 1, "b", "[a]"),
        ],
    )
    result = run_apart(flow, store, SMALL_FILES_ONLY)
    assert result.returncode == 1
    assert "shop / 3 / cross_join: " in result.stderr
    assert "a result cannot be written: File too large" in result.stderr
    assert result.stdout.split() == ["1:computed", "2:computed", "3:failed", "4:computed"]
    assert_sound(store, flow)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a small file system can be mounted by root only: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("mode", ["development", "performance"])
def test_full_disk_leaves_the_old_results_and_nothing_new(tmp_path: Path, flow: Path, mode: str) -> None:
    with small_disk(tmp_path / "disk") as disk:
        load_flow(flow).run(store=disk / "store", targets=[3])
        before = [path.stem for path in (disk / "store/nodes").glob("*/*.json")]
        with contextlib.suppress(OSError):
            (disk / "filler").write_bytes(b"x" * 2_000_000)
        result = run_apart(flow, disk / "store", mode=mode)
        assert result.returncode == 1
        assert "No space left on device" in result.stderr
        assert all(ResultStore(disk / "store").look_up(node_hash) is not None for node_hash in before)
        (disk / "filler").unlink()
        assert_sound(disk / "store", flow)


def test_estimate_that_is_far_too_high_leaves_others_their_room(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "disk") as disk,
        (disk / "result").open("wb", buffering=0) as file,
        blocks_reserved(file, 1_500_000),
    ):
        (disk / "other").write_bytes(b"x" * 1_000_000)


def forbid(store: Path, mode: int) -> None:
    """Take rights on every file and folder of a store away, and let every user come to it."""
    for path in (store, *store.rglob("*")):
        path.chmod(mode if path.is_dir() else mode & 0o666)
    if os.getuid() == 0:
        for parent in takewhile(lambda parent: parent != Path(gettempdir()), store.parents):
            parent.chmod(0o755)


def test_folder_that_may_not_be_written_fails_in_one_line_and_stays_as_it_is(flow: Path, store: Path) -> None:
    load_flow(flow).run(store=store)
    forbid(store, 0o555)
    changed = write_flow(flow.parent / "changed.json", fifteen_nodes("[a] * 3"))
    changed.chmod(0o644)
    result = run_apart(changed, store, AS_NOBODY)
    assert result.returncode == 1
    assert f"changed / 1 / manual_input: {store}/refs/" in result.stderr
    assert "cannot be written: Permission denied" in result.stderr
    assert "Traceback" not in result.stderr
    forbid(store, 0o777)
    assert_sound(store, flow)


@pytest.mark.parametrize("mode", [0o644, 0o666])
def test_equal_result_that_another_user_has_stored_is_no_failure(store: Path, mode: int) -> None:
    ResultStore(store).write(pl.DataFrame({"a": range(3_000_000)}))
    forbid(store, 0o777)
    for path in data_files(store):
        path.chmod(mode)
    result = subprocess.run([sys.executable, "-c", WRITE_AS_NOBODY, str(store)], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert len(data_files(store)) == 1
    assert not list(store.rglob("*.tmp"))


def test_branch_reads_a_production_that_it_may_not_write(flow: Path, store: Path, tmp_path: Path) -> None:
    load_flow(flow).run(store=store)
    forbid(store, 0o555)
    flow.chmod(0o644)
    own = tmp_path / "own"
    own.mkdir()
    own.chmod(0o777)
    layered = f"{AS_NOBODY}\nfrom flowfile_dagster.store.store import ResultStore"
    code = RUN.format(before=layered).replace(
        "store=sys.argv[2]", f"store=ResultStore(sys.argv[2], read_from={str(store)!r})"
    )
    command = [sys.executable, "-c", code, str(flow), str(own / "store"), "development"]
    result = subprocess.run(command, capture_output=True, text=True)
    forbid(store, 0o777)
    assert result.stderr.strip() == ""
    assert {word.partition(":")[2] for word in result.stdout.split()} == {"hit"}


def test_store_that_may_not_be_read_is_told_in_one_line(flow: Path, store: Path) -> None:
    load_flow(flow).run(store=store)
    flow.chmod(0o644)
    forbid(store, 0o777)
    for path in store.rglob("*.json"):
        path.chmod(0o000)
    result = run_apart(flow, store, AS_NOBODY)
    assert result.returncode == 1
    assert f"StoreError: {store}/" in result.stderr
    assert "cannot be read: Permission denied" in result.stderr


def damage(path: Path, chance: random.Random) -> None:
    """Flip a bit somewhere, overwrite a stretch with noise, or cut the file off."""
    content = bytearray(path.read_bytes())
    place = chance.randrange(len(content))
    match chance.randrange(3):
        case 0:
            content[place] ^= 1 << chance.randrange(8)
        case 1:
            noise = chance.randbytes(min(64, len(content) - place))
            content[place : place + len(noise)] = noise
        case _:
            del content[place:]
    path.write_bytes(content)


@pytest.mark.parametrize("seed", range(12))
def test_damage_anywhere_is_never_served_and_is_computed_again(flow: Path, store: Path, seed: int) -> None:
    chance = random.Random(seed)
    load_flow(flow).run(store=store)
    for path in sorted(chance.sample([*data_files(store), *sorted(store.glob("nodes/*/*.json"))], 6)):
        damage(path, chance)
    fresh, run = load_flow(flow).run(), load_flow(flow).run(store=store)
    assert run.is_success
    for node_id in fresh.status:
        assert run.frame(node_id).equals(fresh.frame(node_id))
    assert set(load_flow(flow).run(store=store).status.values()) == {"hit"}


def test_damage_behind_a_file_time_that_was_put_back_is_noticed(flow: Path, store: Path) -> None:
    load_flow(flow).run(store=store)
    for path in data_files(store):
        times = path.stat()
        path.write_bytes(path.read_bytes()[:-9] + b"different")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert "computed" in load_flow(flow).run(store=store).status.values()
    assert_sound(store, flow)


def test_damage_is_reported_with_asset_and_path(
    flow: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["run", str(flow), "--store", str(store)])
    for path in data_files(store):
        path.write_bytes(path.read_bytes()[:-1])
    capsys.readouterr()
    assert main(["run", str(flow), "--store", str(store)]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "shop / 12 / record_count" in line)
    assert "(damaged)" in line
    assert f"{store}/data/" in line
    assert "is damaged: it has" in line


def test_damaged_manifest_of_a_result_that_is_found_by_its_inputs_is_reported(
    flow: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = load_flow(flow).run(store=store)
    ref = before.store.latest((FLOW_RUNS, "shop", "record_count_12"))
    assert ref is not None
    manifest = store / manifest_name(ref.node_hash)
    manifest.write_bytes(b"{")
    assert main(["run", str(flow), "--store", str(store)]) == 0
    assert f"shop / 12 / record_count: hit; {manifest} is damaged: it is no JSON text" in capsys.readouterr().out
    assert load_flow(flow).run(store=store).frame(12).equals(before.frame(12))


def test_dagster_reports_damage_and_goes_on(flow: Path, store: Path, tmp_path: Path) -> None:
    definitions = build_definitions(
        flow, compiled_folder=tmp_path / "compiled", io_manager=FlowfileIOManager(base_path=str(store))
    )
    instance = dg.DagsterInstance.ephemeral(tempdir=str(tmp_path))
    job = definitions.resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(instance=instance).success
    for path in data_files(store):
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Exception, match=r"asset shop/record_count_12 has a result that cannot be used, .*is damaged"):
        definitions.load_asset_value(["shop", "record_count_12"], instance=instance, python_type=pl.DataFrame)
    result = job.execute_in_process(instance=instance)
    assert result.success
    messages = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert [text for text in messages if text.startswith("shop / 12 / record_count") and str(store) in text]
    caches = {event.metadata["flowfile/cache"].value for event in result.asset_materializations_for_node("shop")}
    assert caches <= {"miss:damaged", "hit"}, "a file that two nodes share is repaired by the first"


def test_clock_that_goes_backwards_loses_nothing(flow: Path, store: Path) -> None:
    load_flow(flow).run(store=store)
    future = time.time() + 86_400 * 400
    for path in store.rglob("*"):
        os.utime(path, (future, future))
    run = load_flow(write_flow(flow, fifteen_nodes("[a] * 3"))).run(store=store)
    assert run.is_success
    assert set(load_flow(flow).run(store=store).status.values()) == {"hit"}
    assert main(["gc", str(store), "--keep-last", "1", "--max-age", "1s"]) == 0
    assert_sound(store, flow)


def test_two_runs_that_write_the_same_node_at_once_both_succeed(store: Path) -> None:
    names = ("one", "two")
    with contextlib.ExitStack() as stack:
        racers = [
            stack.enter_context(
                subprocess.Popen([sys.executable, "-c", RACER, str(store), name], stdin=-1, stdout=-1, text=True)
            )
            for name in names
        ]
        for race in range(100):
            for racer in racers:
                assert racer.stdin is not None
                racer.stdin.write("go\n")
                racer.stdin.flush()
            for racer in racers:
                assert racer.stdout is not None
                assert racer.stdout.readline() == f"{race}\n"
    assert [racer.returncode for racer in racers] == [0, 0]
    opened = ResultStore(store)
    assert all(opened.look_up(f"{race:064x}") for race in range(100))
    assert len(data_files(store)) == 100
    for name in names:
        assert opened.of_run(name).latest(("race", "7")) == Ref(f"{7:064x}", "output-0", name)


def test_node_that_fails_at_a_late_row_is_never_a_hit(tmp_path: Path) -> None:
    assert list(find_traces(tmp_path, 12)) == []
