"""Load flow files under watch, as a process of its own: ``python probe.py FOLDER``, paths on standard input.

For each path and each way of loading (``predict``: by itself; ``compile``: what definitions are loaded from) prints a
JSON line: seconds, the peak of memory in megabytes, what was said, and everything that loading must not do: code of
the flow run, a process started, a socket opened, a file written outside FOLDER.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

#: Hostile code names this, so that it is known when it runs.
MARK = "HOSTILE_MARK"
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_FORBIDDEN = re.compile(
    r"subprocess\.|os\.(system|exec|posix_spawn|spawn|fork|startfile|remove|rename|link|symlink|chmod|truncate)|"
    r"socket\.(connect|bind|sendto|getaddrinfo)|urllib\.|shutil\.|ctypes\.|pickle\.find_class|webbrowser\."
)
_MAX_MEMORY = 4 << 30


class Watch:
    """An audit hook, which Python calls before whatever has an effect. It only notes, and only while it is on."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self.seen: list[str] | None = None
        sys.addaudithook(self._note)

    @contextlib.contextmanager
    def on(self) -> Iterator[list[str]]:
        seen: list[str] = []
        self.seen = seen
        try:
            yield seen
        finally:
            self.seen = None

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.seen is None:
            return
        if event == "open":
            path, mode, flags = arguments
            writes = bool(set(mode or "") & set("wax+")) or bool((flags or 0) & _WRITING)
            if writes and path != os.devnull and not self._is_own(path):
                self.seen.append(f"open {path!r} {mode} {flags}")
        elif event == "exec" and isinstance(arguments[0], CodeType):
            if _mentions_mark(arguments[0]):
                self.seen.append("code of the flow was run")
        elif event == "import":
            if MARK in str(arguments[0]):
                self.seen.append(f"import {arguments[0]}")
        elif _FORBIDDEN.match(event) and not any(self._is_own(item) for item in arguments[:1]):
            self.seen.append(f"{event} {arguments!r:.200}")

    def _is_own(self, path: object) -> bool:
        return isinstance(path, (str, os.PathLike)) and os.fspath(path).startswith(self._folder)


def _mentions_mark(code: CodeType) -> bool:
    return MARK in repr((code.co_names, code.co_varnames)) or any(
        _mentions_mark(item) if isinstance(item, CodeType) else MARK in str(item)[:10_000] for item in code.co_consts
    )


def _predict(path: Path, folder: Path) -> str:
    from flowfile_dagster import FlowfileDagsterError, load_flow

    try:
        predictions = load_flow(path).predictions
    except FlowfileDagsterError as error:
        return str(error)
    return "\n".join(str(prediction.error) for prediction in predictions.values() if prediction.error)


def _compile(path: Path, folder: Path) -> str:
    from flowfile_dagster.compile.cache import CompileCache, FlowRequest
    from flowfile_dagster.compile.form import BrokenFlow
    from flowfile_dagster.compile.worker import compile_request

    cache, request = CompileCache(folder / "cache", folder / "store"), FlowRequest(path)
    key = cache._key(request)
    if isinstance(key, BrokenFlow):
        return key.error
    compile_request(cache._worker_request(request, key))
    flow = cache._read_compiled(request, key, is_done=True).flow
    if isinstance(flow, BrokenFlow):
        return flow.error
    return "\n".join(str(node.problem or node.warning) for node in flow.nodes if node.problem or node.warning)


def _forget_peak() -> None:
    """The peak of memory starts anew; Linux only."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_megabytes() -> int:
    status = Path("/proc/self/status")
    peak = re.search(r"VmHWM:\s+(\d+)", status.read_text()) if status.exists() else None
    return int(peak.group(1)) // 1024 if peak else 0


def main() -> None:
    """Probe every path of standard input."""
    folder = Path(sys.argv[1])
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))
    watch = Watch(folder)
    warm = folder / "warm.json"
    warm.write_text("{}")
    for load in (_predict, _compile):
        load(warm, folder)
    for line in sys.stdin:
        for load in (_predict, _compile):
            path = Path(json.loads(line))
            _forget_peak()
            cpu, wall = time.process_time(), time.perf_counter()
            with watch.on() as seen:
                try:
                    told = load(path, folder)
                except BaseException as error:  # noqa: BLE001  whatever gets through is a finding
                    told = f"TRACEBACK {type(error).__name__}: {error}"
            result = {
                "path": str(path),
                "way": load.__name__[1:],
                "seconds": round(time.process_time() - cpu, 3),
                "waited": round(time.perf_counter() - wall, 3),
                "megabytes": _peak_megabytes(),
                "told": told[:5000],
                "seen": seen,
            }
            print(json.dumps(result), file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    main()
