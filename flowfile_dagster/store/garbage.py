"""Garbage collection: what goes, decided from one look at the store, and the order in which it is safe to go.

Manifests go first and data after them, so that no manifest ever names a file that collection took. What is younger than
the grace period stays whatever it is: it may belong to a run that has not come to naming it. Finding a result makes its
manifest young again.
"""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import PurePosixPath
from typing import Literal, TypeAlias, TypeVar

from flowfile_dagster.errors import StoreError
from flowfile_dagster.store.blobs import BLOBS, blob_name
from flowfile_dagster.store.files import FileFacts, StoreFiles
from flowfile_dagster.store.fingerprints import FINGERPRINTS, SCHEMAS, SETTLING_TIME, VERIFIED, FileMemory
from flowfile_dagster.store.index import MANIFESTS, DamageError, Manifest, is_of_later_format, manifest_from_bytes
from flowfile_dagster.store.local_files import TEMPORARY_SUFFIX
from flowfile_dagster.store.refs import REFS, key_of_run_ref, ref_from_bytes, ref_name
from flowfile_dagster.store.store import ResultStore

DEFAULT_GRACE = 3600.0

#: An object store takes some tens of milliseconds for each file that is read or removed.
_AT_ONCE = 16

#: ``leftover``: a temporary file, data that nothing names, a manifest that cannot be used, a ref of a forgotten key.
Reason: TypeAlias = Literal["age", "bytes", "count", "leftover"]

#: What the store names so. Nothing else below its folders is touched: a project may keep its sources in a `data`, too.
_OWN_NAMES = re.compile(
    rf"{REFS}/.+\.json|{MANIFESTS}/\w\w/\w+\.json|{BLOBS}/\w\w/\w+\.arrow|.+/\.\w+\{TEMPORARY_SUFFIX}"
)

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Policy:
    """What may go. Latest materializations never do; with no limit at all, only leftovers do.

    Attributes:
        keep_last: keep this many latest results of each asset; without another limit, everything else may go.
        max_age: results that nothing used for this long may go (seconds).
        max_bytes: the oldest results may go until the data files have this size.
        grace: nothing goes that is younger than this (seconds): longer than a run takes.
        forgotten: keys of assets that are no more, or what their keys begin with: their latest materializations are
            results like any other.
    """

    keep_last: int | None = None
    max_age: float | None = None
    max_bytes: int | None = None
    grace: float = DEFAULT_GRACE
    forgotten: Collection[Sequence[str]] = ()


@dataclass(frozen=True)
class Removal:
    """A file that goes: its name within the store, its size in bytes, and why."""

    name: str
    bytes: int
    reason: Reason


@dataclass(frozen=True)
class GarbageCollection:
    """What was removed, or would be, and how many bytes of data stay."""

    removals: tuple[Removal, ...]
    bytes_kept: int

    @property
    def bytes_removed(self) -> int:
        """The size of all that was removed."""
        return sum(removal.bytes for removal in self.removals)


def collect_garbage(store: ResultStore, policy: Policy, *, is_dry_run: bool = False) -> GarbageCollection:
    """Remove what the policy lets go. Readers and writers may be at work meanwhile.

    Raises:
        StoreError: the store cannot be read, holds results of a later version, or a file cannot be removed.
    """
    now = time.time()
    oldest_kept = now - policy.grace
    # The time of data files is set back when they are written, see `FingerprintMemory.settle`.
    oldest_data = oldest_kept - SETTLING_TIME
    snapshot = _forget(_look(store.files), policy.forgotten, oldest_kept)
    results = list(_removals_of_results(snapshot, policy, now))
    if is_dry_run:
        gone = {removal.name for removal in results}
        left = [manifest for name, manifest in snapshot.manifests.items() if name not in gone]
        data = list(_removals_of_data(snapshot.data, left, oldest_data))
        return GarbageCollection((*results, *data), _bytes_kept(snapshot.data, (*results, *data)))
    removed = _remove(store.files, results, oldest_kept)
    again = _look(store.files)
    data = list(_removals_of_data(again.data, again.manifests.values(), oldest_data))
    removed += _remove(store.files, data, oldest_data)
    for folder in (FINGERPRINTS, SCHEMAS, VERIFIED):
        FileMemory(store.base / folder).forget_outdated(oldest_kept)
    return GarbageCollection(tuple(removed), _bytes_kept(again.data, removed))


@dataclass(frozen=True)
class _Result:
    """One result under all of its node hashes: it lives and goes as one."""

    names: tuple[str, ...]
    contents: frozenset[str]
    used: float


@dataclass(frozen=True)
class _Snapshot:
    """All files of a store. `manifests`: None for what is no manifest of this format."""

    manifests: Mapping[str, Manifest | None]
    refs: Mapping[str, str]
    data: Mapping[str, FileFacts]
    facts: Mapping[str, FileFacts]

    def results(self) -> list[_Result]:
        names: dict[object, list[str]] = defaultdict(list)
        for name, manifest in self.manifests.items():
            if manifest is not None:
                names[_identity(manifest)].append(name)
        return [
            _Result(tuple(group), _contents(self.manifests[group[0]]), max(self.facts[name].modified for name in group))
            for group in names.values()
        ]


def _look(files: StoreFiles) -> _Snapshot:
    listed = chain.from_iterable(map(files.list_files, (REFS, MANIFESTS, BLOBS)))
    facts = {name: found for name, found in listed if _OWN_NAMES.fullmatch(name)}
    told = [name for name in facts if name.startswith((f"{REFS}/", f"{MANIFESTS}/"))]
    refs: dict[str, str] = {}
    manifests: dict[str, Manifest | None] = {}
    for name, content in zip(told, _all_at_once(files.read, told)):
        if name.startswith(f"{MANIFESTS}/"):
            manifests[name] = _read_manifest(files, name, content or b"")
        elif not name.endswith(TEMPORARY_SUFFIX):
            ref = ref_from_bytes(content)  # one in the place of another still names a result
            refs[name] = "" if ref is None else ref.node_hash
    return _Snapshot(manifests, refs, {name: found for name, found in facts.items() if name.startswith(BLOBS)}, facts)


def _forget(snapshot: _Snapshot, keys: Iterable[Sequence[str]], oldest_kept: float) -> _Snapshot:
    """Without the refs of these keys and of those below; a young one is still in use."""
    names = [ref_name(key).removesuffix(".json") for key in keys]
    begins = tuple(f"{name}{end}" for name in names for end in "/.")
    gone = {name for name in snapshot.refs if name.startswith(begins) and snapshot.facts[name].modified <= oldest_kept}
    return replace(snapshot, refs={name: node_hash for name, node_hash in snapshot.refs.items() if name not in gone})


def _remove(files: StoreFiles, removals: Sequence[Removal], unless_modified_after: float) -> list[Removal]:
    """Remove files; gives what was removed."""
    gone = _all_at_once(lambda removal: files.remove(removal.name, unless_modified_after), removals)
    return [removal for removal, is_gone in zip(removals, gone) if is_gone]


def _all_at_once(work: Callable[[_Item], _Answer], items: Sequence[_Item]) -> list[_Answer]:
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="flowfile-gc") as pool:
        return list(pool.map(work, items))


def _read_manifest(files: StoreFiles, name: str, content: bytes) -> Manifest | None:
    with suppress(DamageError):
        manifest = manifest_from_bytes(content, PurePosixPath(name).stem)
        if manifest is not None:
            return manifest
    if is_of_later_format(content):
        cause = "was written by a later version of flowfile-dagster; collect the garbage with that version"
        raise StoreError(f"{files.location}/{name}", cause)
    return None


def _identity(manifest: Manifest) -> object:
    """What manifests of one result have in common: their tables, or for what is not stored their ingredients."""
    tables = _contents(manifest)
    return tables or tuple(sorted(manifest.parts.items()))


def _contents(manifest: Manifest | None) -> frozenset[str]:
    return frozenset() if manifest is None else frozenset(table.content_hash for table in manifest.outputs.values())


def _removals_of_results(snapshot: _Snapshot, policy: Policy, now: float) -> Iterator[Removal]:
    history = _look_at_history(snapshot, policy, now)
    free = [
        result
        for result in snapshot.results()
        if result.used <= now - policy.grace and not history.named.intersection(map(_hash_of, result.names))
    ]
    gone: set[str] = set()
    for result, reason in _chosen(free, snapshot, policy, now):
        gone.update(result.names)
        yield from (Removal(name, snapshot.facts[name].size, reason) for name in result.names)
    left = {_hash_of(name) for name, manifest in snapshot.manifests.items() if manifest and name not in gone}
    for name, facts in snapshot.facts.items():
        if facts.modified <= now - policy.grace and _is_leftover(name, snapshot, left, history):
            yield Removal(name, facts.size, "leftover")


def _is_leftover(name: str, snapshot: _Snapshot, left: Collection[str], history: _History) -> bool:
    if name.endswith(TEMPORARY_SUFFIX):
        return True
    if name in snapshot.manifests:
        return snapshot.manifests[name] is None
    if name.startswith(f"{REFS}/") and name not in snapshot.refs:
        return True
    is_of_run = key_of_run_ref(name) is not None
    return is_of_run and (name not in history.kept or snapshot.refs[name] not in left)


def _hash_of(manifest: str) -> str:
    return PurePosixPath(manifest).stem


@dataclass(frozen=True)
class _History:
    """The runs' refs that are kept, and the node hashes whose results must stay."""

    kept: frozenset[str]
    named: frozenset[str]


def _look_at_history(snapshot: _Snapshot, policy: Policy, now: float) -> _History:
    """Of each key, the newest ref of each different result is kept, up to the number of results to keep."""
    by_key: dict[str, dict[str, str]] = defaultdict(dict)
    young, latest = set[str](), set[str]()
    for name in sorted(snapshot.refs, key=lambda name: snapshot.facts[name].modified, reverse=True):
        key = key_of_run_ref(name)
        if key is None:
            latest.add(name)
            continue
        by_key[key].setdefault(snapshot.refs[name], name)
        if snapshot.facts[name].modified > now - policy.grace:
            young.add(name)
    kept = {name for names in by_key.values() for name in list(names.values())[: policy.keep_last]}
    naming = latest | young | (set() if policy.keep_last is None else kept)
    return _History(frozenset(kept | young), frozenset(snapshot.refs[name] for name in naming))


def _chosen(
    free: Sequence[_Result], snapshot: _Snapshot, policy: Policy, now: float
) -> Iterator[tuple[_Result, Reason]]:
    """The results that go, the oldest first."""
    named = Counter(
        content for result in snapshot.results() for content in result.contents if blob_name(content) in snapshot.data
    )
    total = sum(snapshot.data[blob_name(content)].size for content in named)
    for result in sorted(free, key=lambda result: result.used):
        if policy.max_age is not None and result.used < now - policy.max_age:
            reason: Reason = "age"
        elif policy.max_bytes is not None and total > policy.max_bytes:
            reason = "bytes"
        elif policy.keep_last is not None and policy.max_age is None and policy.max_bytes is None:
            reason = "count"
        else:
            continue
        for content in result.contents & named.keys():
            named[content] -= 1
            total -= 0 if named[content] else snapshot.data[blob_name(content)].size
        yield result, reason


def _removals_of_data(
    data: Mapping[str, FileFacts], manifests: Iterable[Manifest | None], oldest_kept: float
) -> Iterator[Removal]:
    """Data files that no manifest names."""
    named = {blob_name(content) for manifest in manifests for content in _contents(manifest)}
    for name, facts in data.items():
        if name not in named and not name.endswith(TEMPORARY_SUFFIX) and facts.modified <= oldest_kept:
            yield Removal(name, facts.size, "leftover")


def _bytes_kept(data: Mapping[str, FileFacts], removals: Iterable[Removal]) -> int:
    gone = {removal.name for removal in removals}
    return sum(facts.size for name, facts in data.items() if name not in gone)
