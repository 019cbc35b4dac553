"""The ``table_settings`` object of readers and writers."""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from flowfile_dagster.contract.settings import SettingsBlock


class FileTableOwner(SettingsBlock):
    """A settings block whose ``table_settings`` take their ``file_type`` from the block where they name none."""

    @model_validator(mode="before")
    @classmethod
    def _table_type_from_file_type(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        table: Any = given.get("table_settings")
        if table is None or (isinstance(table, dict) and "file_type" not in table):
            return {**given, "table_settings": {**(table or {}), "file_type": given.get("file_type")}}
        return given
