"""Flow files to Dagster definitions."""

from __future__ import annotations

import gc
import logging
import os
import tempfile
import warnings
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import dagster as dg

from flowfile_dagster.compile.cache import CompileCache, CompiledEntry, FlowRequest
from flowfile_dagster.compile.form import BrokenFlow, CompiledFlow
from flowfile_dagster.engine.collect import Engine
from flowfile_dagster.errors import FlowFileError
from flowfile_dagster.flow.graph import ExecutionMode, FlowGraph
from flowfile_dagster.orchestration.launching.file_sensor import build_file_sensors
from flowfile_dagster.orchestration.launching.launches import build_launches
from flowfile_dagster.orchestration.launching.target import FlowAssets
from flowfile_dagster.orchestration.project.config import FlowConfig, SchemaChecks
from flowfile_dagster.orchestration.project.launch_config import (
    AlertConfig,
    Launches,
    ScheduleConfig,
    TriggerConfig,
)
from flowfile_dagster.orchestration.project.place import FlowPlace
from flowfile_dagster.orchestration.project.project import Project, find_flows
from flowfile_dagster.orchestration.project.renames import Renames
from flowfile_dagster.orchestration.specs.automation import automate
from flowfile_dagster.orchestration.specs.checks import with_freshness
from flowfile_dagster.orchestration.specs.flow_tests import build_flow_tests
from flowfile_dagster.orchestration.specs.specs import SpecBuilder
from flowfile_dagster.orchestration.specs.translator import IO_MANAGER_KEY, FlowfileTranslator
from flowfile_dagster.orchestration.steps.assets import FlowSource, build_broken_asset, build_flow_assets
from flowfile_dagster.orchestration.steps.io_manager import STORE_FOLDER, FlowfileIOManager, shared_io_manager
from flowfile_dagster.orchestration.steps.launch import build_flow_resource, flow_resource_key
from flowfile_dagster.orchestration.steps.observation import build_source_assets
from flowfile_dagster.store.local_files import user_cache
from flowfile_dagster.store.objects import is_url

_log = logging.getLogger(__name__)


def build_definitions(
    flows: str | Path | Iterable[str | Path],
    *,
    mode: ExecutionMode | None = None,
    engine: Engine | None = None,
    schema_checks: SchemaChecks = "sources",
    overrides: Mapping[str, FlowConfig] | None = None,
    renames: Mapping[str, str] | None = None,
    flowfile_url: str | None = None,
    root: str | Path | None = None,
    sources: Mapping[str, str] | None = None,
    schedules: Sequence[ScheduleConfig] = (),
    triggers: Sequence[TriggerConfig] = (),
    alerts: Sequence[AlertConfig] = (),
    translator: FlowfileTranslator | None = None,
    io_manager: FlowfileIOManager | None = None,
    compiled_folder: str | Path | None = None,
) -> dg.Definitions:
    """Definitions for flow files that Flowfile saved. Loading runs no transformation and plans nothing here.

    Args:
        flows: a folder, which is searched for ``.yaml``, ``.yml`` and ``.json`` files, or the files themselves.
        mode: how flows run: ``development`` (one asset per node) or ``performance`` (one per fused segment).
            Default: each flow's own ``execution_mode``.
        engine: which of Polars' engines runs the plans. Default: in-memory in development, else Polars' choice.
        schema_checks: whose schemas an asset check compares with the predicted ones after each run: those of nodes
            that read something outside (``sources``), ``all``, or ``none``. Whatever is chosen, a difference is
            in the metadata of the materialization.
        overrides: what is said of single flows, by group (``folder/flow``), instead of what is said for all.
        renames: new names to old ones, of nodes (``{"flow/new": "flow/old"}``) or whole flows (``{"new": "old"}``):
            what was renamed keeps its asset keys and thereby its history.
        flowfile_url: a link on every asset's page, in which ``{path}``, ``{flow}`` and ``{node_id}`` are filled in:
            the path of the flow file, the flow's name and the node's id.
        root: the folder that relative paths in flows stand under. Default: each flow file's folder, then the
            current working directory.
        sources: the assets that stand for files which flows read, where another part of the project makes them:
            path or glob, absolute or under `root`, to asset key (``{"data/orders/*.csv": "dbt/orders"}``).
        schedules: when flows run, by the clock.
        triggers: when flows run, because something has changed.
        alerts: who is told of what went wrong.
        translator: how nodes appear in Dagster.
        io_manager: where results are kept; default: in the instance's storage folder.
        compiled_folder: where compiled flows are kept between processes; default: beside the results in
            ``DAGSTER_HOME``, without one in the user's cache folder.

    Returns:
        One asset per output of each node, external assets for the files that flows read, and the IO manager under
        the key ``flowfile_io_manager``. A file that does not load becomes one asset that says why.

    Raises:
        ConfigError: `overrides`, `renames`, `schedules` or `triggers` name a flow, node, output or parameter that there
            is not, or a value does not fit, or two checks have one name.
    """
    io_manager = io_manager or shared_io_manager()
    root_path = None if root is None else Path(root).resolve()
    cache = CompileCache(_compiled_folder(compiled_folder), _store_folder(io_manager))
    places = find_flows(flows)
    with _paused_garbage_collection(), warnings.catch_warnings():
        # Code references and multi-assets are marked beta; that is our choice, not news for the user's log.
        warnings.simplefilter("ignore", category=dg.BetaWarning)
        defaults = FlowConfig(mode=mode, engine=engine, schema_checks=schema_checks)
        given = overrides or {}
        requests = [_request(path, root_path, given.get(place.group, defaults)) for place, path in places.items()]
        entries = dict(zip(places, cache.load(requests), strict=True))
        project = Project(
            entries,
            cache,
            root_path,
            defaults,
            given,
            sources or {},
            Launches(schedules, triggers, alerts),
            Renames(renames or {}),
            flowfile_url,
        )
        project.refuse_unknown_names()
        return _definitions(project, translator or FlowfileTranslator(), io_manager)


def _request(path: Path, root: Path | None, config: FlowConfig) -> FlowRequest:
    return FlowRequest(path, root, config.parameters, config.checked)


@contextmanager
def _paused_garbage_collection() -> Generator[None, None, None]:
    """Thousands of objects that live as long as the process are made at once: looking for garbage among them finds
    none, neither now, which would double the time, nor later. Only the first ones of a process are kept out of later
    looks: who loads again and again, as tests do, drops what was loaded before."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        _freeze_once()
        if was_enabled:
            gc.enable()


@lru_cache(maxsize=1)
def _freeze_once() -> None:
    gc.freeze()  # to ask how many objects are frozen would count them all


class _Names:
    """The names of assets and steps that are taken: one flow must not take another one's."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}

    def refuse_taken(
        self, flow: CompiledFlow | BrokenFlow, assets: list[dg.AssetsDefinition]
    ) -> list[dg.AssetsDefinition] | BrokenFlow:
        taken = self._owners.keys() & _names_of(assets)
        if not taken:
            return assets
        name = min(taken)
        cause = f"{flow.path}: its asset or step {name!r} has the name of one of {self._owners[name]}; rename one"
        return BrokenFlow(flow.name, flow.path, cause)

    def free_place(self, place: FlowPlace) -> FlowPlace:
        while "__".join(place.key_prefix) in self._owners:
            place = FlowPlace(place.folders, f"{place.name}_broken")
        return place

    def take(self, assets: list[dg.AssetsDefinition]) -> None:
        self._owners.update({name: "/".join(next(iter(assets[0].keys)).path[:-1]) for name in _names_of(assets)})


def _names_of(assets: list[dg.AssetsDefinition]) -> set[str]:
    """Keys joined as Dagster joins them, and the names of steps."""
    keys = {"__".join(key.path) for asset in assets for key in asset.keys}
    return keys | {asset.op.name for asset in assets}


def _definitions(project: Project, translator: FlowfileTranslator, io_manager: FlowfileIOManager) -> dg.Definitions:
    builder = SpecBuilder(project, translator)
    assets: list[dg.AssetsDefinition] = []
    by_place: dict[FlowPlace, frozenset[dg.AssetKey]] = {}
    names = _Names()
    for place, entry in project.entries.items():
        built = _build_assets(entry, place, builder, project)
        if not isinstance(built, BrokenFlow):
            built = names.refuse_taken(entry.flow, built)
        if isinstance(built, BrokenFlow):
            _log.error("flow file does not load: %s", built.error)
            built = [build_broken_asset(built, names.free_place(place))]
        names.take(built)
        assets.extend(built)
        by_place[place] = frozenset(key for asset in built for key in asset.keys)
    resources = {
        flow_resource_key(place): build_flow_resource(flow, place, project.config_of(place))
        for place, flow in project.flows.items()
    }
    sources = build_source_assets(builder.outside_sources(), lambda place: _read_graph(project, place))
    crons, sensors = build_launches(FlowAssets(project, by_place), io_manager)
    return dg.Definitions(
        assets=[*assets, *sources],
        resources={IO_MANAGER_KEY: io_manager, **resources},
        schedules=crons,
        sensors=[*sensors, *build_file_sensors(project, assets)],
    )


def _read_graph(project: Project, place: FlowPlace) -> FlowGraph:
    return _source_of(project, place).read_graph(project.flows[place], project.config_of(place).parameters)


def _source_of(project: Project, place: FlowPlace) -> FlowSource:
    return FlowSource(project.cache, project.entries[place].key, project.root, project.folder_of(place))


def _build_assets(
    entry: CompiledEntry, place: FlowPlace, builder: SpecBuilder, project: Project
) -> list[dg.AssetsDefinition] | BrokenFlow:
    """The assets of a flow; none for one without nodes, and the flow as broken where it cannot have assets."""
    flow = entry.flow
    if isinstance(flow, BrokenFlow):
        return flow
    try:
        config = project.config_of(place)
        specs = with_freshness(flow, builder.flow_specs(place, project.mode_of(place)), config)
        specs = automate(specs, flow, config)
    except FlowFileError as error:
        return BrokenFlow(flow.name, flow.path, str(error))
    source = _source_of(project, place)
    if config.partitions is not None:
        specs = specs.partitioned(config.partitions.build(place))
    if not specs.by_output:
        return []
    return [*build_flow_assets(flow, specs, source, config), *build_flow_tests(flow, specs, project.root)]


def _store_folder(io_manager: FlowfileIOManager) -> Path | None:
    """Where results are, as far as that is known without an instance and without a network."""
    given = io_manager.base_path
    location = given.get_value() if isinstance(given, dg.EnvVar) else given
    if location:
        return None if is_url(location) else Path(location)
    home = os.environ.get("DAGSTER_HOME")
    return Path(home) / "storage" / STORE_FOLDER if home else None


def _compiled_folder(given: str | Path | None) -> Path:
    home = os.environ.get("DAGSTER_HOME")
    folder = Path(given or (Path(home) / "storage" / f"{STORE_FOLDER}-compiled" if home else user_cache() / "compiled"))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        _log.warning("compiled flows cannot be kept in %s (%s), so each process compiles them again", folder, error)
        return Path(tempfile.mkdtemp(prefix="flowfile-compiled-"))
