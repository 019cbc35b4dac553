"""Triggers: sensors that launch flows when files or assets have changed since the last launch.

A trigger is armed when it is turned on, and fires only for what changes after that. While the flow runs it stays due.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import dagster as dg

from flowfile_dagster.orchestration.launching.target import FlowAssets, build_target
from flowfile_dagster.orchestration.project.launch_config import TriggerConfig
from flowfile_dagster.orchestration.steps.history import DATA_VERSION_TAG, latest_observed_version
from flowfile_dagster.orchestration.steps.io_manager import FlowfileIOManager
from flowfile_dagster.plan.node_hash import canonical_hash
from flowfile_dagster.store.fingerprints import FingerprintMemory, fingerprint_memory, stat_signature

#: A sensor reads at most so many bytes for a pattern; beyond that a file counts as changed by its size and time.
MAX_BYTES_READ = 64 * 1024 * 1024


@dataclass(frozen=True)
class Cursor:
    """What a trigger remembers.

    Attributes:
        started: when it was turned on.
        fired: the version of each watched thing at the last launch, or when the trigger was armed.
        seen: of files the last (hash of sizes and times, version), so that what looks the same is not read again.
    """

    started: float | None = None
    fired: Mapping[str, str | None] = field(default_factory=dict[str, "str | None"])
    seen: Mapping[str, Sequence[str | None]] = field(default_factory=dict[str, "Sequence[str | None]"])


def build_trigger(config: TriggerConfig, assets: FlowAssets, io_manager: FlowfileIOManager) -> dg.SensorDefinition:
    """The sensor of a trigger.

    Raises:
        ConfigError: it names a flow or parameter that there is not, or a value does not fit.
    """
    target = build_target(config, assets, f"triggers.{config.name}")

    def launch_if_changed(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        cursor = Cursor(**json.loads(context.cursor)) if context.cursor else Cursor()
        if cursor.started != context.last_sensor_start_time:
            cursor = Cursor(context.last_sensor_start_time, {}, cursor.seen)
        memory = fingerprint_memory(io_manager.process_config_and_initialize().open_store(context.instance).base)
        seen = {
            path: look_at_files(str(assets.project.base / path), memory, cursor.seen.get(path)) for path in config.files
        }
        versions = {path: version for path, (_, version) in seen.items()}
        versions |= {key: latest_version(context.instance, dg.AssetKey.from_user_string(key)) for key in config.assets}
        fired = {name: cursor.fired.get(name, version) for name, version in versions.items()}
        changed = [name for name, version in versions.items() if version not in (None, fired[name])]
        is_due = len(changed) >= (len(versions) if config.when == "all" else 1)
        request = (
            target.request(context.instance, context.repository_def)
            if is_due
            else dg.SkipReason(f"changed: {', '.join(changed) or 'nothing'}")
        )
        kept = versions if isinstance(request, dg.RunRequest) else fired
        context.update_cursor(json.dumps(asdict(Cursor(cursor.started, kept, seen))))
        return request

    watched = ", ".join([*config.files, *config.assets])
    return target.sensor(launch_if_changed, f"when {config.when} of these change: {watched}")


def look_at_files(
    pattern: str, memory: FingerprintMemory, seen: Sequence[str | None] | None
) -> tuple[str | None, str | None]:
    """The looks of files, and their version; both None where there are none.

    Files that look as they did are not read.
    """
    found = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
    states = {path: stat_signature(Path(path)) for path in found if Path(path).is_file()}
    if not states:
        return (None, None)
    looks = canonical_hash(states)
    if seen is not None and seen[0] == looks:
        return (looks, seen[1])
    left = MAX_BYTES_READ
    contents: list[str] = []
    for path, (size, modified, _) in states.items():
        known = memory.remembered(Path(path))
        if known is None and size <= left:
            left -= size
            known = memory.content_hash(Path(path))
        contents.append(known or f"{size} bytes of {modified}")
    return (looks, canonical_hash([*zip(states, contents, strict=True)]))


def latest_version(instance: dg.DagsterInstance, key: dg.AssetKey) -> str | None:
    """The data version of an asset; where it has none, the run that made it; None for one that was never made."""
    entry = instance.get_latest_materialization_event(key)
    if entry is None or entry.asset_materialization is None:
        return latest_observed_version(instance, key)
    return (entry.asset_materialization.tags or {}).get(DATA_VERSION_TAG) or f"{entry.run_id} {entry.timestamp}"
