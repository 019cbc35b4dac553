"""How a flow is partitioned, and which parameters a partition sets: the words, and what Dagster makes of them.

A partition is a run of the flow with other parameter values. So every kind says which parameters it sets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

import dagster as dg
from pydantic import ConfigDict, field_validator

from flowfile_dagster.orchestration.project.place import FlowPlace

_TIME_WINDOWS: Mapping[str, Callable[..., dg.TimeWindowPartitionsDefinition]] = {
    "hourly": dg.HourlyPartitionsDefinition,
    "daily": dg.DailyPartitionsDefinition,
    "weekly": dg.WeeklyPartitionsDefinition,
    "monthly": dg.MonthlyPartitionsDefinition,
}


class _Words(dg.Model):
    # YAML templates turn '2024' into a number; keys and formats are texts all the same.
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class TimePartitions(_Words):
    """One partition per hour, day, week or month.

    Attributes:
        type: the length of a partition.
        start: when the first one begins, as an ISO date or time.
        end: when the last one is over; default: there is a new one whenever one is over.
        timezone: where days begin, for example ``Europe/Berlin``.
        key_format: how the start of a partition is written in its key (as in `strftime`); default: Dagster's.
        parameter: the parameter that gets the partition's key.
        start_parameter: the parameter that gets the time at which the partition begins.
        end_parameter: the parameter that gets the time at which the partition is over, which is not part of it.
        window_format: how these two times are written; default: ``%Y-%m-%d``, with the time of day if hourly.
    """

    type: Literal["hourly", "daily", "weekly", "monthly"]
    start: str
    end: str | None = None
    timezone: str = "UTC"
    key_format: str | None = None
    parameter: str | None = None
    start_parameter: str | None = None
    end_parameter: str | None = None
    window_format: str | None = None

    @property
    def parameters(self) -> Sequence[str]:
        """The parameters that a partition sets."""
        return _given(self.parameter, self.start_parameter, self.end_parameter)

    @cached_property
    def _definition(self) -> dg.TimeWindowPartitionsDefinition:
        start = datetime.fromisoformat(self.start)
        end = None if self.end is None else datetime.fromisoformat(self.end)
        if end is not None and end <= start:
            raise ValueError(f"end {self.end} is not after start {self.start}")
        return _TIME_WINDOWS[self.type](
            start_date=start,
            end_date=end,
            timezone=self.timezone,
            fmt=self.key_format,
        )

    def build(self, place: FlowPlace) -> dg.PartitionsDefinition[str]:
        """Dagster's definition of the partitions."""
        return self._definition

    def values(self, key: str, folder: Path) -> dict[str, str]:
        """The values of the parameters in one partition."""
        window = self._definition.time_window_for_partition_key(key)
        written = self.window_format or ("%Y-%m-%d %H:%M:%S" if self.type == "hourly" else "%Y-%m-%d")
        values = {
            self.parameter: key,
            self.start_parameter: window.start.strftime(written),
            self.end_parameter: window.end.strftime(written),
        }
        return {name: value for name, value in values.items() if name is not None}

    def examples(self) -> list[dict[str, str]]:
        """The values in the first partition, by which to tell whether they fit the parameters."""
        first = self._definition.get_first_partition_key()
        return [] if first is None else [self.values(first, Path())]


class _KeyPartitions(_Words):
    parameter: str

    @property
    def parameters(self) -> Sequence[str]:
        """The parameters that a partition sets."""
        return (self.parameter,)

    def values(self, key: str, folder: Path) -> dict[str, str]:
        """The values of the parameters in one partition."""
        return {self.parameter: key}

    def examples(self) -> list[dict[str, str]]:
        """The values that are known before a run, by which to tell whether they fit the parameters."""
        return []


class StaticPartitions(_KeyPartitions):
    """One partition for each of a list of keys.

    Attributes:
        keys: the values of the parameter, one per partition.
        parameter: the parameter that gets the key.
    """

    type: Literal["static"] = "static"
    keys: Sequence[str]

    # Not a constraint of the field: Dagster's components take no annotated ones in plain models.
    @field_validator("keys")
    @classmethod
    def _refuse_none(cls, keys: Sequence[str]) -> Sequence[str]:
        if not keys:
            raise ValueError("name at least one key")
        return keys

    def build(self, place: FlowPlace) -> dg.PartitionsDefinition[str]:
        """Dagster's definition of the partitions."""
        return dg.StaticPartitionsDefinition(list(self.keys))

    def examples(self) -> list[dict[str, str]]:
        """The values in every partition, by which to tell whether they fit the parameters."""
        return [{self.parameter: key} for key in self.keys]


class DynamicPartitions(_KeyPartitions):
    """Partitions that are added while Dagster runs: in the UI, by a sensor, or by an API call.

    Attributes:
        name: the name of the set of partitions, which other assets may share.
        parameter: the parameter that gets the key.
    """

    type: Literal["dynamic"] = "dynamic"
    name: str

    def build(self, place: FlowPlace) -> dg.PartitionsDefinition[str]:
        """Dagster's definition of the partitions."""
        return dg.DynamicPartitionsDefinition(name=self.name)


class FilePartitions(_KeyPartitions):
    """One partition per input file. A sensor adds what appears and runs the flow for it.

    Attributes:
        pattern: which files, for example ``inbox/*.csv``; relative to the root, without one to the flow's folder.
        parameter: the parameter that gets the file.
        value: what of the file it gets: the absolute ``path``, the ``name``, or the ``stem`` (the name without its
            extension).
    """

    type: Literal["files"] = "files"
    pattern: str
    value: Literal["path", "name", "stem"] = "path"

    def set_name(self, place: FlowPlace) -> str:
        """The name of the set of partitions: flows of one folder that look for the same files share it."""
        return "/".join((*place.folders, self.pattern))

    def build(self, place: FlowPlace) -> dg.PartitionsDefinition[str]:
        """Dagster's definition of the partitions."""
        return dg.DynamicPartitionsDefinition(name=self.set_name(place))

    def find(self, folder: Path) -> list[str]:
        """The keys of the files that are there: their paths under the part of the pattern that is a plain folder."""
        top, rest = self._split(folder)
        return sorted(path.relative_to(top).as_posix() for path in top.glob(rest) if path.is_file())

    def values(self, key: str, folder: Path) -> dict[str, str]:
        """The values of the parameters in one partition."""
        path = self.folder_of_files(folder) / key
        return {self.parameter: {"path": str(path), "name": path.name, "stem": path.stem}[self.value]}

    def folder_of_files(self, folder: Path) -> Path:
        """The plain folder that the files are under."""
        return self._split(folder)[0]

    def _split(self, folder: Path) -> tuple[Path, str]:
        """The plain folder that the pattern begins with, and the rest."""
        parts = (folder / self.pattern).parts
        plain = next((index for index, part in enumerate(parts[:-1]) if set(part) & set("*?[")), len(parts) - 1)
        return Path(*parts[:plain]), "/".join(parts[plain:])


#: What can be a dimension of `MultiPartitions`.
Dimension: TypeAlias = TimePartitions | StaticPartitions | DynamicPartitions


class MultiPartitions(_Words):
    """One partition for each pair of keys of two dimensions, of which each sets parameters of its own.

    Attributes:
        dimensions: the two dimensions by name.
    """

    type: Literal["multi"] = "multi"
    dimensions: Mapping[str, Dimension]

    @property
    def parameters(self) -> Sequence[str]:
        """The parameters that a partition sets."""
        return [name for dimension in self.dimensions.values() for name in dimension.parameters]

    def build(self, place: FlowPlace) -> dg.PartitionsDefinition[dg.MultiPartitionKey]:
        """Dagster's definition of the partitions."""
        return dg.MultiPartitionsDefinition({name: item.build(place) for name, item in self.dimensions.items()})

    def values(self, key: str, folder: Path) -> dict[str, str]:
        """The values of the parameters in one partition."""
        assert isinstance(key, dg.MultiPartitionKey)
        keys = key.keys_by_dimension
        found: dict[str, str] = {}
        for name, dimension in self.dimensions.items():
            found |= dimension.values(keys[name], folder)
        return found

    def examples(self) -> list[dict[str, str]]:
        """Values that are known before a run, by which to tell whether they fit the parameters."""
        return [values for dimension in self.dimensions.values() for values in dimension.examples()]


#: How a flow may be partitioned.
Partitions: TypeAlias = TimePartitions | StaticPartitions | DynamicPartitions | FilePartitions | MultiPartitions


def _given(*names: str | None) -> list[str]:
    return [name for name in names if name is not None]
