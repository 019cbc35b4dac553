"""The front door for Python: load a flow, look at its schemas, run it without Dagster."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias, get_args
from uuid import uuid4

import polars as pl

from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.engine.choice import default_engine
from flowfile_dagster.engine.collect import Engine
from flowfile_dagster.engine.context import NodeContext
from flowfile_dagster.engine.events import NodeComputed, NodeEvent, NodeFailed, NodeReused
from flowfile_dagster.engine.runner import run_segments
from flowfile_dagster.errors import NodeError, SelectionError, StoreError
from flowfile_dagster.flow.graph import ExecutionMode, FlowGraph, FlowNode
from flowfile_dagster.flow.names import node_names
from flowfile_dagster.flow.predict import NodePrediction, predict_graph
from flowfile_dagster.flow.resolve import read_graph
from flowfile_dagster.plan.fusion import performance_segments
from flowfile_dagster.plan.segments import development_segments, wanted_roots
from flowfile_dagster.store.fingerprints import passing_source_memory
from flowfile_dagster.store.index import Manifest
from flowfile_dagster.store.refs import Ref
from flowfile_dagster.store.store import ResultStore

#: Where the store keeps what runs without Dagster have made last, so that it is not taken for what Dagster has.
FLOW_RUNS = "flow-runs"
NodeStatus: TypeAlias = Literal["computed", "hit", "skipped", "failed"]


def load_flow(
    path: str | Path, *, parameters: Mapping[str, object] | None = None, root: str | Path | None = None
) -> Flow:
    """Load a flow file that Flowfile saved (YAML or JSON).

    Args:
        path: the flow file.
        parameters: values for the flow's parameters, instead of their defaults.
        root: the folder that relative paths in the flow stand under. Default: the flow file's folder, then the
            current working directory.

    Raises:
        FlowFileError: the file is no flow; the message names file, line, node and field.
        ParameterError: a parameter is unknown or its value has another type.
    """
    return Flow(read_graph(Path(path), parameters=parameters, root=None if root is None else Path(root)))


class Flow:
    """A loaded flow, as `load_flow` gives it. Loading runs nothing.

    Attributes:
        graph: the nodes, parameters and paths; a node that cannot run says so in `FlowNode.problem`.
    """

    def __init__(self, graph: FlowGraph) -> None:
        self.graph = graph

    @property
    def name(self) -> str:
        """The stem of the flow file."""
        return self.graph.name

    @property
    def nodes(self) -> Mapping[int, FlowNode]:
        """The nodes by id, in topological order."""
        return self.graph.nodes

    @cached_property
    def predictions(self) -> Mapping[int, NodePrediction]:
        """Schema, column lineage and foreseeable error of every node, without running any."""
        return predict_graph(self.graph, NodeContext(self.graph, is_prediction=True))

    def schemas(self) -> dict[tuple[int, str], pl.Schema | None]:
        """The predicted schema of every output by (node id, handle); None is opaque: not known before a run."""
        return {
            (node_id, handle): schema
            for node_id, prediction in self.predictions.items()
            for handle, schema in prediction.schemas.items()
        }

    def run(
        self,
        mode: ExecutionMode = "development",
        *,
        targets: Iterable[int | str] | None = None,
        store: str | Path | ResultStore | None = None,
        on_event: Callable[[NodeEvent], None] | None = None,
        engine: Engine | None = None,
    ) -> FlowRun:
        """Run the flow in this process, without Dagster.

        Args:
            mode: ``development`` stores every node's result by itself; ``performance`` fuses nodes into segments, of
                which only the results are stored.
            targets: ids, references or names of the nodes that are wanted; default: all. Others run only where
                needed.
            store: the folder or URL where results are kept and found again; default: one that lives as long as the
                run.
            on_event: called with each node's event as it completes.
            engine: which of Polars' engines runs the plans; default: in-memory in development, else Polars' choice.

        Returns:
            The run; it never raises for a failed node, see `FlowRun.errors`.

        Raises:
            SelectionError: there is no such mode, engine or node.
            StoreError: the store cannot be used.
        """
        if mode not in ("development", "performance"):
            raise SelectionError(f"{self.name}: mode {mode!r} is not available; use 'development' or 'performance'")
        if engine not in (None, *get_args(Engine)):
            engines = ", ".join(map(repr, get_args(Engine)))
            raise SelectionError(f"{self.name}: engine {engine!r} is not available; use one of {engines}")
        wanted = None if targets is None else [self.find_node(name) for name in targets]
        run = FlowRun(self, store, engine)
        for event in run._execute(mode, wanted):
            run._note(event)
            if on_event is not None:
                on_event(event)
        return run

    @cached_property
    def names(self) -> Mapping[int, str]:
        """The name of every node, as the command line and Dagster show it."""
        return node_names(self.graph)

    def find_node(self, name: int | str) -> int:
        """The node of this id, reference, or name; a number that is an id means that node.

        Raises:
            SelectionError: the flow has no such node.
        """
        if isinstance(name, int) and name in self.nodes:
            return name
        named = {text: node_id for node_id, text in self.names.items()}
        return named[str(name)] if str(name) in named else self.graph.find_node(name)


class FlowRun:
    """What came of a run, as `Flow.run` gives it.

    Attributes:
        flow: the flow that ran.
        status: ``computed``, ``hit`` (found in the store), ``skipped`` or ``failed``, by node id.
        errors: why nodes failed, by node id.
        store: where the results are.
    """

    def __init__(self, flow: Flow, store: str | Path | ResultStore | None, engine: Engine | None) -> None:
        self.flow = flow
        self._engine = engine
        self.status: dict[int, NodeStatus] = {}
        self.errors: dict[int, NodeError] = {}
        self._manifests: dict[int, Manifest] = {}
        self._names = flow.names
        opened = store if isinstance(store, ResultStore) else ResultStore(store or self._own_folder())
        self._sources = None if store else passing_source_memory()
        self.store = opened.of_run(uuid4().hex)

    def _own_folder(self) -> str:
        """A folder that goes away with the run."""
        folder = tempfile.mkdtemp(prefix="flowfile-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    @property
    def is_success(self) -> bool:
        """Whether no node failed."""
        return not self.errors

    def _execute(self, mode: ExecutionMode, wanted: Sequence[int] | None) -> Iterator[NodeEvent]:
        """Run the wanted nodes, by default all that the flow delivers; yields what happens to them."""
        graph = self.flow.graph
        segments = development_segments(graph) if mode == "development" else performance_segments(graph, wanted or ())
        targets = wanted_roots(segments) if wanted is None else wanted
        return run_segments(
            graph,
            segments,
            targets,
            self.store,
            ref_key=self._ref_key,
            engine=self._engine or default_engine(mode),
            sources=self._sources,
        )

    def frame(self, node: int | str, handle: str = "output-0") -> pl.DataFrame:
        """The result of a node; one that was fused, or stored in open order, is computed now from what is stored.

        Args:
            node: its id, reference or name.
            handle: which of its outputs.

        Raises:
            NodeError: the node failed.
            SelectionError: there is no such node, it did not run, or it has no such output.
        """
        node_id = self.flow.find_node(node)
        if node_id in self.errors:
            raise self.errors[node_id]
        if self.status.get(node_id) in ("computed", "hit"):
            manifest = self._manifests.get(node_id)
            if manifest is None or self._is_of_open_order(node_id, manifest):
                manifest = self._compute_alone(node_id)
            if not manifest.outputs and Trait.SINK in self.flow.nodes[node_id].traits:
                written = self.flow.nodes[node_id].inputs[0]
                return self.frame(written.node_id, written.handle)
            if handle in manifest.outputs:
                return NodeContext(self.flow.graph).collect(self.store.scan(manifest.outputs[handle]))
        state = self.status.get(node_id, "not part of the run")
        raise SelectionError(f"{self.flow.name}: node {node_id} has no result {handle!r} ({state})")

    def _is_of_open_order(self, node_id: int, manifest: Manifest) -> bool:
        """Whether a result that only served others lacks the order that it has in development, and can be had again."""
        nodes = self.flow.nodes
        if manifest.is_ordered or Trait.SINK in nodes[node_id].traits:
            return False
        return not any(Trait.VOLATILE in nodes[above].traits for above in self.flow.graph.ancestors([node_id]))

    def _compute_alone(self, node_id: int) -> Manifest:
        for event in self._execute("performance", [node_id]):
            if event.node_id == node_id and isinstance(event, (NodeComputed, NodeReused)):
                self._manifests[node_id] = event.manifest
            elif isinstance(event, NodeFailed):
                raise event.error
        return self._manifests[node_id]

    def _ref_key(self, node: FlowNode) -> tuple[str, str, str]:
        """The key of a node's latest result in the store; not that of its asset, which is what Dagster says it is."""
        return (FLOW_RUNS, self.flow.name, self._names[node.node_id])

    def _note(self, event: NodeEvent) -> None:
        """Take an event into account."""
        match event:
            case NodeComputed() | NodeReused():
                status: NodeStatus = "computed" if isinstance(event, NodeComputed) else "hit"
                for node_id in (*event.fused, event.node_id):
                    if node_id not in self.errors:
                        self.status[node_id] = status
                self._manifests[event.node_id] = event.manifest
                self._publish(event.node_id, event.manifest)
            case NodeFailed():
                self._fail(event.node_id, event.error)
            case _:
                self.status.setdefault(event.node_id, "skipped")

    def _publish(self, node_id: int, manifest: Manifest) -> None:
        try:
            self.store.publish(self._ref_key(self.flow.nodes[node_id]), Ref(manifest.node_hash, "output-0"))
        except StoreError as error:
            self._fail(node_id, NodeError.from_exception(self.flow.graph.location(node_id), error))

    def _fail(self, node_id: int, error: NodeError) -> None:
        self.status[node_id] = "failed"
        self.errors[node_id] = error
