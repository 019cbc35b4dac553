"""The worker process: compiles the flows that it is told on standard input into the cache folder.

Prediction plans with Polars and looks into file headers. Both start threads that a process forked later would miss
and wait for for ever, so no process that loads definitions does either.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowfile_dagster.compile.compiler import compile_flow
from flowfile_dagster.compile.form import UNUSABLE, BrokenFlow, to_json
from flowfile_dagster.errors import FlowFileError, StoreError
from flowfile_dagster.flow.text import read_flow_text
from flowfile_dagster.store.local_files import write_json
from flowfile_dagster.store.store import ResultStore

#: Seconds after which a flow is given up: reading a large workbook takes its time, a plan that doubles has no end.
MAX_SECONDS = 120.0


def main(max_seconds: float = MAX_SECONDS) -> None:
    """Read one JSON request per line; write each compiled flow where the request says, then print that path.

    The process ends at a flow that takes longer than `max_seconds`, wherever it is at that time, and where a folder
    cannot be used, of which it tells.
    """
    with Path(os.devnull).open("w") as nowhere:
        for line in sys.stdin:
            request = json.loads(line)
            faulthandler.dump_traceback_later(max_seconds, exit=True, file=nowhere)
            try:
                compile_request(request)
            except StoreError as error:
                print(f"\n{UNUSABLE}{json.dumps([error.path, error.cause])}", flush=True)
                return
            faulthandler.cancel_dump_traceback_later()
            print(f"\n{request['compiled']}", flush=True)


def compile_request(request: dict[str, Any]) -> None:
    """Compile one flow into ``<compiled>`` and, where it loads, its plain data into ``<data>``, for its owner only.

    A file that is no longer what the request was made for is left alone.

    Raises:
        StoreError: the results cannot be looked at, or the compiled flow not be written.
    """
    path = Path(request["path"])
    try:
        text = read_flow_text(path)
    except FlowFileError as error:
        _keep(request["compiled"], to_json(BrokenFlow(path.stem, str(path), str(error))))
        return
    if not text.content_hash.startswith(request["content"]):
        return
    flow = compile_flow(
        text,
        root=Path(request["root"]) if request["root"] else None,
        parameters=request["parameters"],
        checked=request["checked"],
        store=ResultStore(Path(request["store"])) if request["store"] else None,
    )
    content = {"content_hash": text.content_hash, "data": text.data, "node_lines": list(text.node_lines)}
    _keep(request["data"], content, mode=0o600)
    _keep(request["compiled"], to_json(flow))


def _keep(path: str, value: Mapping[str, Any], mode: int = 0o666) -> None:
    try:
        write_json(Path(path), value, mode)
    except OSError as error:
        raise StoreError(path, f"a compiled flow cannot be written: {error.strerror}") from error
