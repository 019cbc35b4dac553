"""The text of a flow file, read safely into plain data.

Nothing is executed and nothing is opened but a regular file of bounded size. YAML gives what a safe load gives and
JSON what a strict one gives, with the limits of `text_problem`; the old pickle format is refused unread.
"""

from __future__ import annotations

import codecs
import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from flowfile_dagster.errors import FlowFileError, Problem
from flowfile_dagster.flow.json_text import parse_json
from flowfile_dagster.flow.text_problem import ParsedText, TextProblem, render_path
from flowfile_dagster.flow.yaml_text import parse_yaml

MAX_FILE_BYTES = 32 * 1024 * 1024

_YAML_SUFFIXES = (".yaml", ".yml")
_TOP_LEVEL = "a flow file is a mapping with flowfile_version, flowfile_id, flowfile_name, flowfile_settings and nodes"
_PICKLE_START = re.compile(rb"\x80[\x01-\x05]|c[\w.]+\r?\n[\w.]+\r?\n|\((?:[dl]p?\d*\r?\n|i[\w.]+\r?\n)|[\]}]q\x00")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@dataclass(frozen=True)
class FlowText:
    """The data of a flow file before anything is known about its meaning."""

    path: Path
    content_hash: str  # SHA-256 of the file's bytes
    data: dict[str, Any]  # plain values only
    node_lines: tuple[int, ...]  # the line of each element of data["nodes"], in order


def read_flow_text(path: Path) -> FlowText:
    """Read a flow file.

    Raises:
        FlowFileError: the file cannot be read, or its text breaks a rule; says where and what would be right.
    """
    try:
        suffix = _check_name(path)
        content = _read_bytes(path)
        content_hash = hashlib.sha256(content).hexdigest()
        text = _decode(content)
        del content
        parsed = _parse(text, suffix)
    except TextProblem as problem:
        found = Problem(render_path(problem.steps), problem.cause, problem.node_id, problem.line)
        raise FlowFileError(str(path), [found]) from problem
    return FlowText(path, content_hash, cast("dict[str, Any]", parsed.data), parsed.node_lines)


def hash_flow_file(path: Path) -> str:
    """The `FlowText.content_hash` that a file has now, without parsing it.

    Raises:
        FlowFileError: the file cannot be read.
    """
    try:
        _check_name(path)
        return hashlib.sha256(_read_bytes(path)).hexdigest()
    except TextProblem as problem:
        raise FlowFileError(str(path), [Problem("", problem.cause)]) from problem


def _check_name(path: Path) -> str:
    """The extension, in lower case."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise TextProblem("its path is not UTF-8; rename the file, or the folder that it is in", None) from error
    suffix = path.suffix.lower()
    if suffix == ".flowfile":
        raise TextProblem(
            "is in Flowfile's old pickle format, which is never opened because that could run code; convert it with "
            f"Flowfile's own converter, `flowfile-migrate {path.name}`, or open it in Flowfile and save it as YAML",
            None,
        )
    # What is no file is told by `_read_bytes`: its name is not what is wrong.
    if suffix not in (*_YAML_SUFFIXES, ".json") and os.path.isfile(path):  # noqa: PTH113  unlike is_file, never raises
        shown = f"has the extension {path.suffix!r}" if suffix else "has no extension"
        raise TextProblem(f"{shown}; a flow file ends in .yaml, .yml or .json", None)
    return suffix


def _read_bytes(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode) and not os.access(path, os.R_OK):
            raise PermissionError
        _check_kind(mode)
        # The file may be exchanged after the look at it: never wait for a pipe's writer, and look again.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            _check_kind(status.st_mode)
            content = file.read(MAX_FILE_BYTES + 1) if status.st_size <= MAX_FILE_BYTES else b""
    except FileNotFoundError as error:
        cause = (
            f"is a link to {str(path.readlink())!r}, which does not exist" if path.is_symlink() else "does not exist"
        )
        raise TextProblem(cause, None) from error
    except PermissionError as error:
        raise TextProblem("may not be read by this user; check its permissions", None) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise TextProblem(f"cannot be read: {reason}", None) from error
    size = max(status.st_size, len(content))
    if size > MAX_FILE_BYTES:
        raise TextProblem(f"has {size:,} bytes; the limit for a flow file is {MAX_FILE_BYTES:,}", None)
    return content


def _check_kind(mode: int) -> None:
    for is_kind, name in _KINDS:
        if is_kind(mode):
            raise TextProblem(f"is {name}, not a file", None)


def _decode(content: bytes) -> str:
    if _PICKLE_START.match(content):
        raise TextProblem(
            "holds a Python pickle in spite of its extension, which is never opened because that could run code; "
            "open it in Flowfile and save it as YAML",
            None,
        )
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            raise TextProblem(f"is encoded as {encoding}; save it as UTF-8", 1)
    if (position := content.find(b"\0")) >= 0:
        cause = "holds a NUL byte: it is binary, or UTF-16 without a byte order mark; a flow file is UTF-8 text"
        raise TextProblem(cause, _line(content, position))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        cause = f"is not UTF-8: byte 0x{content[error.start]:02X} (is it Latin-1 or Windows-1252?); save it as UTF-8"
        raise TextProblem(cause, _line(content, error.start)) from error
    if not text.strip():
        raise TextProblem(f"is empty; {_TOP_LEVEL}", None)
    return text


def _parse(text: str, suffix: str) -> ParsedText:
    parsed = parse_yaml(text) if suffix in _YAML_SUFFIXES else parse_json(text)
    if parsed.data is None:
        raise TextProblem(f"holds nothing but comments or null; {_TOP_LEVEL}", None)
    if not isinstance(parsed.data, dict):
        kind = (
            "a list"
            if isinstance(parsed.data, list)
            else "a text"
            if isinstance(parsed.data, str)
            else "a single value"
        )
        raise TextProblem(f"holds {kind} at the top; {_TOP_LEVEL}", None)
    return parsed


def _line(content: bytes, position: int) -> int:
    return content.count(b"\n", 0, position) + 1
