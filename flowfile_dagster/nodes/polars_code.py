"""Run Python code on Polars frames.

Kept: the three forms (one function, one expression, a snippet that assigns ``output_df``), the input names and the
available names. Not kept: the code runs in a step only, never to predict, so the schema is unknown before a run; it is
checked when the flow is loaded, and file access through Polars is refused; a ``#`` or a blank line inside a text is no
comment. The check is no wall against a determined attacker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import Frames, MaybeSchema, NodeType, Ports, Trait
from flowfile_dagster.contract.settings import CodeText, NodeSettings, SettingsBlock
from flowfile_dagster.errors import UserCodeError
from flowfile_dagster.nodes._user_code import is_collecting_code, is_volatile_code, parse_code, run_code


class PolarsCodeInput(SettingsBlock):
    """The code."""

    polars_code: CodeText


class PolarsCodeSettings(NodeSettings):
    """Settings of `PolarsCode`."""

    polars_code_input: PolarsCodeInput


class PolarsCode(NodeType[PolarsCodeSettings]):
    """Run Python code on Polars frames."""

    type = "polars_code"
    Settings = PolarsCodeSettings
    ports = Ports(0, None)
    traits = frozenset({Trait.ORDER_SENSITIVE, Trait.WIDE, Trait.RUNS_USER_CODE})

    def traits_of(self, settings: PolarsCodeSettings) -> frozenset[Trait]:
        """Code that collects is a barrier; other code adds to the plan that it is given."""
        code = settings.polars_code_input.polars_code
        volatile = {Trait.VOLATILE} if is_volatile_code(code) else set[Trait]()
        return self.traits | volatile | ({Trait.BARRIER} if is_collecting_code(code) else set())

    def check(self, settings: PolarsCodeSettings) -> None:
        parse_code(settings.polars_code_input.polars_code)

    def build(self, settings: PolarsCodeSettings, frames: Sequence[pl.LazyFrame], context: BuildContext) -> Frames:
        raise UserCodeError("code runs inside a step only, never to build a plan")

    def compute(
        self, settings: PolarsCodeSettings, frames: Sequence[pl.LazyFrame], context: BuildContext
    ) -> pl.LazyFrame:
        return run_code(settings.polars_code_input.polars_code, frames)

    def predict(
        self, settings: PolarsCodeSettings, inputs: Sequence[MaybeSchema], context: BuildContext
    ) -> Mapping[str, MaybeSchema]:
        return {"output-0": None}
