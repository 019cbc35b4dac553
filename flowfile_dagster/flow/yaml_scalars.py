"""The scalars of YAML 1.1 as plain values, as a safe load reads them; dates and times stay text."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable
from typing import Any

from yaml.constructor import SafeConstructor
from yaml.nodes import ScalarNode
from yaml.resolver import Resolver

from flowfile_dagster.flow.text_problem import MAX_NUMBER_LENGTH, NOT_FINITE, TOO_LONG_NUMBER, quote

STANDARD_TAG = "tag:yaml.org,2002:"
#: What an unquoted ``<<`` is read as: the key that merges mappings. No text equals it.
MERGE_KEY = object()
#: An unquoted scalar that begins otherwise is always text.
FIRST_CHARACTERS = frozenset(Resolver.yaml_implicit_resolvers)

_INT, _FLOAT, _STR = STANDARD_TAG + "int", STANDARD_TAG + "float", STANDARD_TAG + "str"
_MERGE, _VALUE = STANDARD_TAG + "merge", STANDARD_TAG + "value"
_RULES = {first: tuple(rules) for first, rules in Resolver.yaml_implicit_resolvers.items()}
#: What a number of any length would look like.
_LONG_NUMBER = re.compile(r"[-+]?(?:0x[0-9a-fA-F_]+|[0-9._:]+)")


class ScalarError(Exception):
    """A scalar that cannot be read; the message says why."""


def read_plain(text: str) -> Any:
    """An unquoted scalar without a tag."""
    if len(text) > MAX_NUMBER_LENGTH:
        if _LONG_NUMBER.fullmatch(text):
            raise ScalarError(TOO_LONG_NUMBER)
        return text
    for tag, pattern in _RULES.get(text[:1], ()):
        if pattern.match(text):
            if tag == _MERGE:
                return MERGE_KEY
            return text if tag == _VALUE else _convert(tag, text)
    return text


def read_tagged(tag: str, text: str) -> Any:
    """A scalar with an explicit tag such as ``!!int``; its text has to fit the tag."""
    if tag == _STR:
        return text
    if tag not in _CONVERSIONS:
        raise ScalarError(forbidden_tag(tag))
    if len(text) > MAX_NUMBER_LENGTH:
        raise ScalarError(TOO_LONG_NUMBER)
    fitting = {found for found, pattern in _RULES.get(text[:1], ()) if pattern.match(text)}
    if tag not in fitting and not (tag == _FLOAT and _INT in fitting):
        raise ScalarError(f"{quote(text)} does not fit its tag {_short(tag)}; remove the tag or the value")
    return _convert(tag, text)


def forbidden_tag(tag: str) -> str:
    """The cause for a tag that no flow file needs."""
    return (
        f"the tag {quote(_short(tag))} is not allowed; a flow file holds only text, numbers, booleans, lists and maps"
    )


def _short(tag: str) -> str:
    return f"!!{tag.removeprefix(STANDARD_TAG)}" if tag.startswith(STANDARD_TAG) else tag


def _convert(tag: str, text: str) -> Any:
    try:
        value = _CONVERSIONS[tag](ScalarNode(tag, text))
    except (ValueError, OverflowError) as error:
        raise ScalarError(
            f"{quote(text)} is not a valid {_short(tag)} ({error}); quote it if it is meant as text"
        ) from error
    if isinstance(value, float) and not math.isfinite(value):
        raise ScalarError(NOT_FINITE)
    return value


def _render_timestamp(node: ScalarNode) -> str:
    """An unquoted date or time as text, the way a column of text or of dates reads it.

    Flowfile's own load makes a date object of it. In manual input, columns of type Date, Datetime and String come to
    the same from this text; where Flowfile wants text (a filter's value), the object is an error and the text is right.
    """
    value = _CONSTRUCTOR.construct_yaml_timestamp(node)
    if not isinstance(value, datetime.datetime):
        return value.isoformat()
    if value.tzinfo is not None:
        value = value.astimezone(datetime.timezone.utc)
    precision = "auto" if value.microsecond % 1000 else "milliseconds" if value.microsecond else "seconds"
    return value.isoformat(sep=" ", timespec=precision)


_CONSTRUCTOR = SafeConstructor()
_CONVERSIONS: dict[str, Callable[[ScalarNode], Any]] = {
    STANDARD_TAG + "null": _CONSTRUCTOR.construct_yaml_null,
    STANDARD_TAG + "bool": _CONSTRUCTOR.construct_yaml_bool,
    _INT: _CONSTRUCTOR.construct_yaml_int,
    _FLOAT: _CONSTRUCTOR.construct_yaml_float,
    STANDARD_TAG + "timestamp": _render_timestamp,
}
