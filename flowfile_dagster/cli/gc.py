"""``flowfile-dagster gc STORE``: remove results that nothing needs any more."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import asdict
from pathlib import Path

from flowfile_dagster.api import FLOW_RUNS
from flowfile_dagster.durations import parse_duration
from flowfile_dagster.errors import StoreError
from flowfile_dagster.store.garbage import DEFAULT_GRACE, GarbageCollection, Policy, collect_garbage
from flowfile_dagster.store.objects import is_url
from flowfile_dagster.store.store import ResultStore

_BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "gc",
        help="remove results that nothing needs any more",
        description="Remove results from a store. What the latest materialization of an asset is made of always stays. "
        "Without a limit only leftovers of killed processes go.",
    )
    parser.add_argument("store", help="the folder or URL of the store")
    parser.add_argument(
        "--read-from",
        metavar="STORE",
        help="for --verify: what this store reads from; nothing is removed there",
    )
    parser.add_argument("--keep-last", type=_count, metavar="N", help="keep the last N results of each asset")
    parser.add_argument("--max-age", type=_age, metavar="AGE", help="remove what was not used for so long: 12h, 30d")
    parser.add_argument("--max-bytes", type=_size, metavar="SIZE", help="remove the oldest until so much is left: 20GB")
    parser.add_argument(
        "--grace",
        type=_age,
        default=DEFAULT_GRACE,
        metavar="AGE",
        help="spare what is younger, for it may belong to a run at work; default: 1h",
    )
    parser.add_argument(
        "--forget",
        type=_key,
        action="append",
        default=[],
        metavar="KEY",
        help="an asset, or a flow, that is no more: flow/node, flow. Its latest results count like any other",
    )
    parser.add_argument(
        "--verify", action="store_true", help="then read every file that is left, and tell what is damaged or lost"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Collect garbage; exit code 1 if what is left was verified and found damaged."""
    if not is_url(options.store) and not Path(options.store).is_dir():
        raise StoreError(options.store, "there is no such folder")
    # Dagster has a ref for the asset and one for its node, runs without it another one.
    forgotten = [(*room, *key) for key in options.forget for room in ((), ("nodes",), (FLOW_RUNS,))]
    policy = Policy(options.keep_last, options.max_age, options.max_bytes, options.grace, forgotten)
    store = ResultStore(options.store, read_from=options.read_from)
    collection = collect_garbage(store, policy, is_dry_run=options.dry_run)
    damages = sorted(set(map(str, store.verify().values()))) if options.verify else []
    if options.json:
        told = {**asdict(collection), "bytes_removed": collection.bytes_removed, "damages": damages}
        print(json.dumps(told, indent=2))
    else:
        print("\n".join([_render(collection, is_dry_run=options.dry_run), *damages]))
    return 1 if damages else 0


def _render(collection: GarbageCollection, *, is_dry_run: bool) -> str:
    lines = [f"{removal.reason:<9}{removal.bytes:>15,}  {removal.name}" for removal in collection.removals]
    verb = "would be removed" if is_dry_run else "removed"
    total = f"{len(collection.removals)} files, {collection.bytes_removed:,} bytes {verb}"
    return "\n".join([*lines, f"{total}; {collection.bytes_kept:,} bytes of data stay"])


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of results; write 1 or more")
    return int(text)


def _key(text: str) -> tuple[str, ...]:
    parts = tuple(text.split("/"))
    if not all(parts):
        raise argparse.ArgumentTypeError(f"{text!r} is no key; write flow/node, or the name of a flow")
    return parts


def _age(text: str) -> float:
    try:
        return parse_duration(text).total_seconds()
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kmgt]?)b?", text.strip().lower())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write bytes, or a number and KB, MB, GB or TB")
    return int(float(match[1]) * _BYTES[match[2]])
