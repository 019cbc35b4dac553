"""Flow parameters: definitions to typed values, and ``${name}`` in settings to text."""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from itertools import accumulate
from typing import Any, TypeVar, get_args

from pydantic import BaseModel

from flowfile_dagster.contract.settings import ParameterValue, TextKind, parse_boolean
from flowfile_dagster.errors import FlowFileError, ParameterError, Problem, SettingsError, shortened
from flowfile_dagster.flow.document import FlowDocument, ParameterDefinition

#: What the references of one flow may add to its text, in characters. A long value that is referred to often would
#: make of a small file more text than any memory holds.
MAX_ADDED_CHARACTERS = 8 * 1024 * 1024

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_IN_VALUE = "came in with the value of a parameter, and what a value holds is not replaced; write the final text there"
SettingsT = TypeVar("SettingsT", bound=BaseModel)
#: Python 3.12 and later split a format string into tokens; what is nested in it stays raw, as in earlier versions.
_FORMAT_START, _FORMAT_END = (getattr(tokenize, f"FSTRING_{end}", None) for end in ("START", "END"))


def parse_value(definition: ParameterDefinition, given: object) -> ParameterValue:
    """The typed value of a parameter; an empty text stays empty for every type.

    Raises:
        ValueError: `given` is not of the declared type; the message says what would be right.
    """
    text = _plain_text(given)
    if not text or (not text.strip() and definition.type not in ("string", "enum")):
        return ""
    match definition.type:
        case "integer":
            return _number(int, text, "an integer")
        case "float":
            return _number(float, text, "a number")
        case "boolean":
            return parse_boolean(text)
        case "enum":
            if text not in (definition.enum_values or ()):
                raise ValueError(f"must be one of {', '.join(definition.enum_values or ())}; got {text!r}")
            return text
        case "string":
            return text


def parse_required_value(definition: ParameterDefinition, given: object) -> ParameterValue:
    """The same where only a text may be empty.

    Raises:
        ValueError: see `parse_value`.
    """
    value = parse_value(definition, given)
    if value == "" and definition.type != "string":
        raise ValueError(f"must be of type {definition.type}; got {given!r}")
    return value


def check_definitions(document: FlowDocument) -> None:
    """Raise a `FlowFileError` that names every parameter whose definition contradicts itself."""
    problems: list[Problem] = []
    for index, definition in enumerate(document.settings.parameters):
        field = f"flowfile_settings.parameters[{index}]"
        if definition.type == "enum" and not definition.enum_values:
            problems.append(Problem(f"{field}.enum_values", f"parameter {definition.name!r} needs at least one value"))
            continue
        try:
            parse_value(definition, definition.default_value)
        except ValueError as error:
            problems.append(Problem(f"{field}.default_value", f"parameter {definition.name!r}: {error}"))
    if problems:
        raise FlowFileError(str(document.path), problems)


def definitions_by_name(document: FlowDocument) -> dict[str, ParameterDefinition]:
    """What is declared of every parameter. Of two equal names the last one wins."""
    return {definition.name: definition for definition in document.settings.parameters}


def resolve_values(document: FlowDocument, overrides: Mapping[str, object]) -> dict[str, ParameterValue]:
    """The value of every parameter: its override, else its default.

    Raises:
        ParameterError: an override has an unknown name or a value of another type.
    """
    definitions = definitions_by_name(document)
    for name in overrides:
        if name not in definitions:
            known = ", ".join(definitions) or "none"
            raise ParameterError(document.name, name, f"is not a parameter of this flow; its parameters: {known}")
    values: dict[str, ParameterValue] = {}
    for name, definition in definitions.items():
        try:
            values[name] = parse_value(definition, overrides.get(name, definition.default_value))
        except ValueError as error:
            raise ParameterError(document.name, name, str(error)) from None
    return values


class References:
    """What the references of one flow stand for, and how much text they may still add to its settings."""

    def __init__(self, values: Mapping[str, ParameterValue]) -> None:
        self.values = values
        self._texts: dict[tuple[Callable[[ParameterValue], str], str], str] = {}
        self._left = MAX_ADDED_CHARACTERS

    def replace(self, text: str, render: Callable[[ParameterValue], str]) -> str:
        """The text with every known reference replaced; it is built only if it is not too long.

        Raises:
            ValueError: it is too long, or a value cannot be rendered.
        """
        known = [name for name in _REFERENCE.findall(text) if name in self.values]
        added = sum(len(self._text(name, render)) - len(name) - len("${}") for name in known)
        if added > self._left:
            raise ValueError(
                f"the values of its parameters would make the text {added:,} characters longer; in one flow they may "
                f"add {MAX_ADDED_CHARACTERS:,} characters, of which {self._left:,} are left"
            )
        self._left -= max(added, 0)
        return _REFERENCE.sub(lambda match: self._text(match[1], render) if match[1] in self.values else match[0], text)

    def typed_value(self, text: str) -> int | float | bool | None:
        """The value that the text as a whole refers to, if it is another one than text."""
        match = _REFERENCE.fullmatch(text)
        value = self.values.get(match[1]) if match else None
        return None if isinstance(value, str) else value

    def _text(self, name: str, render: Callable[[ParameterValue], str]) -> str:
        if (render, name) not in self._texts:
            self._texts[render, name] = render(self.values[name])
        return self._texts[render, name]


def substitute(settings: SettingsT, references: References) -> SettingsT:
    """Settings with every ``${name}`` replaced. A flow without parameters is left as it is, as in Flowfile.

    Raises:
        SettingsError: a reference names no parameter or stands where none can be replaced, or the text gets too long.
    """
    if not references.values:
        return settings
    resolved = _substitute_model(settings, references, "")
    _refuse_leftovers(resolved, references.values)
    return resolved


def _substitute_model(model: SettingsT, references: References, path: str) -> SettingsT:
    kinds = _text_kinds(type(model))
    changed = {
        field: replaced
        for field, value in model
        if (replaced := _substitute_value(value, references, kinds.get(field), f"{path}{field}")) is not value
    }
    return model.model_copy(update=changed) if changed else model


def _substitute_value(value: Any, references: References, kind: str | None, path: str) -> Any:
    if isinstance(value, str):
        return _substitute_text(value, references, kind, path) if "${" in value else value
    if isinstance(value, BaseModel):
        return _substitute_model(value, references, f"{path}.")
    if isinstance(value, (tuple, list)):
        items: list[Any] = list(value)
        replaced = [
            item if isinstance(item, (list, tuple)) else _substitute_value(item, references, kind, f"{path}[{index}]")
            for index, item in enumerate(items)
        ]
        return value if all(new is old for new, old in zip(replaced, items)) else type(value)(replaced)
    if isinstance(value, dict):
        pairs: dict[Any, Any] = dict(value)
        changed = {key: _substitute_value(item, references, kind, f"{path}.{key}") for key, item in pairs.items()}
        return value if all(changed[key] is item for key, item in pairs.items()) else changed
    return value


def _substitute_text(text: str, references: References, kind: str | None, path: str) -> ParameterValue:
    if kind == "value" and (value := references.typed_value(text)) is not None:
        return value
    try:
        if kind == "code":
            return _substitute_code(text, references)
        return references.replace(text, _formula_literal if kind == "formula" else _plain_text)
    except ValueError as error:
        raise SettingsError(path, str(error)) from None


def _plain_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _formula_literal(value: ParameterValue) -> str:
    """A literal of the formula language, which knows no escape for the quote that delimits a text."""
    if not isinstance(value, str):
        return _plain_text(value)
    if '"' not in value:
        return json.dumps(value, ensure_ascii=False)
    if "'" in value:
        given = shortened(value)
        raise ValueError(f"parameter value {given!r} holds both kinds of quotes, which no formula text can hold")
    escaped = json.dumps(value.replace('"', "'"), ensure_ascii=False)[1:-1].replace("'", '"')
    return f"'{escaped}'"


def _substitute_code(code: str, references: References) -> str:
    """Replace references in Polars code: inside a plain string literal the value stays data, elsewhere it is text."""
    pieces: list[str] = []
    position = 0
    for begin, end, text in _plain_literals(code):
        pieces.append(references.replace(code[position:begin], _plain_text))
        pieces.append(repr(references.replace(text, _plain_text)))
        position = end
    return "".join([*pieces, references.replace(code[position:], _plain_text)])


def _plain_literals(code: str) -> list[tuple[int, int, str]]:
    """Where plain string literals with references begin and end, and their text; none in code that is no Python."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    except (tokenize.TokenError, SyntaxError):
        return []
    starts = list(accumulate((len(line) for line in io.StringIO(code)), initial=0))
    found: list[tuple[int, int, str]] = []
    format_depth = 0
    for token in tokens:
        format_depth += (token.type == _FORMAT_START) - (token.type == _FORMAT_END)
        if token.type == tokenize.STRING and "${" in token.string and not format_depth:
            text = _literal_text(token.string)
            if text is not None:
                begin, end = (starts[line - 1] + column for line, column in (token.start, token.end))
                found.append((begin, end, text))
    return found


def _literal_text(token: str) -> str | None:
    """The text of a string literal; None for bytes, for what a format string is made of, and for a broken literal."""
    prefix = re.match(r"[A-Za-z]*", token)
    if prefix is not None and set(prefix.group(0).lower()) & {"f", "b"}:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return str(ast.literal_eval(token))
    except (SyntaxError, ValueError):
        return None


def _refuse_leftovers(model: BaseModel, values: Mapping[str, ParameterValue]) -> None:
    for path, text in _texts(model.model_dump(mode="python"), ""):
        match = _REFERENCE.search(text)
        if match is None:
            continue
        name = match.group(1)
        if name in values:
            cause = "cannot be replaced inside a nested list" if "][" in path else _IN_VALUE
            raise SettingsError(path, f"${{{name}}} {cause}")
        raise SettingsError(path, f"${{{name}}} is not a parameter of this flow; its parameters: {', '.join(values)}")


def _texts(value: Any, path: str) -> list[tuple[str, str]]:
    if isinstance(value, str):
        return [(path, value)] if "${" in value else []
    if isinstance(value, dict):
        mapping: dict[Any, Any] = dict(value)
        return [found for key, item in mapping.items() for found in _texts(item, f"{path}.{key}".lstrip("."))]
    if isinstance(value, (list, tuple)):
        items: list[Any] = list(value)
        return [found for index, item in enumerate(items) for found in _texts(item, f"{path}[{index}]")]
    return []


@cache
def _text_kinds(model: type[BaseModel]) -> dict[str, str]:
    return {
        name: kind.kind
        for name, field in model.model_fields.items()
        for kind in [*field.metadata, *(meta for argument in get_args(field.annotation) for meta in get_args(argument))]
        if isinstance(kind, TextKind)
    }


def _number(convert: Callable[[str], int | float], text: str, what: str) -> int | float:
    try:
        return convert(text)
    except ValueError:
        raise ValueError(f"must be {what}; got {text!r}") from None
