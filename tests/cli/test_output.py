"""What reaches a terminal, a pipe or a full disk, and what Ctrl-C leaves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowfile_dagster.cli.app import main
from tests.factories import fifteen_nodes, manual, node, write_flow

APP = [sys.executable, "-m", "flowfile_dagster.cli.app"]
#: Output is buffered, as it is for people, whatever this process was told.
BUFFERED = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
HOSTILE = "red \x1b[31m\x07\x9b\u202e"
SHOWN = "red \\u001b[31m\\u0007\\u009b\\u202e"


def test_names_cannot_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_flow(tmp_path / "flow.json", [manual(1, {HOSTILE: [1]}), node(2, HOSTILE, {})])
    for command in ("check", "show", "lineage", "run"):
        main([command, str(path)])
        told = "".join(capsys.readouterr())
        assert SHOWN in told
        assert not set(told) & set("\x1b\x07\x9b\u202e"), command
    main(["show", str(path), "--json"])
    assert json.loads(capsys.readouterr().out)["nodes"][0]["schemas"]["output-0"] == [[HOSTILE, "Int64"]]
    assert main(["show", str(tmp_path / "gone\x1b.json")]) == 2
    assert capsys.readouterr().err.endswith("gone\\u001b.json: does not exist\n")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_encoding_that_lacks_characters_shows_their_numbers(tmp_path: Path, encoding: str) -> None:
    path = write_flow(tmp_path / "flow.json", [manual(1, {"größe": [1]}), manual(2, {"大": [1]})])
    done = subprocess.run(
        [*APP, "show", str(path)], capture_output=True, check=True, env={**BUFFERED, "PYTHONIOENCODING": encoding}
    )
    assert "\\u5927 Int64" in done.stdout.decode(encoding)


@pytest.mark.parametrize("arguments", [["show", "--json"], ["run"]])
def test_reader_that_leaves_is_no_success_and_no_noise(tmp_path: Path, arguments: list[str]) -> None:
    path = write_flow(tmp_path / "flow.json", fifteen_nodes())
    reading, writing = os.pipe()
    os.close(reading)
    command = [*APP, arguments[0], str(path), *arguments[1:]]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False, env=BUFFERED)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device on this system")
def test_output_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    path = write_flow(tmp_path / "flow.json", fifteen_nodes())
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*APP, "show", str(path)], stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=BUFFERED
        )
    assert (done.returncode, done.stderr) == (2, "[Errno 28] No space left on device\n")


@pytest.mark.skipif(os.name == "nt", reason="no such signal on this system")
def test_ctrl_c_ends_a_command_without_a_traceback(tmp_path: Path) -> None:
    write_flow(tmp_path / "flow.json", fifteen_nodes())
    script = """
import os, signal, sys, threading
from flowfile_dagster.cli.app import main
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()  # while a worker is on its way
sys.exit(main(sys.argv[1:]))
"""
    command = [sys.executable, "-c", script, "check", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")
