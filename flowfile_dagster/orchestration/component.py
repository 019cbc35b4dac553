"""Flow files in ``defs.yaml``: a second door to `build_definitions`."""

# No postponed annotations here: Dagster reads the annotations of the fields as objects.

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import dagster as dg
from dagster.components.utils.translation import TranslationFn, TranslationFnResolver
from pydantic import BaseModel, Field

from flowfile_dagster.engine.collect import Engine
from flowfile_dagster.flow.graph import ExecutionMode
from flowfile_dagster.orchestration.definitions import build_definitions
from flowfile_dagster.orchestration.project.config import FlowConfig, SchemaChecks
from flowfile_dagster.orchestration.project.launch_config import AlertConfig, ScheduleConfig, TriggerConfig
from flowfile_dagster.orchestration.specs.translator import FlowfileTranslator, NodeOutput, OutputEdges
from flowfile_dagster.orchestration.steps.io_manager import StorageOption, shared_io_manager
from flowfile_dagster.store.objects import is_url


class FlowsScaffoldParams(BaseModel):
    """What ``dg scaffold defs flowfile_dagster.FlowfileComponent`` can be told."""

    flows: str = Field("flows", description="folder with flow files, or one flow file; relative to the new defs.yaml")


class FlowfileScaffolder(dg.Scaffolder[FlowsScaffoldParams]):
    """Writes a ``defs.yaml`` that names the flows, and the folder for them if there is none."""

    @classmethod
    def get_scaffold_params(cls) -> type[FlowsScaffoldParams]:
        """The options of the command."""
        return FlowsScaffoldParams

    def scaffold(self, request: dg.ScaffoldRequest[FlowsScaffoldParams]) -> None:
        """Write the ``defs.yaml``."""
        flows = request.target_path / request.params.flows
        if not flows.suffix:
            flows.mkdir(parents=True, exist_ok=True)
        dg.scaffold_component(request, {"flows": request.params.flows})


@dg.scaffold_with(FlowfileScaffolder)
class FlowfileComponent(dg.Component, dg.Model, dg.Resolvable):
    """Flow files that Flowfile saved, as assets: what `build_definitions` does, said in ``defs.yaml``.

    Relative paths stand under the folder of the ``defs.yaml``; ``{{ project_root }}`` is the project's.

    Attributes:
        flows: a folder with flow files, a flow file, or a list of these.
        mode: ``development`` (one asset per node) or ``performance`` (one per fused segment), for all flows.
        engine: which of Polars' engines runs the plans.
        schema_checks: whose schemas are compared with the predicted ones: ``sources``, ``all`` or ``none``.
        overrides: what is said of single flows, by group (``folder/flow``).
        renames: new names of nodes (``flow/node``) and flows to old ones, to keep their history.
        flowfile_url: a link on every asset's page, with ``{path}``, ``{flow}`` and ``{node_id}`` filled in.
        root: the folder that relative paths in flows stand under.
        sources: the assets that stand for files which flows read, by path or glob (``data/*.csv: dbt/orders``).
        schedules: when flows run, by the clock.
        triggers: when flows run, because something has changed.
        alerts: who is told of what went wrong.
        store: the folder that results are kept in, or the URL of a prefix in an object store.
        read_from: a second store, folder or URL, whose results are used where this one has none; never written to.
        storage_options: what fsspec wants to know for URLs; ``{env: NAME}`` is the value of an environment variable.
        compiled_folder: where compiled flows are kept between processes.
        translation: asset attributes for every output of every node. In templates ``spec`` is the asset as it would be,
            ``node`` the node, ``flow`` the flow, and ``output`` the output of the node.
    """

    flows: str | Sequence[str]
    mode: ExecutionMode | None = None
    engine: Engine | None = None
    schema_checks: SchemaChecks = "sources"
    overrides: dict[str, FlowConfig] = Field(default_factory=dict)
    renames: dict[str, str] = Field(default_factory=dict)
    flowfile_url: str | None = None
    root: str | None = None
    sources: dict[str, str] = Field(default_factory=dict)
    schedules: list[ScheduleConfig] = Field(default_factory=list)
    triggers: list[TriggerConfig] = Field(default_factory=list)
    alerts: list[AlertConfig] = Field(default_factory=list)
    store: str | None = None
    read_from: str | None = None
    storage_options: dict[str, StorageOption] | None = None
    compiled_folder: str | None = None
    translation: (
        Annotated[
            TranslationFn[NodeOutput],
            TranslationFnResolver[NodeOutput](
                lambda output: {"output": output, "node": output.node, "flow": output.flow}
            ),
        ]
        | None
    ) = None

    def get_asset_spec(self, output: NodeOutput, edges: OutputEdges) -> dg.AssetSpec:
        """How an output of a node appears in Dagster. Override it for what a translation cannot say."""
        spec = FlowfileTranslator().get_asset_spec(output, edges)
        return spec if self.translation is None else self.translation(spec, output)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The definitions of all flows."""
        folder = context.path.parent if context.path.is_file() else context.path
        flows = [self.flows] if isinstance(self.flows, str) else self.flows
        return build_definitions(
            [folder / path for path in flows],
            mode=self.mode,
            engine=self.engine,
            schema_checks=self.schema_checks,
            overrides=self.overrides,
            renames=self.renames,
            flowfile_url=self.flowfile_url,
            root=None if self.root is None else folder / self.root,
            sources={str(folder / path): key for path, key in self.sources.items()},
            schedules=self.schedules,
            triggers=[_under(folder, trigger) for trigger in self.triggers],
            alerts=self.alerts,
            translator=self._translator(),
            io_manager=shared_io_manager(
                _location(folder, self.store), _location(folder, self.read_from), self.storage_options
            ),
            compiled_folder=None if self.compiled_folder is None else folder / self.compiled_folder,
        )

    def _translator(self) -> FlowfileTranslator:
        is_plain = self.translation is None and type(self).get_asset_spec is FlowfileComponent.get_asset_spec
        return FlowfileTranslator() if is_plain else _ComponentTranslator(self)


def _location(folder: Path, store: str | None) -> str | None:
    return store if store is None or is_url(store) else str(folder / store)


def _under(folder: Path, trigger: TriggerConfig) -> TriggerConfig:
    return trigger.model_copy(update={"files": [str(folder / path) for path in trigger.files]})


class _ComponentTranslator(FlowfileTranslator):
    """Asks the component, so that a subclass of it is asked, too."""

    def __init__(self, component: FlowfileComponent) -> None:
        self._component = component

    def get_asset_spec(self, output: NodeOutput, edges: OutputEdges) -> dg.AssetSpec:
        return self._component.get_asset_spec(output, edges)
