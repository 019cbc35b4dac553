"""Broken and hostile texts: each is refused with one clear line, in bounded time and memory, and nothing is run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowfile_dagster.errors import FlowFileError
from flowfile_dagster.flow import text as text_module
from flowfile_dagster.flow.text import MAX_FILE_BYTES, read_flow_text
from flowfile_dagster.flow.text_problem import MAX_VALUES

TEXTS = Path(__file__).parent / "texts"
EXPECTED: dict[str, dict[str, Any]] = json.loads((TEXTS / "expected.json").read_text())
#: Reads one file and prints seconds, peak megabytes and the outcome, so that a bomb hits only its own process.
MEASURE = """
import re, sys, time
from pathlib import Path
from flowfile_dagster.flow.text import read_flow_text
from flowfile_dagster.errors import FlowFileError
start = time.process_time()
try:
    read_flow_text(Path(sys.argv[1]))
    outcome = "read"
except FlowFileError as error:
    outcome = str(error)
seconds = time.process_time() - start
status = Path("/proc/self/status")
peak = re.search(r"VmHWM:\\s+(\\d+)", status.read_text()) if status.exists() else None
print(seconds, int(peak.group(1)) // 1024 if peak else 0, outcome)
"""


def error_of(path: Path) -> FlowFileError:
    with pytest.raises(FlowFileError) as caught:
        read_flow_text(path)
    return caught.value


def test_every_text_has_an_expectation() -> None:
    assert {path.name for path in TEXTS.iterdir()} - {"expected.json"} == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_broken_text_is_refused_with_file_line_and_cause(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    error = error_of(TEXTS / name)
    first, _, rest = str(error).partition("\n")
    assert name in first
    assert not rest
    assert re.search(EXPECTED[name]["match"], first), first
    assert error.problems[0].line == EXPECTED[name]["line"], first
    assert not list(tmp_path.iterdir()), "something from the file was executed"


M = 1 << 20
FULL = MAX_FILE_BYTES - 64
BOMBS: dict[str, tuple[Callable[[], str], str]] = {
    "open_lists.json": (lambda: "[" * (10 * M), "more than 500,000 values"),
    "open_objects.json": (lambda: '{"a":' * (2 * M), "more than 500,000 values"),
    "a_deep_nesting.json": (lambda: '{"a":' * 100_000 + "1" + "}" * 100_000, "nested deeper than 100"),
    "a_deep_nesting_behind_quotes.json": (
        lambda: '{"b": "\\\\", "c": "\\"[", "a":' + "[" * 100_000 + "]" * 100_000 + "}",
        "nested deeper than 100",
    ),
    "many_closing_brackets.json": (lambda: '{"a":[' * 50 + "]" * (FULL - 400), "not valid JSON"),
    "many_empty_lists.json": (lambda: '{"a": [' + "[]," * (FULL // 3) + "1]}", "more than 500,000 values"),
    "duplicate_after_many_keys.json": (
        lambda: '{"a": {' + ",".join(f'"{i}":1' for i in range(MAX_VALUES - 10)) + '}, "a": 1}',
        "a: the key 'a' appears twice",
    ),
    "one_long_number.json": (lambda: '{"a": ' + "1" * FULL + "}", "more than 1,000 characters"),
    "one_long_text.json": (lambda: '{"a": "\\ud83d' + "x" * FULL + '"}', "surrogate"),
    "only_quotes.json": (lambda: '"' * FULL, "more text follows"),
    "escaped_quotes.json": (lambda: '{"a": "' + '\\"' * (FULL // 2) + '"}', "read"),
    "only_spaces.json": (lambda: " " * FULL, "is empty"),
    "astral_text.json": (lambda: '{"a": "😀' + "x" * FULL + '"}', "read"),
    "astral_text.yaml": (lambda: 'a: "😀' + "x" * FULL + '"', "read"),
    "open_lists.yaml": (lambda: "[" * (10 * M), "nested deeper than 100"),
    "open_mappings.yaml": (lambda: "{a: " * (2 * M), "nested deeper than 100"),
    "nested_dashes.yaml": (lambda: "- " * (5 * M), "nested deeper than 100"),
    "nested_indentation.yaml": (lambda: "".join(" " * i + "a:\n" for i in range(4000)), "nested deeper than 100"),
    "many_values.yaml": (lambda: "a:\n" + "- 1\n" * (2 * M), "more than 500,000 values"),
    "laughs.yaml": (
        lambda: "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 100_000)),
        "more than 500,000 values",
    ),
    "laughs_of_text.yaml": (lambda: "a: &a " + "x" * M + "\nb: [" + "*a," * 400_000 + "]", "text of all values"),
    "laughs_by_merge.yaml": (
        lambda: (
            "a: &a {"
            + ",".join(f"k{i}: 1" for i in range(1000))
            + "}\n"
            + "".join(f"m{i}: {{<<: *a}}\n" for i in range(100_000))
        ),
        "more than 500,000 values",
    ),
    "many_tag_directives.yaml": (lambda: "".join(f"%TAG !a{i}! x\n" for i in range(900_000)) + "---\na: 1", "'%'"),
    "tag_directives_by_carriage_return.yaml": (
        lambda: "".join(f"%TAG !a{i}! x\r" for i in range(900_000)) + "---\na: 1",
        "'%'",
    ),
    "tag_directives_after_the_end.yaml": (
        lambda: "a: 1\n...\n" + "".join(f"%TAG !a{i}! x\n" for i in range(900_000)) + "---\na: 1",
        "'%'",
    ),
    "sexagesimal.yaml": (lambda: "a: 1" + ":30" * (FULL // 3), "more than 1,000 characters"),
    "underscores.yaml": (lambda: "a: " + "1_" * (FULL // 2) + "x", "read"),
    "many_documents.yaml": (lambda: "---\n" * (FULL // 4), "a second YAML document"),
    "only_comments.yaml": (lambda: "#\n" * (FULL // 2), "nothing but comments"),
    "too_large.yaml": (lambda: "a: " + "x" * MAX_FILE_BYTES, "the limit for a flow file is"),
}


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_bomb_is_bounded_in_time_and_memory(name: str, tmp_path: Path) -> None:
    make, outcome = BOMBS[name]
    path = tmp_path / name
    path.write_text(make(), encoding="utf-8", newline="")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, timeout=30, check=True
    )
    seconds, megabytes, told = done.stdout.split(" ", 2)
    assert outcome in told
    assert float(seconds) < 4  # 2 s on a quiet machine
    assert int(megabytes) < 500


@pytest.mark.parametrize("name", ["flow.json", "flow.yaml", "flows"])
def test_directory_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    assert str(error_of(tmp_path / name)).endswith(f"{name}: is a directory, not a file")


@pytest.mark.parametrize("name", ["flow.json", "flows"])
def test_what_is_not_there_is_told_whatever_its_name(name: str, tmp_path: Path) -> None:
    assert str(error_of(tmp_path / name)).endswith(f"{name}: does not exist")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_named_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    path = tmp_path / "flow.yaml"
    os.mkfifo(path)
    assert str(error_of(path)).endswith("is a named pipe, not a file")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_file_exchanged_for_a_pipe_is_refused_without_waiting(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "flow.yaml"
    os.mkfifo(path)
    checked: list[int] = []

    def check_second_time_only(mode: int) -> None:
        checked.append(mode)
        if len(checked) > 1:
            check_kind(mode)

    check_kind = text_module._check_kind
    monkeypatch.setattr(text_module, "_check_kind", check_second_time_only)
    assert "is a named pipe" in str(error_of(path))


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no devices on this system")
def test_device_behind_a_link_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "flow.json"
    path.symlink_to("/dev/zero")
    assert str(error_of(path)).endswith("is a device, not a file")


def test_missing_file_is_told(tmp_path: Path) -> None:
    assert str(error_of(tmp_path / "none.yaml")).endswith("none.yaml: does not exist")


def test_dangling_link_is_told_with_its_target(tmp_path: Path) -> None:
    path = tmp_path / "flow.yaml"
    path.symlink_to("gone.yaml")
    assert str(error_of(path)).endswith("is a link to 'gone.yaml', which does not exist")


def test_link_to_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "flow.yaml"
    path.symlink_to(path)
    assert "cannot be read: " in str(error_of(path))


def test_name_with_a_nul_or_too_long_is_refused(tmp_path: Path) -> None:
    assert "cannot be read: " in str(error_of(tmp_path / "fl\0ow.yaml"))
    assert "cannot be read: " in str(error_of(tmp_path / ("x" * 300 + ".yaml")))


def test_file_without_permission_is_told(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "flow.yaml"
    path.write_text("a: 1")

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert str(error_of(path)).endswith("may not be read by this user; check its permissions")


def test_folder_without_permission_is_told(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert str(error_of(tmp_path)).endswith("may not be read by this user; check its permissions")


def test_name_that_is_no_text_is_refused_and_shown_as_text(tmp_path: Path) -> None:
    told = str(error_of(tmp_path / os.fsdecode(b"fl\xffow.yaml")))
    assert told.endswith("fl\\udcffow.yaml: its path is not UTF-8; rename the file, or the folder that it is in")


def test_legacy_pickle_is_refused_even_where_it_does_not_exist(tmp_path: Path) -> None:
    assert "`flowfile-migrate old.FlowFile`" in str(error_of(tmp_path / "old.FlowFile"))
