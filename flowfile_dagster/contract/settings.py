"""Settings blocks that several node types share, and the markers that say how a text field is read.

Field names are the key names of flow files. Unknown keys are ignored unless a model says otherwise.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, model_validator

from flowfile_dagster.columns.dtypes import check_type_name

#: A parameter's typed value.
ParameterValue: TypeAlias = str | int | float | bool

TRUE_WORDS, FALSE_WORDS = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


def parse_boolean(text: str) -> bool:
    """The boolean that a parameter's text stands for.

    Raises:
        ValueError: it stands for none; the message says what would be right.
    """
    word = text.strip().lower()
    if word not in (*TRUE_WORDS, *FALSE_WORDS):
        raise ValueError(f"must be one of {', '.join((*TRUE_WORDS, *FALSE_WORDS))}; got {text!r}")
    return word in TRUE_WORDS


class TextKind:
    """How ``${parameter}`` is rendered inside a marked text field."""

    def __init__(self, kind: Literal["formula", "code", "value"]) -> None:
        self.kind = kind


#: A formula: a parameter appears in it as a literal of the formula language.
FormulaText: TypeAlias = Annotated[str, TextKind("formula")]
#: Polars code: a parameter inside a string literal stays data.
CodeText: TypeAlias = Annotated[str, TextKind("code")]


def _only_text(given: Any) -> Any:
    if not isinstance(given, str):
        raise ValueError(f"must be text: write {str(given)!r}")
    return given


#: Text in the file that stands for a value: a parameter that is all of it keeps its type.
ValueText: TypeAlias = Annotated[ParameterValue, TextKind("value"), BeforeValidator(_only_text)]


def _none_to(value: Any) -> BeforeValidator:
    return BeforeValidator(lambda given: value if given is None else given)


#: A text field where null in the file means the empty text.
TextOrEmpty: TypeAlias = Annotated[str, _none_to("")]
#: A flag where null in the file means false.
FlagOrFalse: TypeAlias = Annotated[bool, _none_to(False)]


class SettingsBlock(BaseModel):
    """An object inside a node's settings."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class OutputField(SettingsBlock):
    """A column that `output_field_config` asks for."""

    name: str
    data_type: Annotated[str, AfterValidator(check_type_name)] = "String"
    default_value: ValueText | None = None


class OutputFieldConfig(SettingsBlock):
    """Which columns a node must deliver, applied after its own logic."""

    enabled: bool = False
    validation_mode_behavior: Literal["select_only", "add_missing", "add_missing_keep_extra", "raise_on_missing"] = (
        "select_only"
    )
    fields: tuple[OutputField, ...] = ()
    validate_data_types: bool = False

    @property
    def is_active(self) -> bool:
        """Whether anything is to be done."""
        return self.enabled and bool(self.fields)


class NodeSettings(SettingsBlock):
    """What every node's settings have."""

    cache_results: FlagOrFalse = False
    output_field_config: OutputFieldConfig | None = None


class SelectColumn(SettingsBlock):
    """One entry of a column list: rename, drop or cast one column, slim or long form."""

    old_name: str
    new_name: str = ""
    keep: bool = True
    data_type: str | None = None
    position: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"old_name": given, "new_name": given}
        if isinstance(given, dict) and not str(given.get("new_name") or "").strip():
            return {**given, "new_name": given.get("old_name", "")}
        return given


class ColumnList(SettingsBlock):
    """The column list of one side of a join-like node: ``{select: […]}``, ``{renames: […]}`` or a bare list."""

    select: tuple[SelectColumn, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _from_any_form(cls, given: Any) -> Any:
        if isinstance(given, (list, tuple)):
            return {"select": given}
        if isinstance(given, dict) and "select" not in given and "renames" in given:
            return {"select": given["renames"]}
        return given


class NamedColumn(SettingsBlock):
    """A column with a declared type name."""

    name: str
    data_type: str = "String"
