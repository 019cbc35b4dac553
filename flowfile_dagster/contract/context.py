"""What a node may ask of the house while it builds, predicts or runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import polars as pl

from flowfile_dagster.contract.settings import ParameterValue


class PathResolver(Protocol):
    """Turns the paths of a flow file into absolute ones."""

    def resolve_path(self, text: str) -> Path:
        """The absolute path for `text`; a relative one is looked for under the flow's roots, in order."""
        ...


class BuildContext(PathResolver, Protocol):
    """Everything that a node needs from above."""

    @property
    def is_prediction(self) -> bool:
        """Whether only the schema is wanted: a source that must read to know its schema reads a sample."""
        ...

    @property
    def keeps_order(self) -> bool:
        """Whether this node must keep the order that its rows have; where not, other plans are faster.

        For an operation that makes an order: whether rows that are equal to it must keep theirs.
        """
        ...

    @property
    def parameters(self) -> dict[str, ParameterValue]:
        """The values of the flow's parameters (a gate asks for them by name)."""
        ...

    def parse_parameter(self, name: str, text: str) -> ParameterValue:
        """A text as a value that the parameter of this name could have.

        Raises:
            ValueError: it is none; the message says what would be right.
        """
        ...

    def collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Run a plan: for barriers, and where names or types depend on values, as in a file of text."""
        ...

    def sink(self, frame: pl.LazyFrame, to_file: Callable[[pl.LazyFrame], pl.LazyFrame]) -> int:
        """Run a plan and write its rows; `to_file` adds one of Polars' lazy sinks to it. Gives the number of rows."""
        ...

    def schema_of(self, frame: pl.LazyFrame) -> pl.Schema:
        """The schema of a frame that the node was given, without planning again what is above it where it is known."""
        ...

    def recall_schema(self, path: Path, question: str, find: Callable[[], pl.Schema]) -> pl.Schema:
        """What `find` finds in the rows of a file; it is not asked again as long as file and `question` are the same.

        `question`: everything besides the file that the answer depends on.
        """
        ...
