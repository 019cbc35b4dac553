"""The columns to order rows by, as `sort` and `window_functions` have them."""

from __future__ import annotations

from flowfile_dagster.contract.settings import SettingsBlock


class SortKey(SettingsBlock):
    """One column to sort by."""

    column: str
    how: str | None = "asc"

    @property
    def is_descending(self) -> bool:
        """Whether the largest value comes first; any direction but "desc"/"descending" is ascending."""
        return (self.how or "").lower() in ("desc", "descending")
