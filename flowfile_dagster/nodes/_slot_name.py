"""The names of a flow's inputs and outputs."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import AfterValidator


def _check_slot_name(name: str) -> str:
    if not name[:1].isalpha() or not all(letter.isalnum() or letter == "_" for letter in name):
        raise ValueError(f"{name!r} must begin with a letter and hold only letters, digits and underscores")
    return name


#: A letter, then letters, digits and underscores.
SlotName: TypeAlias = Annotated[str, AfterValidator(_check_slot_name)]
