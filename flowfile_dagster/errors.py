"""Every exception of the package, and the one form in which a failure is told.

A node does not know in which flow it stands, so it raises a `NodeProblem` with the bare facts; the room that
does know wraps it into a `NodeError`, whose first line reads ``flow / node id / node type / reference: cause``.
Facts are constructor arguments and attributes, so every error survives pickling between processes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

#: A text of a flow file is shown up to this length: it may hold megabytes.
SHOWN_CHARACTERS = 300
#: The first line of a failure, likewise.
CAUSE_CHARACTERS = 2_000


#: A password is often not encoded: behind a colon all counts up to the last ``@``, unless it looks like a port.
_URL_USER = re.compile(r"(?<=://)(?:[^/?#\s'\"@:\[]+:(?!\d{1,5}[/?#])(?:(?!://)[^\s'\"])*|[^/?#\s'\"]+)(?=@)")
#: The lengths are limited: a text made for it would else take a time that grows with its square.
_URL_SECRET = re.compile(
    r"(?<=[?&;#])([\w.-]{0,60}"
    r"(?:sig|auth(?!or)|token|secret|passw|passphrase|pwd|key|credential|bearer|jwt)"
    r"[\w.-]{0,60}=)[^&;#\s'\"]+",
    re.IGNORECASE,
)


def without_secrets(text: str) -> str:
    """The text with ``***`` for user and password in URLs, and for signatures and keys in their queries."""
    return _URL_SECRET.sub(r"\1***", _URL_USER.sub("***", text)) if "://" in text else text


def shortened(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """The text, cut in its middle where it is longer than `limit` characters."""
    half = (limit - 3) // 2
    return text if len(text) <= limit else f"{text[:half]} … {text[-half:]}"


#: Polars counts the values of the piece that it was working on, which depends on the machine and on the plan. Of
#: several values it shows those that it met first, which differ from run to run.
_PIECE = re.compile(r"(?<=') for \d+ out of \d+ values(: \[[^\n]*,[^\n]*\])?")


#: A panic in a task of the streaming engine: Polars numbers the tasks, so the same panic reads otherwise each time.
_TASK_PANIC = re.compile(
    r'called `Result::unwrap\(\)` on an `Err` value: JoinError::Panic\(Id\(\d+\), "(.*)", \.\.\.\)'
)


class FlowfileDagsterError(Exception):
    """Base of all errors raised by this package."""


class NodeProblem(FlowfileDagsterError):
    """What is wrong with one node, told without knowing where the node stands."""


class SettingsError(NodeProblem):
    """A setting has a value that the node cannot work with.

    `field` is the path inside ``setting_input``; `cause` says what is wrong and what would be right.
    """

    def __init__(self, field: str, cause: str) -> None:
        super().__init__(field, cause)
        self.field = field
        self.cause = cause

    def __str__(self) -> str:
        return f"{self.field}: {self.cause}"


class MissingColumnError(NodeProblem):
    """A node names a column that its input does not have."""

    def __init__(self, column: str, available: Iterable[str], where: str = "") -> None:
        self.column = column
        self.available = tuple(available)
        self.where = where
        super().__init__(column, self.available, where)

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        close = get_close_matches(self.column, self.available, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        shown = ", ".join(repr(name) for name in self.available[:20])
        more = f" and {len(self.available) - 20} more" if len(self.available) > 20 else ""
        return f"{where}column {self.column!r} is not in the input.{hint} Existing columns: {shown or 'none'}{more}"


class DuplicateColumnError(NodeProblem):
    """A node would deliver two columns of one name."""

    def __init__(self, column: str, cause: str = "") -> None:
        super().__init__(column, cause)
        self.column = column
        self.cause = cause

    def __str__(self) -> str:
        reason = f" ({self.cause})" if self.cause else ""
        return f"two output columns would have the name {self.column!r}{reason}"


class FormulaError(NodeProblem):
    """A formula cannot be parsed or does not fit the columns it reads."""

    def __init__(self, formula: str, cause: str) -> None:
        super().__init__(formula, cause)
        self.formula = formula
        self.cause = cause

    def __str__(self) -> str:
        return f"formula {shortened(self.formula)!r}: {self.cause}"


class UserCodeError(NodeProblem):
    """Code written in a flow is not allowed, or it failed; `line` is its line in the code, if known."""

    def __init__(self, cause: str, line: int | None = None) -> None:
        super().__init__(cause, line)
        self.cause = cause
        self.line = line

    def __str__(self) -> str:
        return self.cause if self.line is None else f"code line {self.line}: {self.cause}"


class MissingExtraError(NodeProblem):
    """A node needs an optional library that is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(what, extra)
        self.what = what
        self.extra = extra

    def __str__(self) -> str:
        return f"{self.what} needs an optional library: install flowfile-dagster[{self.extra}]"


class UnsupportedNodeError(NodeProblem):
    """A node of a type, or with an option, that loads and shows but cannot run."""


class DataError(NodeProblem):
    """The data that reached a node does not allow the operation."""


@dataclass(frozen=True)
class NodeLocation:
    """Where a node stands, for messages."""

    flow: str
    node_id: int
    node_type: str
    reference: str | None = None

    def __str__(self) -> str:
        parts = [self.flow, str(self.node_id), shortened(self.node_type)]
        if self.reference:
            parts.append(shortened(self.reference))
        return " / ".join(parts)


class NodeError(FlowfileDagsterError):
    """A node failed. The first line is ``flow / node id / node type / reference: cause``.

    `detail` is the text of the original error where that says more than `cause`.
    """

    def __init__(self, location: NodeLocation, cause: str, detail: str = "") -> None:
        cause, detail = shortened(without_secrets(cause), CAUSE_CHARACTERS), without_secrets(detail)
        super().__init__(location, cause, detail)
        self.location = location
        self.cause = cause
        self.detail = detail

    @classmethod
    def from_exception(cls, location: NodeLocation, error: BaseException) -> NodeError:
        """Wrap any exception: its first line becomes the cause, the whole text the detail."""
        if isinstance(error, NodeError):
            return error
        text = str(error).strip() or type(error).__name__
        first, _, rest = _PIECE.sub("", _TASK_PANIC.sub(r"\1", text)).partition("\n")
        if isinstance(error, FlowfileDagsterError):
            return cls(location, first, rest.strip())
        return cls(location, first, f"{type(error).__name__}: {text}")

    def followed_by(self, other: NodeError) -> NodeError:
        """The same, with another failure below it, unless that is of the same cause."""
        if other.cause == self.cause:
            return self
        return NodeError(self.location, self.cause, f"{self.detail}\nwhat stopped the query: {other}".lstrip())

    def __str__(self) -> str:
        head = f"{self.location}: {self.cause}"
        return f"{head}\n{self.detail}" if self.detail else head


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a flow file. `field` is a path such as ``nodes[3].input_ids``."""

    field: str
    cause: str
    node_id: int | None = None
    line: int | None = None

    def __str__(self) -> str:
        line = f"line {self.line}: " if self.line else ""
        node = f"node {self.node_id}: " if self.node_id is not None else ""
        field = f"{self.field}: " if self.field else ""
        return f"{line}{node}{field}{self.cause}"


class FlowFileError(FlowfileDagsterError):
    """A flow file cannot be loaded. The message lists every problem that was found, the first one first."""

    def __init__(self, path: str, problems: Iterable[Problem]) -> None:
        self.path = path.encode(errors="backslashreplace").decode()  # a name may be no text
        self.problems = tuple(problems)
        super().__init__(self.path, self.problems)

    def __str__(self) -> str:
        shown = [str(problem) for problem in self.problems[:20]]
        if len(self.problems) > 20:
            shown.append(f"and {len(self.problems) - 20} more")
        return f"{self.path}: " + "\n  ".join(shown)


class ParameterError(FlowfileDagsterError):
    """A parameter value is unknown, missing or not of the declared type."""

    def __init__(self, flow: str, name: str, cause: str) -> None:
        super().__init__(flow, name, cause)
        self.flow = flow
        self.name = name
        self.cause = cause

    def __str__(self) -> str:
        return f"{self.flow}: parameter {self.name!r}: {self.cause}"


class ConfigError(FlowfileDagsterError):
    """The configuration says something that cannot be. `field` is the path inside the configuration.

    `flow`: whose configuration it is; None is the project's.
    """

    def __init__(self, flow: str | None, field: str, cause: str) -> None:
        super().__init__(flow, field, cause)
        self.flow = flow
        self.field = field
        self.cause = cause

    def __str__(self) -> str:
        field = f"{self.field}: " if self.field else ""
        owner = "" if self.flow is None else f" of flow {self.flow!r}"
        return f"configuration{owner}: {field}{self.cause}"


class StoreError(FlowfileDagsterError):
    """A stored result cannot be read or written; `path` is the file concerned."""

    def __init__(self, path: str, cause: str) -> None:
        path, cause = without_secrets(path), without_secrets(cause)
        super().__init__(path, cause)
        self.path = path
        self.cause = cause

    def __str__(self) -> str:
        return f"{self.path}: {self.cause}"


class SelectionError(FlowfileDagsterError):
    """What was asked for is not there: a node, an output, a result, a mode, a test."""
