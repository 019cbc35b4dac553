"""The tests beside a flow file, as data: ``orders.tests.yaml`` has those of ``orders.yaml`` or ``orders.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from flowfile_dagster.columns.names import first_repeated
from flowfile_dagster.errors import FlowFileError, Problem
from flowfile_dagster.flow.document import explain_validation, field_path
from flowfile_dagster.flow.files import TESTS_SUFFIX
from flowfile_dagster.flow.text import read_flow_text


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Rows(_Block):
    """Rows, written down or in a file. A bare list stands for `rows`.

    Attributes:
        rows: mappings of column to value; a column that a row does not name is null.
        file: a CSV or JSON file of rows instead, under the folder of the tests file.
        types: data types of columns whose values do not tell, such as dates, by the names that flow files use.
    """

    rows: Sequence[Mapping[str, Any]] | None = None
    file: str | None = None
    types: Mapping[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, given: Any) -> Any:
        return {"rows": given} if isinstance(given, list) else given

    @model_validator(mode="after")
    def _refuse_none_or_both(self) -> Rows:
        if (self.rows is None) == (self.file is None):
            raise ValueError("give either `rows` or `file`")
        return self


class ExpectedRows(Rows):
    """The rows that a node should deliver. Only the columns that are named are compared.

    Attributes:
        ignore_order: whether the rows may come in any order.
        output: the label of the output that is meant, for a node with several; default: the first.
    """

    ignore_order: bool = False
    output: str | None = None


class FlowTestCase(_Block):
    """One test. Nodes go by name, reference or id.

    Attributes:
        name: what is tested, as a sentence.
        parameters: values for the flow's parameters, instead of their defaults.
        given: what nodes deliver in the test. They do not run, and neither does what only they need.
        expect: what nodes should deliver.
    """

    name: str = Field(min_length=1)
    parameters: Mapping[str, str | int | float | bool] = Field(default_factory=dict)
    given: Mapping[str, Rows] = Field(default_factory=dict)
    expect: Mapping[str, ExpectedRows] = Field(min_length=1)


class _TestsFile(_Block):
    tests: Sequence[FlowTestCase]

    @model_validator(mode="after")
    def _refuse_equal_names(self) -> _TestsFile:
        repeated = first_repeated(case.name for case in self.tests)
        if repeated is not None:
            raise ValueError(f"two tests are called {repeated!r}")
        return self


def tests_path(flow: Path) -> Path:
    """Where the tests of a flow file are, if it has any."""
    return flow.with_name(flow.stem + TESTS_SUFFIX)


def read_cases(path: Path) -> Sequence[FlowTestCase]:
    """The tests in a file.

    Raises:
        FlowFileError: the file cannot be read, or says something that cannot be; names every field.
    """
    try:
        return _TestsFile.model_validate(read_flow_text(path).data).tests
    except ValidationError as error:
        problems = [Problem(field_path(tuple(item["loc"])), explain_validation(item)) for item in error.errors()]
        raise FlowFileError(str(path), problems) from error
