"""JSON text to plain data, strictly: no duplicate keys, no NaN, nothing too deep, too large or too many.

The standard parser does the work; cheap checks before and hooks during it only notice that something is wrong.
Where and what exactly is then told by a second, slow walk over the text, which a correct file never pays for.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from json.decoder import scanstring  # type: ignore[attr-defined]  # absent from the stubs
from typing import Any

from flowfile_dagster.flow.text_problem import (
    BAD_CHARACTER,
    MAX_DEPTH,
    MAX_NUMBER_LENGTH,
    MAX_VALUES,
    NOT_FINITE,
    TOO_DEEP,
    TOO_LONG_NUMBER,
    TOO_MANY,
    ParsedText,
    Step,
    TextProblem,
    quote,
)

_SPACE = re.compile(r"[ \t\n\r]*")
_TOKEN = re.compile(r"[ \t\n\r:]*([\[\]{},\"]|[^ \t\n\r,:\[\]{}\"]+)")
_STRING = re.compile(rb'"[^"]*"?')
_NOT_BRACKET = bytes(set(range(256)) - set(b"[]{}"))
#: A NUL, or a surrogate whose other half is missing, written as an escape.
_BAD_ESCAPE = re.compile(
    r"\\u0000|\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]"
)


def parse_json(text: str) -> ParsedText:
    """The data of a JSON text.

    Raises:
        TextProblem: the text breaks a rule of JSON or one of ours.
    """
    _check_bounds(text)
    try:
        data = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _syntax_problem(text, error) from error
    except _ForbiddenError as error:
        raise _Walk(text).find(error.cause, len(text)) from error
    _check_characters(text)
    return ParsedText(data, _node_lines(text, data))


class _ForbiddenError(Exception):
    """A hook met something that is not allowed, without knowing where."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):
        raise _ForbiddenError("a key appears twice; keep one")
    return built


def _int(text: str) -> int:
    if len(text) > MAX_NUMBER_LENGTH:
        raise _ForbiddenError(TOO_LONG_NUMBER)
    return int(text)


def _float(text: str) -> float:
    if len(text) > MAX_NUMBER_LENGTH:
        raise _ForbiddenError(TOO_LONG_NUMBER)
    value = float(text)
    if math.isinf(value):
        raise _ForbiddenError(NOT_FINITE)
    return value


def _constant(text: str) -> Any:
    raise _ForbiddenError(NOT_FINITE)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_int, parse_float=_float, parse_constant=_constant)


def _check_bounds(text: str) -> None:
    """Depth and number of values, before anything is built from the text."""
    if text.count("[") + text.count("{") < MAX_DEPTH and text.count(",") < MAX_VALUES:
        return
    # Escape sequences may hide quotes, so they go first; what is then left between two quotes is a string.
    plain = text.encode().replace(rb"\\", b"").replace(rb"\"", b"")
    if plain.count(b'"') > 4 * MAX_VALUES:
        raise TextProblem(TOO_MANY, None)
    structure = _STRING.sub(b"", plain)
    if structure.count(b",") + structure.count(b"[") + structure.count(b"{") > MAX_VALUES:
        raise TextProblem(TOO_MANY, None)
    depth = 0
    for bracket in structure.translate(None, _NOT_BRACKET):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise _Walk(text).find(TOO_DEEP, len(text))
        if depth <= 0:  # the end of the data; if more follows, the parser will complain
            return


def _check_characters(text: str) -> None:
    if "\\u" in text and (found := _BAD_ESCAPE.search(text.replace("\\\\", "  "))):
        raise _Walk(text).find(BAD_CHARACTER, found.start())


def _syntax_problem(text: str, error: json.JSONDecodeError) -> TextProblem:
    reason = (error.msg[0].lower() + error.msg[1:]).removesuffix(" at").removesuffix(" starting")
    if error.msg.startswith("Unterminated string") or not text[error.pos :].strip():
        cause = f"column {error.colno}: the file ends here too early ({reason}); it is cut off, save it again"
    elif error.msg == "Extra data":
        cause = f"column {error.colno}: more text follows after the end of the flow; remove it"
    else:
        cause = f"column {error.colno}: not valid JSON: {reason}"
    return _Walk(text).find(cause, error.pos)


def _node_lines(text: str, data: Any) -> tuple[int, ...]:
    """The line on which each element of the top-level ``nodes`` starts; `text` is known to be correct."""
    if not isinstance(data, dict) or not isinstance(data.get("nodes"), list):
        return ()
    for key, start in _members(text, _skip(text, 0) + 1):
        if key == "nodes":
            return tuple(_element_lines(text, start))
    return ()


def _members(text: str, position: int) -> Iterator[tuple[str, int]]:
    """Key and start of the value of each member of an object whose inside starts at `position`."""
    while text[position := _skip(text, position)] != "}":
        key, position = scanstring(text, position + 1, True)
        start = _skip(text, _skip(text, position) + 1)
        yield key, start
        position = _after_comma(text, _DECODER.raw_decode(text, start)[1])


def _element_lines(text: str, position: int) -> Iterator[int]:
    line, counted = 1, 0
    position += 1
    while text[position := _skip(text, position)] != "]":
        line += text.count("\n", counted, position)
        counted = position
        yield line
        position = _after_comma(text, _DECODER.raw_decode(text, position)[1])


def _skip(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _after_comma(text: str, position: int) -> int:
    position = _skip(text, position)
    return position + 1 if text[position] == "," else position


@dataclass
class _Level:
    """An object or list that the walk is inside of. `keys` holds the position of each key of an object."""

    is_object: bool
    index: int = 0
    key: str | None = None
    keys: dict[str, int] = field(default_factory=dict[str, int])
    node_id: int | None = None

    @property
    def step(self) -> Step | None:
        return self.key if self.is_object else self.index


class _Walk:
    """Goes through a text that is known to be wrong until it can say what is wrong where."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._levels: list[_Level] = []
        self._awaits_key = False

    def find(self, cause: str, stop: int) -> TextProblem:
        """The first forbidden thing before `stop`, or else `cause` at `stop`."""
        position = 0
        while (token := _TOKEN.match(self._text, position)) and token.start(1) < stop:
            try:
                position, found = self._read(token.group(1), token.start(1))
            except json.JSONDecodeError:
                break
            if position > stop:
                break
            if found:
                return self._problem(found, token.start(1))
        return self._problem(cause, min(stop, len(self._text)))

    def _read(self, token: str, start: int) -> tuple[int, str | None]:
        """The end of the token at `start`, and what is forbidden about it."""
        if token == '"':
            value, end = scanstring(self._text, start + 1, True)
            return end, self._string(value, start)
        if token in "[{":
            self._levels.append(_Level(is_object=token == "{"))
            self._awaits_key = token == "{"
            return start + 1, TOO_DEEP if len(self._levels) > MAX_DEPTH else None
        if token in "]}":
            self._awaits_key = False
            if self._levels:
                self._levels.pop()
        elif token != ",":
            return start + len(token), self._word(token)
        elif self._levels:
            level = self._levels[-1]
            level.index += 1
            level.key = None
            self._awaits_key = level.is_object
        return start + 1, None

    def _string(self, value: str, start: int) -> str | None:
        if not self._awaits_key or not self._levels:
            return None
        level = self._levels[-1]
        self._awaits_key = False
        level.key = value
        if value in level.keys:
            first = self._line(level.keys[value])
            return f"the key {quote(value)} appears twice, first in line {first}; keep one"
        level.keys[value] = start
        return None

    def _word(self, word: str) -> str | None:
        if word in ("NaN", "Infinity", "-Infinity"):
            return NOT_FINITE
        if word[0] not in "-0123456789":
            return None
        if len(word) > MAX_NUMBER_LENGTH:
            return TOO_LONG_NUMBER
        if self._levels and self._levels[-1].key == "id" and word.lstrip("-").isdecimal():
            self._levels[-1].node_id = int(word)
        return NOT_FINITE if "e" in word.lower() and _is_infinite(word) else None

    def _problem(self, cause: str, position: int) -> TextProblem:
        steps = [level.step for level in self._levels if level.step is not None]
        node_id = None
        if len(self._levels) > 2 and steps[0] == "nodes":
            node_id = self._levels[2].node_id
        return TextProblem(cause, self._line(position), steps, node_id)

    def _line(self, position: int) -> int:
        return self._text.count("\n", 0, position) + 1


def _is_infinite(text: str) -> bool:
    try:
        return math.isinf(float(text))
    except ValueError:
        return False
