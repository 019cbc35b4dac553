"""Where a flow stands in a project."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FlowPlace:
    """Where a flow stands in the project: the names of its folders and its own, each fit for an asset key."""

    folders: tuple[str, ...]
    name: str

    @property
    def key_prefix(self) -> tuple[str, ...]:
        """The first parts of the keys of all of the flow's assets."""
        return (*self.folders, self.name)

    @property
    def group(self) -> str:
        """The asset group of the flow."""
        return "/".join(self.key_prefix)
