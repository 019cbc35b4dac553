"""YAML text to plain data: what a safe YAML 1.1 load gives, minus everything that a flow file has no use for.

The parser's event stream is turned into data here, one event at a time, so every limit holds before memory is
spent, recursion cannot happen, and a problem is told with its line and its path. Differences to a plain safe load:
duplicate keys, keys that are not text, NaN and infinity, binary data and sets are errors, and so is an alias inside
the value that it stands for. An unquoted date or time becomes text (see `yaml_scalars`), an unquoted ``=`` too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.scanner import Scanner

from flowfile_dagster.flow.text_problem import (
    BAD_CHARACTER,
    MAX_DEPTH,
    MAX_VALUES,
    TOO_DEEP,
    TOO_MANY,
    ParsedText,
    Step,
    TextProblem,
    node_id_in,
    quote,
)
from flowfile_dagster.flow.yaml_scalars import (
    FIRST_CHARACTERS,
    MERGE_KEY,
    STANDARD_TAG,
    ScalarError,
    forbidden_tag,
    read_plain,
    read_tagged,
)

try:
    from yaml.cyaml import CParser  # type: ignore[attr-defined]  # absent from the stubs
except ImportError:  # PyYAML was built without libyaml
    CParser = None  # type: ignore[assignment, misc]

#: Characters of all text values together, aliases counted as often as they are used.
MAX_CHARACTERS = 32 * 1024 * 1024
MAX_DIRECTIVES = 8

_LINE_BREAKS = "\n\r\x85\u2028\u2029"
#: So many scalars are kept with their meaning, because the same few come again and again.
_REMEMBERED = 10_000
_BAD_CHARACTER = re.compile("[\x00\ud800-\udfff]")
_FORBIDDEN_CHARACTER = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class EventParser(Protocol):
    """What both parsers of PyYAML, the one in C and the one in Python, offer."""

    def get_event(self) -> Any: ...


class _PythonParser(Reader, Scanner, Parser):
    """The slow parser, for a PyYAML without libyaml."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)


def _new_parser(text: str) -> EventParser:
    return cast(EventParser, _PythonParser(text) if CParser is None else CParser(text))


def parse_yaml(text: str, new_parser: Callable[[str], EventParser] = _new_parser) -> ParsedText:
    """The data of a YAML text that holds one document; None where it holds nothing but comments.

    Raises:
        TextProblem: the text breaks a rule of YAML or one of ours.
    """
    # Directives are compared pairwise by the parser, so many of them would take very long.
    if text.startswith("%") + sum(text.count(f"{end}%") for end in _LINE_BREAKS) > MAX_DIRECTIVES:
        raise TextProblem(
            f"more than {MAX_DIRECTIVES} lines begin with '%'; a flow file needs no YAML directives", None
        )
    builder = _Builder()
    try:
        builder.read(new_parser(text))
    except ReaderError as error:
        found = _FORBIDDEN_CHARACTER.search(text)
        line = text.count("\n", 0, found.start()) + 1 if found else None
        shown = f"the character U+{ord(found.group()):04X}" if found else str(error.reason)
        raise TextProblem(f"not valid YAML: {shown} is not allowed; remove it", line) from error
    except yaml.MarkedYAMLError as error:
        raise builder.problem(*_syntax_cause(text, error)) from error
    return ParsedText(builder.root, builder.node_lines())


def _syntax_cause(text: str, error: yaml.MarkedYAMLError) -> tuple[str, int | None]:
    mark = error.problem_mark or error.context_mark
    reason = " ".join(part for part in (error.context, error.problem) if part)
    if mark is None:
        return f"not valid YAML: {reason}", None
    if "maximum nesting depth" in reason:  # newer versions of libyaml have a limit of their own
        return TOO_DEEP, mark.line + 1
    last = text.rstrip().count("\n") + 1
    if mark.line >= last or "unexpected end of stream" in reason or "<stream end>" in reason:
        return f"the file ends here too early ({reason}); it is cut off, save it again", min(mark.line + 1, last)
    return f"column {mark.column + 1}: not valid YAML: {reason}", mark.line + 1


@dataclass
class _Anchored:
    """What ``&name`` stands for, and how much it counts; `count` is None while the value is still being read."""

    value: Any
    count: int | None = None
    characters: int = 0


class _Level:
    """A mapping or list that is being read."""

    __slots__ = ("anchored", "characters", "count", "key", "key_lines", "line", "lines", "merged", "value")

    def __init__(self, value: Any, line: int, count: int, characters: int) -> None:
        self.value: Any = value
        self.line = line
        self.count = count
        self.characters = characters
        self.key: Any = None
        self.key_lines: list[int] = []  # of a mapping, in the order of its keys
        self.lines: list[int] | None = None  # of a list, of its elements, where someone may ask for them
        self.merged: list[dict[str, Any]] | None = None
        self.anchored: _Anchored | None = None


class _Builder:
    """Receives events, builds data."""

    def __init__(self) -> None:
        self.root: Any = None
        self._levels: list[_Level] = []
        self._anchors: dict[str, _Anchored] = {}
        self._element_lines: dict[int, list[int]] = {}
        self._read: dict[str, Any] = {}
        self._count = 0
        self._characters = 0
        self._documents = 0

    def read(self, parser: EventParser) -> None:
        """Build from all events of `parser`."""
        steps: dict[type[Event], Callable[[Any, int], None]] = {
            ScalarEvent: self._scalar,
            MappingStartEvent: self._start,
            SequenceStartEvent: self._start,
            MappingEndEvent: self._end,
            SequenceEndEvent: self._end,
            AliasEvent: self._alias,
            DocumentStartEvent: self._document,
            DocumentEndEvent: _nothing,
            StreamStartEvent: _nothing,
        }
        while type(event := parser.get_event()) is not StreamEndEvent:
            steps[type(event)](event, event.start_mark.line + 1)

    def node_lines(self) -> tuple[int, ...]:
        """The line of each element of the top-level ``nodes``."""
        nodes = cast("dict[str, Any]", self.root).get("nodes") if isinstance(self.root, dict) else None
        return tuple(self._element_lines.get(id(nodes), ())) if isinstance(nodes, list) else ()

    def problem(self, cause: str, line: int | None) -> TextProblem:
        """`cause` at the place that has been reached."""
        steps: list[Step] = []
        for level in self._levels:
            if isinstance(level.value, list):
                steps.append(len(level.value))
            elif level.key is not None:
                steps.append("<<" if level.key is MERGE_KEY else level.key)
        node_id = None
        if len(self._levels) > 2 and steps[0] == "nodes":
            node_id = node_id_in(self._levels[2].value)
        return TextProblem(cause, line, steps, node_id)

    def _document(self, event: DocumentStartEvent, line: int) -> None:
        self._documents += 1
        if self._documents > 1:
            raise TextProblem("a second YAML document begins here ('---'); a flow file holds exactly one", line)

    def _scalar(self, event: ScalarEvent, line: int) -> None:
        text = event.value
        is_key = self._awaits_key()
        self._grow(0 if is_key else 1, len(text), line)
        try:
            value = self._read_scalar(event)
        except ScalarError as error:
            raise self.problem(str(error), line) from error
        if event.style == '"' and _BAD_CHARACTER.search(text):
            raise self.problem(BAD_CHARACTER, line)
        if event.anchor is not None:
            self._anchor(event.anchor, line, _Anchored(value, 1, len(text)))
        if is_key:
            self._take_key(value, text, line)
        else:
            self._take(value, line)

    def _start(self, event: MappingStartEvent | SequenceStartEvent, line: int) -> None:
        is_mapping = type(event) is MappingStartEvent
        if event.tag not in (None, STANDARD_TAG + ("map" if is_mapping else "seq")):
            raise self.problem(forbidden_tag(event.tag), line)
        if len(self._levels) >= MAX_DEPTH:
            raise self.problem(TOO_DEEP, line)
        parent = self._levels[-1] if self._levels else None
        if self._awaits_key():
            raise self.problem("a key is a list or a mapping; write keys as text", line)
        level = _Level({} if is_mapping else [], line, self._count, self._characters)
        if event.anchor is not None:
            level.anchored = _Anchored(level.value)
            self._anchor(event.anchor, line, level.anchored)
        if not is_mapping and (level.anchored is not None or (parent is not None and parent.key == "nodes")):
            level.lines = self._element_lines[id(level.value)] = []
        self._grow(1, 0, line)
        self._levels.append(level)

    def _end(self, event: MappingEndEvent | SequenceEndEvent, line: int) -> None:
        level = self._levels.pop()
        for merged in level.merged or ():
            for key, value in merged.items():
                level.value.setdefault(key, value)
        if level.anchored is not None:
            level.anchored.count = self._count - level.count
            level.anchored.characters = self._characters - level.characters
        self._take(level.value, level.line)

    def _alias(self, event: AliasEvent, line: int) -> None:
        name = event.anchor or ""
        anchored = self._anchors.get(name)
        if anchored is None:
            raise self.problem(f"the alias {quote('*' + name)} has no anchor before it", line)
        if anchored.count is None:
            raise self.problem(f"the alias {quote('*' + name)} stands inside the value that it repeats", line)
        self._grow(anchored.count, anchored.characters, line)
        if self._awaits_key():
            self._take_key(anchored.value, f"*{event.anchor}", line)
        else:
            self._take(anchored.value, line)

    def _anchor(self, name: str, line: int, anchored: _Anchored) -> None:
        if name in self._anchors:
            raise self.problem(f"the anchor {quote('&' + name)} is defined twice; give each its own name", line)
        self._anchors[name] = anchored

    def _awaits_key(self) -> bool:
        level = self._levels[-1] if self._levels else None
        return level is not None and level.key is None and type(level.value) is dict

    def _grow(self, count: int, characters: int, line: int) -> None:
        self._count += count
        self._characters += characters
        if self._count > MAX_VALUES:
            raise self.problem(TOO_MANY, line)
        if self._characters > MAX_CHARACTERS:
            raise self.problem(f"the text of all values exceeds {MAX_CHARACTERS:,} characters", line)

    def _take_key(self, value: Any, text: str, line: int) -> None:
        level = self._levels[-1]
        if value is not MERGE_KEY:
            if type(value) is not str:
                raise self.problem(f"the key {quote(text)} is read as {_kind(value)}, not as text; quote it", line)
            if value in level.value:
                first = level.key_lines[list(level.value).index(value)]
                level.key = value
                raise self.problem(f"the key {quote(value)} appears twice, first in line {first}; keep one", line)
            level.value[value] = None
            level.key_lines.append(line)
        elif level.merged is not None:
            raise self.problem("the merge key '<<' appears twice; give it a list of aliases", line)
        level.key = value

    def _take(self, value: Any, line: int) -> None:
        if not self._levels:
            self.root = value
            return
        level = self._levels[-1]
        if type(level.value) is list:
            if value is MERGE_KEY:
                value = "<<"
            level.value.append(value)
            if level.lines is not None:
                level.lines.append(line)
        elif level.key is MERGE_KEY:
            level.merged = self._merged(value, line)
            level.key = None
        else:
            level.value[level.key] = "<<" if value is MERGE_KEY else value
            level.key = None

    def _merged(self, value: Any, line: int) -> list[dict[str, Any]]:
        parts = value if isinstance(value, list) else [value]
        if not all(isinstance(part, dict) for part in parts):
            raise self.problem("the merge key '<<' needs a mapping or a list of mappings", line)
        return parts

    def _read_scalar(self, event: ScalarEvent) -> Any:
        text = event.value
        if event.tag is not None:
            return read_tagged(event.tag, text)
        if not event.implicit[0] or text[:1] not in FIRST_CHARACTERS:
            return text
        if text in self._read:
            return self._read[text]
        value = read_plain(text)
        if len(text) < 40 and len(self._read) < _REMEMBERED:
            self._read[text] = value
        return value


def _nothing(event: Event, line: int) -> None:
    """An event that carries nothing."""


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return {bool: "a boolean", int: "a number", float: "a number"}.get(type(value), "a structure")
