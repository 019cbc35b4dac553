"""The settings of a node as people read them: what was chosen, without defaults and what only the editor needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from flowfile_dagster.errors import shortened, without_secrets
from flowfile_dagster.flow.graph import FlowNode

MAX_CHARACTERS = 2000
MAX_ITEMS = 20

#: Fields, and headers of requests, whose values nobody may see. Flowfile keeps secrets by name, and names are shown.
_SECRET = re.compile(
    r"(?!.*(?:name|ref|id|location)$).*"
    r"(?:authorization|cookie|credential|passw|secret|token|(?:api|access|account|private)[_-]?key|connection[_-]?string)",
    re.IGNORECASE,
)

_EDITOR_ONLY = {"cache_results", "output_field_config"}


def render_settings(node: FlowNode, saved: Mapping[str, Any] | None = None) -> str:
    """YAML of at most 2,000 characters; empty for a node that has no settings or only defaults.

    `saved`: the node's ``setting_input``, where the flow has parameters: they are shown by name, so that the text holds
    for every run.
    """
    settings = node.settings
    if settings is None:
        return ""
    if saved is not None:
        settings = type(settings).model_validate(saved)
    chosen = settings.model_dump(
        mode="json", exclude_defaults=True, exclude={*_EDITOR_ONLY, *node.kind.cosmetic_fields}
    )
    config = settings.output_field_config
    if config is not None and config.is_active:
        chosen["output_field_config"] = config.model_dump(mode="json", exclude_defaults=True)
    if not chosen:
        return ""
    text: str = yaml.safe_dump(
        _shortened(_unwrapped(chosen)), sort_keys=False, allow_unicode=True, width=100, default_flow_style=None
    )
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 2] + "…\n"


def _unwrapped(value: dict[str, Any]) -> dict[str, Any]:
    """``{filter_input: {…}}`` says no more than ``{…}``."""
    while len(value) == 1 and isinstance(inner := next(iter(value.values())), dict) and inner:
        value = inner
    return value


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: "***" if isinstance(item, str) and _SECRET.match(key) else _shortened(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        more = [f"… {len(value) - MAX_ITEMS:,} more"] if len(value) > MAX_ITEMS else []
        return [*(_shortened(item) for item in value[:MAX_ITEMS]), *more]
    if isinstance(value, str):
        return shortened(without_secrets(value), MAX_CHARACTERS)
    return value
