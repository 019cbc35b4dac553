"""What both text formats share: the limits, the outcome of parsing, and the one way to say what is wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

#: Containers may be nested this deep; real flows need about ten levels.
MAX_DEPTH = 100
#: Values in one file, containers included, aliases counted as often as they are used.
MAX_VALUES = 500_000
#: Characters of one number; the longest number that a column can hold has 40.
MAX_NUMBER_LENGTH = 1_000

TOO_DEEP = f"is nested deeper than {MAX_DEPTH} levels, which no flow needs; is this a flow file?"
TOO_MANY = (
    f"the file has more than {MAX_VALUES:,} values; put large data into a CSV or Parquet file and read that in the flow"
)
TOO_LONG_NUMBER = f"this number has more than {MAX_NUMBER_LENGTH:,} characters; if it is meant as text, quote it"
NOT_FINITE = "NaN and infinity are not allowed in a flow file; write the value as text in quotes, or null"
BAD_CHARACTER = "holds a NUL character or half of a surrogate pair, which no text may hold; remove it"

#: A step into the data: a key of a mapping or an index of a list.
Step: TypeAlias = str | int

_PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]{0,59}")


@dataclass(frozen=True)
class ParsedText:
    """Plain data, and the line of each element of its ``nodes``."""

    data: Any
    node_lines: tuple[int, ...] = ()


class TextProblem(Exception):
    """The text breaks a rule; `steps` lead from the top of the file to the place."""

    def __init__(self, cause: str, line: int | None, steps: Sequence[Step] = (), node_id: int | None = None) -> None:
        super().__init__(cause, line, tuple(steps), node_id)
        self.cause = cause
        self.line = line
        self.steps = tuple(steps)
        self.node_id = node_id


def render_path(steps: Sequence[Step]) -> str:
    """``nodes[3].setting_input.field``; odd and long keys are quoted and shortened, deep paths lose their middle."""
    if len(steps) > 10:
        return f"{render_path(steps[:6])}.….{render_path(steps[-2:])}"
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            shown = step if _PLAIN_KEY.fullmatch(step) else quote(step)
            text += f".{shown}" if text else shown
    return text


def quote(text: str, limit: int = 60) -> str:
    """The text as one printable line, shortened."""
    return repr(text if len(text) <= limit else f"{text[:limit]}…")


def node_id_in(element: object) -> int | None:
    """The id that an element of ``nodes`` states, as far as it has been read; None for what is no id."""
    node_id = element.get("id") if isinstance(element, dict) else None
    return node_id if type(node_id) is int else None
