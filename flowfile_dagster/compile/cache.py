"""Compiled flows by content hash: loaded from the cache folder, compiled by a worker where they are not there."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowfile_dagster.compat import prediction_versions
from flowfile_dagster.compile.form import COMPILED_FORMAT, UNUSABLE, BrokenFlow, CompiledFlow, from_json
from flowfile_dagster.errors import FlowFileError, Problem, StoreError
from flowfile_dagster.flow.text import FlowText, hash_flow_file
from flowfile_dagster.store.fingerprints import FingerprintMemory, fingerprint_memory, stat_signature
from flowfile_dagster.store.index import manifest_name
from flowfile_dagster.store.local_files import read_json

#: The worker ends without a word where Ctrl-C stops both: the process that waits for it tells.
_WORKER = """
import signal
signal.signal(signal.SIGINT, signal.SIG_DFL)
from flowfile_dagster.compile.worker import main
main()
"""
#: More flows than this are shared out to two workers.
_MOST_FLOWS_OF_ONE_WORKER = 40


@dataclass(frozen=True)
class FlowRequest:
    """A flow file to compile, with what its compiled form depends on besides its content.

    `checked`: see `flowfile_dagster.plan.checked.checked_nodes`.
    """

    path: Path
    root: Path | None = None
    parameters: Mapping[str, object] = field(default_factory=dict[str, object])
    checked: Mapping[str, bool] = field(default_factory=dict[str, bool])


@dataclass(frozen=True)
class CompiledEntry:
    """A compiled flow and the key under which the cache keeps it."""

    key: str
    flow: CompiledFlow | BrokenFlow


class CompileCache:
    """Compiled flows in one folder.

    `store` is the base folder of the result store, where schemas of opaque nodes may be found; None for none.
    """

    def __init__(self, folder: Path, store: Path | None = None) -> None:
        self._folder = folder
        self._store = store

    def load(self, requests: Sequence[FlowRequest]) -> list[CompiledEntry]:
        """Every flow in its compiled form; what is not there, or out of date, is compiled first.

        Raises:
            StoreError: the results cannot be looked at, or compiled flows not be written.
        """
        keyed = [self._key(request) for request in requests]
        entries = [self._read(key) if isinstance(key, str) else CompiledEntry("", key) for key in keyed]
        missing = [
            (request, key)
            for request, key, entry in zip(requests, keyed, entries)
            if entry is None and isinstance(key, str)
        ]
        compiled = self._compile(missing)
        return [
            entry or self._read_compiled(request, key, is_done=key in compiled)
            if isinstance(key, str)
            else CompiledEntry("", key)
            for request, key, entry in zip(requests, keyed, entries)
        ]

    def read_text(self, key: str, path: Path) -> FlowText:
        """The flow file's content as it was when it was compiled, even if the file has changed since.

        Raises:
            FlowFileError: the cache has lost it, or the file cannot be read.
        """
        value = read_json(self._data_path(key))
        if value is None:
            cause = f"its compiled form is gone from {self._folder}; reload the definitions"
            raise FlowFileError(str(path), [Problem("", cause)])
        return FlowText(path, value["content_hash"], value["data"], tuple(value["node_lines"]))

    def _key(self, request: FlowRequest) -> str | BrokenFlow:
        try:
            content_hash = hash_flow_file(request.path)
        except FlowFileError as error:
            return BrokenFlow(Path(error.path).stem, error.path, str(error))
        value = {
            "format": COMPILED_FORMAT,
            "content": content_hash,
            "path": str(request.path),
            "root": str(request.root) if request.root else str(Path.cwd()),
            "parameters": dict(request.parameters),
            "checked": dict(request.checked),
            "store": str(self._store),
            "versions": prediction_versions(),
        }
        # The content comes first, so that the worker can tell whether it reads what the key was made from.
        return (
            content_hash[:32] + hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:32]
        )

    def _read(self, key: str) -> CompiledEntry | None:
        value = read_json(self._compiled_path(key))
        if value is None:
            return None
        try:
            flow = from_json(value)
        except (KeyError, TypeError, ValueError):
            return None
        return CompiledEntry(key, flow) if isinstance(flow, BrokenFlow) or self._is_current(flow) else None

    def _read_compiled(self, request: FlowRequest, key: str, *, is_done: bool) -> CompiledEntry:
        value = read_json(self._compiled_path(key)) if is_done else None
        if value is None:
            cause = "the flow compiler stopped at it or took too long, or it changed meanwhile; reload the definitions"
            flow = BrokenFlow(request.path.stem, str(request.path), f"{request.path}: {cause}")
            return CompiledEntry(key, flow)
        return CompiledEntry(key, from_json(value))

    def _is_current(self, flow: CompiledFlow) -> bool:
        """Whether the sources look as they did, and no stored result has come that says more."""
        if self._store is not None:
            memory = fingerprint_memory(self._store)
            if any((self._store / manifest_name(node_hash)).exists() for node_hash in flow.awaited):
                return False
            if any(_is_remembered(memory, Path(path)) for path in flow.awaited_files):
                return False
        return all(_is_unchanged(state) for node in flow.nodes for source in node.sources for state in source.state)

    def _compile(self, missing: Sequence[tuple[FlowRequest, str]]) -> set[str]:
        """Have flows compiled; gives the keys of those that were."""
        count = 2 if len(missing) > _MOST_FLOWS_OF_ONE_WORKER and (os.cpu_count() or 1) > 1 else 1
        shares = [list(missing[index::count]) for index in range(count)]
        compiled: set[str] = set()
        while any(shares):
            workers = [(share, self._start_worker(share)) for share in shares if share]
            done = {key for share, worker in workers for key in self._await_worker(share, worker)}
            # The flow that a worker stopped at is left out, so that the others still load.
            shares = [[item for item in share if item[1] not in done][1:] for share, _ in workers]
            compiled |= done
        return compiled

    def _start_worker(self, share: Sequence[tuple[FlowRequest, str]]) -> subprocess.Popen[bytes]:
        with tempfile.TemporaryFile() as requests:
            for request, key in share:
                requests.write(json.dumps(self._worker_request(request, key)).encode() + b"\n")
            requests.seek(0)
            return subprocess.Popen([sys.executable, "-c", _WORKER], stdin=requests, stdout=subprocess.PIPE)

    def _await_worker(self, share: Sequence[tuple[FlowRequest, str]], worker: subprocess.Popen[bytes]) -> Iterable[str]:
        """The keys that a worker has compiled: it says so after each, among whatever nodes print."""
        output, _ = worker.communicate()
        lines = set(output.decode(errors="replace").splitlines())
        for line in lines:
            if line.startswith(UNUSABLE):
                raise StoreError(*json.loads(line.removeprefix(UNUSABLE)))
        return [key for _, key in share if str(self._compiled_path(key)) in lines]

    def _worker_request(self, request: FlowRequest, key: str) -> dict[str, Any]:
        return {
            "path": str(request.path),
            "root": str(request.root) if request.root else None,
            "parameters": dict(request.parameters),
            "checked": dict(request.checked),
            "store": str(self._store) if self._store else None,
            "content": key[:32],
            "compiled": str(self._compiled_path(key)),
            "data": str(self._data_path(key)),
        }

    def _compiled_path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.json"

    def _data_path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.flow.json"


def _is_unchanged(state: tuple[str, int, int, int]) -> bool:
    path, *signature = state
    try:
        return signature == list(stat_signature(Path(path)))
    except OSError:
        return not any(signature)


def _is_remembered(memory: FingerprintMemory, path: Path) -> bool:
    try:
        return memory.remembered(path) is not None
    except OSError:
        return False
