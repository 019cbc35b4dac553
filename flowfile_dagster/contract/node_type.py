"""What a node type must answer: the only thing that the rest of the house knows about nodes."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

import polars as pl

from flowfile_dagster.columns.lineage import ColumnLineage
from flowfile_dagster.columns.schema import rowless
from flowfile_dagster.contract.chart import Chart
from flowfile_dagster.contract.context import BuildContext, PathResolver
from flowfile_dagster.contract.settings import NodeSettings

SettingsT = TypeVar("SettingsT", bound=NodeSettings)

#: What `build` returns: one frame, or one per output handle (``{"output-0": …, "output-1": …}``).
Frames: TypeAlias = pl.LazyFrame | Mapping[str, pl.LazyFrame]
#: A schema per input or output; None is opaque: it cannot be known without running.
MaybeSchema: TypeAlias = pl.Schema | None
#: What a node's methods may raise; a panic inside Polars is no `Exception`.
NODE_FAILURES = (Exception, pl.exceptions.PanicException)


class Trait(Enum):
    """How a node behaves. Planner and engine decide by traits, never by the name of a type."""

    SOURCE = "source"  # has no data input of its own
    SINK = "sink"  # writes something outside: never run as a side effect, never shared
    EXCLUSIVE = "exclusive"  # a sink that locks what it writes while its plan runs: never collected with others
    NARROW = "narrow"  # works row by row: each output row comes from one input row
    WIDE = "wide"  # needs to see many rows at once
    LOOKUP = "lookup"  # adds columns of its second input to the rows of its first one; see `NodeType.build_chain`
    REDUCING = "reducing"  # gives, and holds, one row for each of few groups of its input
    PASSTHROUGH = "passthrough"  # delivers its first input unchanged, so the result needs no second copy
    ORDER_SENSITIVE = "order-sensitive"  # the result depends on the order of the input rows
    ORDER_PRODUCING = "order-producing"  # the order of the output rows is defined by the operation
    RANDOM = "random"  # draws random numbers: never evaluate it twice for one result
    VOLATILE = "volatile"  # the same inputs may give another result next time: never reuse a stored one
    BARRIER = "barrier"  # cannot stay lazy: `compute` runs inside a step and may collect
    RUNS_USER_CODE = "runs-user-code"  # executes code that stands in the flow file
    GATE = "gate"  # decides which of its consumers run
    TAKES_OPEN_INPUTS = "takes-open-inputs"  # runs on the inputs that gates leave open, where others need them all


@dataclass(frozen=True)
class Ports:
    """The inputs that a node takes: at least `minimum`, at most `maximum` (None: any number, in order)."""

    minimum: int
    maximum: int | None

    @property
    def is_multi(self) -> bool:
        """Whether main inputs form an ordered list; otherwise there is one main input and a right one."""
        return self.maximum is None


NO_INPUT = Ports(0, 0)
ONE_INPUT = Ports(1, 1)
TWO_INPUTS = Ports(2, 2)


@dataclass(frozen=True)
class Source:
    """Something outside that a node reads.

    `uri` is its name in the graph (an absolute path, or a pattern). `files` are the files whose state identifies
    it: their bytes, or only names, sizes and times where `content` is false. `shows_paths`: the result holds the
    files' absolute paths, so the same bytes at another place give another result. `pattern`: for a source of any
    number of files, a glob of those that can belong to it; `choice`: what else decides which of them do.
    """

    uri: str
    files: tuple[Path, ...] = ()
    content: bool = True
    shows_paths: bool = False
    pattern: str | None = None
    choice: str = ""

    @property
    def identity(self) -> str:
        """What tells sources apart: readers that take different files from one folder have different sources."""
        return self.uri if self.pattern is None else "\n".join((self.uri, self.pattern, self.choice))


@dataclass(frozen=True)
class Target:
    """Something outside that a sink writes. `is_repeatable`: writing it twice leaves the same state as once."""

    path: Path
    is_repeatable: bool = True


@dataclass(frozen=True)
class TableFacts:
    """What is known of the tables of a chain of lookups, by their number, without looking into them.

    `rows`: how many a table has before settings drop some; None where that is not known. `whole`: those of which no
    setting drops rows. `deciding`: the columns of the result whose values decide which rows are dropped right after.
    """

    rows: Callable[[int], int | None]
    whole: frozenset[int]
    deciding: frozenset[str]


@dataclass(frozen=True)
class Gate:
    """What a gate decided: the handles whose consumers may run."""

    open_handles: frozenset[str]


class NodeType(Generic[SettingsT]):
    """One type of node. Stateless: all methods answer from their arguments.

    `frames`, `inputs` are in the order main inputs, right, left. Errors are `NodeProblem`s, which name the field
    or column but not the node: the caller knows where the node stands.
    """

    type: ClassVar[str]
    Settings: builtins.type[SettingsT]
    ports: ClassVar[Ports] = ONE_INPUT
    traits: ClassVar[frozenset[Trait]] = frozenset()
    #: Raise when the same settings and inputs begin to give another result: it enters the node hash.
    semantics_version: ClassVar[int] = 1
    #: Settings fields (top-level names) that do not change the result, so do not enter the node hash.
    cosmetic_fields: ClassVar[frozenset[str]] = frozenset()
    #: The settings field (top-level name) that no two nodes of this type in one flow may have alike.
    unique_field: ClassVar[str | None] = None

    def traits_of(self, settings: SettingsT) -> frozenset[Trait]:
        """The traits under these settings (a sample is volatile only without a seed)."""
        return self.traits

    def handles(self, settings: SettingsT) -> tuple[str, ...]:
        """The label of each output, in order: label *i* belongs to handle ``output-i``."""
        return ("main",)

    def identity(self, settings: SettingsT) -> dict[str, Any]:
        """The execution-relevant settings as JSON values; enters the node hash."""
        return settings.model_dump(mode="json", exclude={"cache_results", "output_field_config", *self.cosmetic_fields})

    def check(self, settings: SettingsT) -> None:
        """Raise a `NodeProblem` where the settings alone show that the node cannot run. Executes nothing."""

    def build(self, settings: SettingsT, frames: Sequence[pl.LazyFrame], context: BuildContext) -> Frames:
        """The node as a lazy plan over its inputs. Pure: opens scans, and collects what names and types depend on.

        A barrier may have none.
        """
        raise NotImplementedError

    def compute(self, settings: SettingsT, frames: Sequence[pl.LazyFrame], context: BuildContext) -> Frames:
        """What a step runs. A barrier overrides it and may use ``context.collect``; default: `build`."""
        return self.build(settings, frames, context)

    def build_chain(
        self, chain: Sequence[SettingsT], frames: Sequence[pl.LazyFrame], context: BuildContext, facts: TableFacts
    ) -> pl.LazyFrame | None:
        """Several nodes with the trait `LOOKUP`, each the first input of the next, as one plan; rows in any order.

        `frames`: the first input of the first node, then what each node looks up. Each node by itself can be built.
        None: one after the other is as good.
        """
        return None

    def predict(
        self, settings: SettingsT, inputs: Sequence[MaybeSchema], context: BuildContext
    ) -> Mapping[str, MaybeSchema]:
        """The schema of every output handle, from the schemas of the inputs; None where opaque.

        Default: `build` over typed frames without rows, which is run where decimals come out: Polars plans their
        quotients with another precision than they get. An opaque input makes all outputs opaque.
        """
        count = len(self.handles(settings))
        if any(schema is None for schema in inputs):
            return {f"output-{i}": None for i in range(count)}
        empty = [rowless(schema) for schema in inputs if schema is not None]
        frames = by_handle(self.build(settings, empty, context))
        return {handle: _settled_schema(frame, context, runs=bool(inputs)) for handle, frame in frames.items()}

    def lineage(self, settings: SettingsT, inputs: Sequence[pl.Schema], output: pl.Schema) -> ColumnLineage | None:
        """From which input columns each output column is made; None is opaque. A guess is a bug."""
        return None

    def deciding_columns(self, settings: SettingsT) -> frozenset[str]:
        """The columns whose values decide which rows a row by row node drops, where that may be most of them."""
        return frozenset()

    def named_after(self, settings: SettingsT, inputs: Sequence[MaybeSchema]) -> frozenset[str]:
        """The columns of the first input whose values become names of columns, which are shown wherever schemas are."""
        return frozenset()

    def snippet(self, settings: SettingsT, inputs: Sequence[MaybeSchema], names: Sequence[str]) -> str | None:
        """Python with Polars that does the same, as one expression over frames called `names`; for people to read.

        None where no short expression does exactly the same. It is never run.
        """
        return None

    def charts(self, settings: SettingsT) -> tuple[Chart, ...]:
        """The charts that the user saved with the node, to be drawn from its result."""
        return ()

    def sources(self, settings: SettingsT, paths: PathResolver) -> tuple[Source, ...]:
        """What the node reads outside. Looks at names and times at most, never at contents."""
        return ()

    def target(self, settings: SettingsT, paths: PathResolver) -> Target | None:
        """What a sink writes outside."""
        return None

    def write(self, settings: SettingsT, frame: pl.LazyFrame, context: BuildContext) -> int | None:
        """Write `frame` to the target (sinks only); called in a step, only when the sink itself is wanted.

        Gives the number of rows, if it is known.
        """
        raise NotImplementedError

    def decide(self, settings: SettingsT, frames: Sequence[pl.LazyFrame], context: BuildContext) -> Gate | None:
        """Which outputs' consumers may run. None: all of them (every type but a gate).

        `frames` is empty where the decision needs no data, which is so for every gate that is no barrier.
        """
        return None


def by_handle(frames: Frames) -> dict[str, pl.LazyFrame]:
    """Name the outputs: a single frame is ``output-0``."""
    return {"output-0": frames} if isinstance(frames, pl.LazyFrame) else dict(frames)


def _settled_schema(frame: pl.LazyFrame, context: BuildContext, *, runs: bool) -> pl.Schema:
    planned = frame.collect_schema()
    has_decimals = any(isinstance(dtype, pl.Decimal) for dtype in planned.values())
    return context.collect(frame).schema if runs and has_decimals else planned
